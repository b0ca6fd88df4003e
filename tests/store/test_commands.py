"""`milestones migrate`, `trackers …` and `status` as a person runs them: real processes on a real database."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from consumer.core.records import Span
from consumer.postgres.store import Store
from tests.services import KafkaService

REPOSITORY = Path(__file__).parents[2]

Run = Callable[..., str]


@pytest.fixture
def config(tmp_path: Path, database: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        "kafka:\n  bootstrap.servers: ${T_KAFKA:-127.0.0.1:1}\n  group.id: milestones\n"
        f"postgres: {{dsn: '{database}'}}\n"
        "input: {topic: '${T_TOPIC:-document-changes}'}\n"
        "trackers:\n"
        "  - {document_type: Task, track_field: status, description: 'see [the docs]'}\n"
        "  - {document_type: Sales Order, track_field: status, name: '[billed]', values: [Fully Billed]}\n"
    )
    return path


@pytest.fixture
def run(config: Path) -> Run:
    def run(*arguments: str, code: int = 0, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "consumer", *arguments, "--config", str(config)],
            cwd=REPOSITORY, env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", **environment},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr if code else done.stdout

    return run


def test_a_database_is_migrated_step_by_step(run: Run) -> None:
    assert "stopped: PostgreSQL (42P01)" in run("trackers", "list", code=1)
    assert run("migrate", "--dry-run").splitlines() == [
        "would apply 0001_milestones.sql", "would apply 0002_views.sql", "would apply 0003_redrive.sql",
        "would apply 0004_rules.sql",
        "would apply 0005_followed.sql",
    ]  # fmt: skip
    assert run("migrate").splitlines() == [
        "applied 0001_milestones.sql", "applied 0002_views.sql", "applied 0003_redrive.sql",
        "applied 0004_rules.sql",
        "applied 0005_followed.sql",
    ]  # fmt: skip
    assert run("migrate") == "the database is up to date\n"
    assert run("status") == "nothing of document-changes was stored yet\n"


def test_trackers_are_planned_applied_shown_switched_and_removed(run: Run, database: str) -> None:
    run("migrate")
    plan = [
        "+ Task-status  (Task.status)",
        "+ [billed]  (Sales Order.status)",
        "trackers: 2 added, 0 changed, 0 removed, 0 unchanged",
    ]
    assert run("trackers", "apply", "--dry-run").splitlines() == plan
    assert run("trackers", "apply").splitlines() == plan
    assert run("trackers", "apply").splitlines() == ["trackers: 0 added, 0 changed, 0 removed, 2 unchanged"]
    shown = run("trackers", "show", "Task-status").splitlines()
    assert "snapshot: baseline" in shown
    assert [line for line in shown if "see [the docs]" in line]
    assert run("trackers", "disable", "[billed]") == "disabled [billed]\n"
    listed = {line.split("  ")[0].strip(): line for line in run("trackers", "list").splitlines()}
    assert "Fully Billed" in listed["[billed]"]
    assert listed["[billed]"].rstrip().endswith("disabled")
    assert listed["Task-status"].rstrip().endswith("enabled")
    assert run("trackers", "enable", "[billed]") == "enabled [billed]\n"
    assert run("trackers", "remove", "Task-status") == "removed Task-status; its milestones stay\n"
    assert len(run("trackers", "history").splitlines()) == 1 + 5
    with psycopg.connect(database) as connection:
        assert connection.execute("select name from milestone_tracker").fetchall() == [("[billed]",)]


def test_a_tracker_that_does_not_exist_ends_with_2_and_names_those_that_do(run: Run) -> None:
    run("migrate")
    run("trackers", "apply")
    error = run("trackers", "show", "[/x]", code=2)
    assert error == "config: there is no tracker '[/x]'; there are: Task-status, [billed]\n"


def test_a_file_of_trackers_is_applied_instead(run: Run, tmp_path: Path) -> None:
    run("migrate")
    file = tmp_path / "own.yaml"
    file.write_text("- {document_type: Note, track_field: status}\n")
    assert "+ Note-status  (Note.status)" in run("trackers", "apply", "--file", str(file))
    file.write_text("- {document_type: Milestone, track_field: status}\n")
    assert "own.yaml:1: [0] (Milestone-status): Milestone is this program's own" in run(
        "trackers", "apply", "--file", str(file), code=2
    )


def test_a_database_that_is_ahead_ends_with_1_and_says_what_to_do(run: Run, database: str) -> None:
    run("migrate")
    with psycopg.connect(database) as connection:
        connection.execute("insert into schema_migration (version, name, checksum) values (99, 'later', 'x')")
    assert "stopped: the database is ahead of this program" in run("migrate", code=1)


def test_status_shows_how_far_each_partition_is(run: Run, database: str, kafka: KafkaService, topic: str) -> None:
    run("migrate")
    kafka.create_topic(topic, partitions=2)
    with closing(Store(database, "milestones", 30.0)) as store:
        store.create_positions([Span(topic, "id", number, 0, 0, 0) for number in (0, 1)])
    lines = run("status", T_KAFKA=kafka.bootstrap_servers, T_TOPIC=topic).splitlines()
    assert [line.split()[:5] for line in lines[1:]] == [[f"{topic}-{n}", "0", "0", "0", "0"] for n in (0, 1)]
    kafka.delete_topic(topic)
