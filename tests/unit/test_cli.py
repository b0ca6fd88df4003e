"""The command `milestones`: what it prints, and how it ends."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import yaml
from jsonschema import Draft202012Validator, ValidationError
from typer.testing import CliRunner

from consumer.cli import app_for, main
from consumer.errors import ConfigError, Fatal
from tests.unit.samples import DATA

CONFIG = DATA.parents[1] / "config.yaml"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """`run` sets up logging for a process of its own, which ends with the command."""
    yield
    structlog.reset_defaults()


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of the command as a user starts it."""
    monkeypatch.setattr(sys, "argv", ["milestones", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def refused(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "broken [config].yaml"
    path.write_text(text)
    return path


def test_check_prints_what_is_in_force_and_ends_with_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTGRES_DSN", "postgresql://u:hunter2@db/milestones")
    assert run(monkeypatch, "check", "--config", str(CONFIG)) == 0
    printed = capsys.readouterr()
    shown = yaml.safe_load(printed.out)
    assert shown["postgres"]["dsn"] == "postgresql://u:********@db/milestones"
    assert shown["output"]["dead_letter_topic"] == "document-changes.dead-letter"
    assert shown["processing"]["max_batch_records"] > 0
    assert "hunter2" not in printed.out + printed.err
    assert "config.yaml is valid; 5 trackers" in printed.err


def test_check_masks_every_secret(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "kafka: {bootstrap.servers: k, group.id: g, sasl.password: hunter2, ssl.key.password: hunter3}\n"
        "postgres: {dsn: \"host=h password='hunter4 \\\\' x' user=u\"}\n"
    )
    printed = CliRunner().invoke(app_for([]), ["check", "--config", str(path)])
    assert printed.exit_code == 0
    assert "hunter" not in printed.output
    assert printed.output.count("********") == 3


def test_the_schema_is_a_json_schema_that_the_projects_configuration_follows() -> None:
    printed = CliRunner().invoke(app_for([]), ["check", "--schema"])
    schema = json.loads(printed.stdout)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    config = yaml.safe_load(CONFIG.read_text())
    validator.validate(config)
    wrongs: list[dict[str, object]] = [{**config, "metrix": {}}, {**config, "metrics": {"prot": 1}}, {"kafka": {}}]
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            validator.validate(wrong)


@pytest.mark.parametrize(
    "command", [["check"], ["migrate"], ["run"], ["trackers", "list"], ["status"], ["dead-letters", "list"]]
)
def test_a_wrong_configuration_ends_with_2_and_says_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: list[str]
) -> None:
    path = refused(tmp_path, "kafka: {}\npostgres: {dsn: x}\ninput:\n  '[/bold]': 1\n")
    assert run(monkeypatch, *command, "--config", str(path)) == 2
    error = capsys.readouterr().err
    assert error.startswith("config: broken [config].yaml:4: input.[/bold]: unknown key; known are topic,")
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["check", "--nonsense"], ["trackers", "show"], ["run", "--workers", "0"]]
)
def test_wrong_usage_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert "Usage" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--reason", "BadVlue"], "--reason: 'BadVlue' is no reason; did you mean BadValue?"),
        (["list", "--since", "soon"], "--since: 'soon' is no time; write 30m, 2h or 3d (ago)"),
        (["redrive", "--offsets", "5-9"], "--offsets: '5-9' is no range of offsets; write 5, 5..9, 5.. or ..9"),
        (["redrive", "somewhere"], "'somewhere' is no origin; write <topic>/<partition>/<offset>"),
        (["show", "somewhere"], "'somewhere' is no origin; write <topic>/<partition>/<offset>"),
    ],
)
def test_a_wrong_selection_of_dead_letters_ends_with_2_and_says_what_to_write(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(monkeypatch, "dead-letters", *arguments, "--config", str(CONFIG)) == 2
    assert capsys.readouterr().err.startswith(f"config: {said}")


def test_a_server_that_is_away_ends_with_1_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTGRES_DSN", "postgresql://127.0.0.1:1/x")
    assert run(monkeypatch, "migrate", "--config", str(CONFIG)) == 1
    error = capsys.readouterr().err
    assert error.startswith("stopped: PostgreSQL cannot be reached:")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["trackers", "--help"]])
def test_help_and_version_end_with_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(monkeypatch, *arguments) == 0
    assert "milestones" in capsys.readouterr().out


def test_every_command_of_the_help_explains_itself() -> None:
    everything = app_for([])
    groups = [command for group in everything.registered_groups for command in group.typer_instance.registered_commands]  # type: ignore[union-attr]
    for command in (*everything.registered_commands, *groups):
        assert command.callback is not None
        assert command.callback.__doc__, command.name


def test_config_errors_and_stops_are_told_apart() -> None:
    assert not issubclass(ConfigError, Fatal)
    assert not issubclass(Fatal, ConfigError)


def test_check_tells_of_encodings_that_nothing_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "kafka: {bootstrap.servers: k, group.id: g}\npostgres: {dsn: 'host=h'}\n"
        "documents: {Sales Order: {columns: {grand_totl: {as: decimal}}}}\n"
        "trackers: [{document_type: Sales Order, track_field: grand_total, scale: 9}]\n"
    )
    assert run(monkeypatch, "check", "--config", str(path)) == 0
    told = capsys.readouterr().err
    assert "warning: tracker Sales Order-grand_total: scale: 9 without as: decimal → say as: decimal" in told
    found = "documents.Sales Order.columns.grand_totl: no tracker follows this column, and no condition names it"
    assert f"{found} → did you mean grand_total?" in told
