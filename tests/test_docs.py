"""What the documentation says is so: links, keys, commands, metrics, encodings, messages, examples."""

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from jsonschema import Draft202012Validator
from msgspec import Raw
from prometheus_client import Counter, Gauge, Histogram
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from consumer import errors, metrics
from consumer.cli import app_for
from consumer.config import Settings, load, read_trackers
from consumer.config_sections import ColumnSection, DocumentSection
from consumer.core.trackers import Rule, Tracker
from consumer.core.values import ENCODINGS, Encoding, canonical
from consumer.diagnosis.kinds import SECTIONS
from consumer.formats.connect_json import scalar
from consumer.kafka.settings import OWNED, consumer_settings, producer_settings

REPOSITORY = Path(__file__).parents[1]
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")])

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_ROW = re.compile(r"^\|(.+)\|$", re.MULTILINE)


class Fence(NamedTuple):
    """A fenced block of a page."""

    page: str
    language: str
    text: str


def page(name: str) -> str:
    return (REPOSITORY / "docs" / f"{name}.md").read_text(encoding="utf-8")


def fences(language: str) -> list[Fence]:
    found = []
    for path in PAGES:
        for indent, name, text in _FENCE.findall(path.read_text(encoding="utf-8")):
            if name == language:
                found.append(Fence(path.name, name, re.sub(f"^{indent}", "", text, flags=re.MULTILINE)))
    return found


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its rank or above."""
    rank = heading.partition(" ")[0]
    _, _, rest = text.partition(f"\n{heading}\n")
    assert rest, f"there is no {heading!r}"
    return re.split(rf"^#{{1,{len(rank)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of tables, without their heads."""
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in _ROW.findall(text)]
    heads = {at - 1 for at, row in enumerate(cells) if set(row[0]) == {"-"}}
    return [row for at, row in enumerate(cells) if at not in heads and set(row[0]) != {"-"}]


def code(cell: str) -> list[str]:
    return _CODE.findall(cell)


