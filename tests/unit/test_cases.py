"""`milestones trackers test`: cases beside rules, run without any server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.core.cases import cases_from, records_of
from consumer.core.trackers import DocumentType
from consumer.errors import ConfigError
from consumer.formats.decoder import ChangeDecoder
from consumer.trying import Trial, failures_of
from tests.unit.samples import rules_of, tracker

REPOSITORY = Path(__file__).parents[2]
SMALLEST = "kafka: {bootstrap.servers: k, group.id: g}\npostgres: {dsn: postgresql:///m}\n"
BIG = tracker(name="big", when="after.total >= 100")


def placed(at: int) -> str:
    return f"tests[{at}]"


def failures(changes: list[dict[str, Any]], documents: dict[str, DocumentType] | None = None) -> list[str]:
    rules = rules_of(BIG, tracker(), documents=documents)
    [case] = cases_from([{"document_type": "Sales Order", "changes": changes}], placed)
    described = (documents or {}).get("Sales Order") or DocumentType("Sales Order")
    return failures_of(case, Trial(rules, ChangeDecoder(rules)), described)


def test_a_case_holds_where_each_change_reaches_what_it_names_and_nothing_else() -> None:
    changes: list[dict[str, Any]] = [
        {"after": {"status": "Draft", "total": 5}, "reaches": "Sales Order-status"},
        {"after": {"total": 500}},
        {"after": {"status": "Open"}, "reaches": {"Sales Order-status": "Open", "big": None}},
        {"op": "d"},
        {"op": "r", "after": {"status": "Open", "total": 500}},
    ]
    assert failures(changes) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            [{"after": {"status": "Open", "total": 5}}],
            "change 1 reaches 'Sales Order-status' with 'Open', which is not",
        ),
        ([{"after": {"total": 5}, "reaches": ["big"]}], "change 1 does not reach 'big'"),
        (
            [{"after": {"status": "Open"}, "reaches": ["big", "Sales Order-status"]}],
            "change 1 does not reach 'big': a column is not in the record",
        ),
        (
            [{"after": {"status": "Open", "total": 5}, "reaches": {"Sales Order-status": "open"}}],
            "change 1 reaches 'Sales Order-status' with 'Open' instead of 'open'",
        ),
        ([{"after": {"status": "a\x00b"}}], "change 1 cannot be read: "),
    ],
)
def test_what_is_not_as_it_is_written_is_told(changes: list[dict[str, Any]], said: str) -> None:
    [told] = failures(changes)
    assert told.startswith(said)


def test_documents_have_the_table_key_and_actor_that_config_yaml_says() -> None:
    described = DocumentType("Sales Order", table="orders", key=("company", "no"), actor="editor")
    changes = [{"after": {"status": "Open", "total": 1}, "actor": "ada", "reaches": "Sales Order-status"}]
    assert failures(changes, {"Sales Order": described}) == []
    [case] = cases_from([{"document_type": "Sales Order", "document": "D", "changes": changes}], placed)
    [record] = records_of(case, described)
    assert b'"table":"orders"' in (record.value() or b"")
    assert b'"editor":"ada"' in (record.value() or b"")
    assert record.key() == b'{"company":"D","no":"D"}'


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ({"changes": []}, r"tests\[0\]: document_type is missing"),
        ({"document_type": "A"}, r"tests\[0\] \(A\): changes is a list"),
        ({"document_type": "A", "chnges": []}, "unknown key 'chnges'; known are name, document_type"),
        ({"document_type": "A", "changes": [{"row": {}}]}, r"changes\[0\]: unknown key 'row'; known are after, op"),
        ({"document_type": "A", "changes": [{"op": "x"}]}, "op is one of c, u, r, d, as Debezium writes it, not 'x'"),
        ({"document_type": "A", "changes": [{"after": 5}]}, "after is a row, as in"),
        ({"document_type": "A", "changes": [{"at_ms": "now"}]}, "at_ms is a whole number of milliseconds"),
        ({"document_type": "A", "changes": [{"reaches": 5}]}, "reaches is a tracker's name, a list of names, or"),
    ],
)
def test_a_case_that_cannot_be_read_is_told_with_its_place(entry: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        cases_from([entry], placed)


def run(tmp_path: Path, text: str, file: str | None = None) -> tuple[int, str]:
    (tmp_path / "config.yaml").write_text(SMALLEST + (text if file is None else ""), encoding="utf-8")
    command = [sys.executable, "-m", "consumer", "trackers", "test", "--config", str(tmp_path / "config.yaml")]
    if file is not None:
        (tmp_path / file).write_text(text, encoding="utf-8")
        command += ["--file", str(tmp_path / file)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def page_example() -> str:
    page = (REPOSITORY / "docs" / "trackers.md").read_text(encoding="utf-8").partition("## Cases")[2]
    found = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("file", [None, "rules.yaml"])
def test_the_example_of_the_page_holds(tmp_path: Path, file: str | None) -> None:
    assert run(tmp_path, page_example(), file) == (0, "✓ an order is approved once it is large\n1 case, 0 failed\n")


def test_a_case_that_does_not_hold_ends_with_3(tmp_path: Path) -> None:
    content = yaml.safe_load(page_example())
    content["tests"][0]["changes"][1]["reaches"] = "big-order-approved"
    code, said = run(tmp_path, yaml.safe_dump(content))
    assert code == 3
    assert (
        "✗ an order is approved once it is large\n    change 2 does not reach 'big-order-approved': condition false: "
        in said
    )


def test_a_tracker_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    code, said = run(tmp_path, page_example().replace("{big-order-approved:", "{big-order-aproved:"))
    assert code == 2
    assert "there is no tracker 'big-order-aproved'; did you mean 'big-order-approved'?" in said


def test_a_file_without_cases_is_told(tmp_path: Path) -> None:
    assert run(tmp_path, "") == (
        2,
        "config: config.yaml has no `tests:`; add the section, or name a file with --file\n",
    )