def anchors(path: Path) -> set[str]:
    """The anchors that headings get."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in _HEADING.findall(text)}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in _LINK.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.is_file() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_every_page_can_be_reached_from_the_readme() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    linked = {(REPOSITORY / link.partition("#")[0]).resolve() for link in _LINK.findall(readme)}
    assert {path.resolve() for path in PAGES if path.name != "README.md"} <= linked


# Examples


@pytest.mark.parametrize("block", fences("yaml"), ids=lambda block: block.page)
def test_yaml_examples_load(block: Fence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSTGRES_PASSWORD", raising=False)
    path = tmp_path / "config.yaml"
    path.write_text(block.text, encoding="utf-8")
    if not re.search(r"^\w+:", block.text, re.MULTILINE):
        assert read_trackers(path)
        return
    needed = {"kafka": "{bootstrap.servers: 'localhost:9092', group.id: g}", "postgres": "{dsn: postgresql:///m}"}
    missing = [f"{key}: {value}\n" for key, value in needed.items() if f"{key}:" not in block.text]
    path.write_text(block.text + "".join(missing), encoding="utf-8")
    load(path)


def test_the_sql_example_of_a_tracker_has_a_rule_that_is_read() -> None:
    rule = re.search(r"'(\{.*?\})'", page("trackers"))
    assert rule is not None
    assert set(json.loads(rule[1])) <= set(Rule.__struct_encode_fields__)


def test_the_event_in_the_docs_is_as_its_schema_says() -> None:
    schema = json.loads((REPOSITORY / "schemas" / "milestone-reached.schema.json").read_text(encoding="utf-8"))
    examples = [json.loads(block.text) for block in fences("json") if block.page == "subscribing.md"]
    assert examples
    for example in examples:
        Draft202012Validator(schema).validate(example)


# Commands


def _command_lines() -> Iterator[str]:
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        shell = "\n".join(block for _, language, block in _FENCE.findall(text) if language in ("sh", "text"))
        for line in [*shell.splitlines(), *code(_FENCE.sub("", text))]:
            command = re.sub(r"\s+# .*", "", line).strip()
            if re.match(r"(milestones|make) \w", command):
                yield command


@pytest.mark.parametrize("line", sorted({line for line in _command_lines() if line.startswith("milestones ")}))
def test_commands_in_the_docs_exist(line: str) -> None:
    command: Any = typer.main.get_command(app_for([]))
    for word in shlex.split(line)[1:]:
        if hasattr(command, "commands") and not word.startswith("-"):
            assert word in command.commands, f"{line!r}: there is no command {word!r}"
            command = command.commands[word]
        elif word.startswith("-"):
            options = {option for parameter in command.params for option in parameter.opts}
            assert word in options, f"{line!r}: there is no option {word!r}"


@pytest.mark.parametrize("line", sorted({line for line in _command_lines() if line.startswith("make ")}))
def test_make_targets_in_the_docs_exist(line: str) -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{line.split()[1]}:", makefile, re.MULTILINE)


# Configuration


def _written_default(default: object) -> str:
    """As it stands in the table."""
    if default is PydanticUndefined:
        return "required"
    if default in (None, (), {}, []):
        return "none"
    if isinstance(default, tuple):
        return ", ".join(f"`{part}`" for part in default)
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _keys(model: type[BaseModel], prefix: str) -> dict[str, str]:
    """Key to default, as `model` has them; sections are gone into."""
    keys: dict[str, str] = {}
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner: Any = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys |= _keys(inner, f"{key}.")
        else:
            keys[key] = _written_default(field.default)
    return keys


def test_the_configuration_page_lists_every_key_with_its_default() -> None:
    expected = {
        **_keys(Settings, ""),
        **_keys(DocumentSection, "documents.<type>."),
        **_keys(ColumnSection, "documents.<type>.columns.<column>."),
    }
    text = page("configuration")
    listed = rows(section(text, "## Every key")) + rows(section(text, "## documents"))
    assert {code(key)[0]: default for key, default, _ in listed} == expected


def test_the_properties_of_kafka_that_differ_are_listed() -> None:
    chosen = {**consumer_settings({}), **producer_settings({}, None)}
    listed = {code(row[0])[0]: code(row[1])[0] for row in rows(section(page("configuration"), "## kafka"))}
    assert listed == {name: _written_default(value).strip("`") for name, value in chosen.items() if name not in OWNED}


def test_the_settings_that_the_protocol_owns_are_listed() -> None:
    text = section(page("guarantees"), "## Which settings the protocol owns").partition("\n\n")[2]
    assert set(code(text.partition("\n\n")[0])) == OWNED


def test_the_fields_of_a_tracker_are_listed() -> None:
    fields = set(Tracker.__struct_fields__) - {"rule", "managed_by"} | set(Rule.__struct_encode_fields__)
    listed = {name for row in rows(section(page("trackers"), "## Fields")) for name in code(row[0])}
    assert listed == fields | {"docstatus"}


# Values


def _value_rows() -> list[list[str]]:
    return rows(section(page("values"), "## How a column is encoded"))


def test_every_encoding_has_an_example() -> None:
    assert {code(row[0])[0] for row in _value_rows()} == set(ENCODINGS)


@pytest.mark.parametrize("row", _value_rows(), ids=lambda row: f"{row[0]} {row[2]}")
def test_the_examples_of_values_are_right(row: list[str]) -> None:
    name, *scale = code(row[0])
    encoding = Encoding(name, int(scale[0].removeprefix("scale: ")) if scale else None)
    assert canonical(scalar(Raw(code(row[2])[0].encode())), encoding) == code(row[3])[0]


# Operations


def test_the_metrics_are_listed_with_their_labels() -> None:
    defined = {}
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            name = next(iter(metric.describe())).name + ("_total" if isinstance(metric, Counter) else "")
            defined[name] = list(metric._labelnames)  # noqa: SLF001 - without children it shows them nowhere else
    listed = rows(section(page("operations"), "## Metrics"))
    assert {code(name)[0]: code(labels) for name, labels, _ in listed} == defined


def _texts_of_the_program() -> str:
    """Every text in the package; what stands between the braces of an f-string is left out."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted((REPOSITORY / "consumer").rglob("*.py"))]
    constants = [node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return "\n".join(value for value in constants if isinstance(value, str))


def test_the_messages_it_stops_with_are_in_the_program() -> None:
    texts = _texts_of_the_program()
    messages = [code(row[0])[0] for row in rows(section(page("operations"), "## When it stops"))]
    assert len(messages) > 10
    assert not [message for message in messages if message not in texts]


def test_the_dead_letters_headers_and_reasons_are_listed() -> None:
    schema = json.loads((REPOSITORY / "schemas" / "dead-letter.schema.json").read_text(encoding="utf-8"))
    listed = [code(row[0])[0] for row in rows(section(page("operations"), "## Dead letters"))]
    headers = [name for name in listed if "." in name]
    assert headers == list(schema["properties"])
    reasons = schema["properties"]["milestones.dead-letter.error.class"]["enum"]
    assert [name for name in listed if "." not in name] == reasons
    assert set(reasons) == {kind.__name__ for kind in errors.Poison.__subclasses__()}


def test_the_roles_and_views_are_those_of_the_database() -> None:
    sql = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "sql").glob("*.sql"))
    roles = [code(row[0])[0] for row in rows(section(page("operations"), "## Roles"))]
    views = [code(row[0])[0] for row in rows(section(page("operations"), "## Reading"))]
    assert set(roles) == set(re.findall(r"^\s+'(milestones_\w+)'", sql, re.MULTILINE))
    assert set(views) == set(re.findall(r"create view (\w+)", sql))


# Doctor


def test_the_findings_of_the_doctor_are_listed_with_what_to_do() -> None:
    def told(fix: str) -> str:
        return "as it says" if fix == "{advice}" else re.sub(r"\{\w+\}", "…", fix)

    text = page("doctor")
    listed = {name: rows(section(text, f"### {name}")) for name in SECTIONS}
    assert listed == {
        name: [[f"`{kind.code}`", str(kind.level), kind.meaning, told(kind.fix)] for kind in kinds]
        for name, kinds in SECTIONS.items()
    }


# Decisions


def test_every_decision_has_its_five_lines() -> None:
    decisions = page("decisions").split("\n## ")[1:]
    assert len(decisions) > 15
    for decision in decisions:
        lines = [line for line in decision.splitlines()[1:] if line]
        starts = [line.partition(" ")[2].partition("**")[2].partition("**")[0] for line in lines]
        assert starts == ["What:", "Why:", "Not:", "Costs:", "Where:"], decision.splitlines()[0]


def test_the_places_that_decisions_name_exist() -> None:
    missing = []
    for line in page("decisions").splitlines():
        if line.startswith("- **Where:**"):
            files = [name for name in code(line) if "/" in name]
            missing += [name for name in files if not (REPOSITORY / name).is_file()]
            source = "\n".join((REPOSITORY / name).read_text(encoding="utf-8") for name in files)
            names = [name.rpartition(".")[2] for name in code(line) if "/" not in name]
            missing += [name for name in names if not re.search(rf"\b{name}\b", source)]
    assert not missing
