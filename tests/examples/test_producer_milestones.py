"""From an application's outbox to milestones: `examples/producer.py`, the real consumer, each milestone once."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.examples.outbox import make_outbox, producing, unsent, write
from tests.processes.truth import Change, changes, milestones
from tests.processes.workers import Deployment
from tests.services import KafkaService
from tests.services.service import wait_until

PARTITIONS = 3


@pytest.fixture
def deployment(kafka: KafkaService, database: str, topic: str, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment whose database holds the outbox too."""
    deployed = Deployment(kafka, database, topic, tmp_path)
    deployed.create(PARTITIONS)
    make_outbox(database)
    yield deployed
    deployed.close()


def _produce(deployment: Deployment) -> None:
    with producing(deployment.kafka, deployment.dsn, deployment.topic):
        wait_until(lambda: unsent(deployment.dsn) == 0, timeout_s=60.0, what="all is sent")


def test_the_changes_of_an_outbox_become_the_right_milestones(deployment: Deployment) -> None:
    stream = changes(400)
    write(deployment.dsn, stream)
    _produce(deployment)
    deployment.finish()
    deployment.assert_exactly(milestones(stream))


def test_changes_that_are_sent_twice_make_no_milestone_twice(deployment: Deployment) -> None:
    stream = changes(400)
    for _ in range(2):
        write(deployment.dsn, stream)
        _produce(deployment)
        deployment.finish()
        deployment.assert_exactly(milestones(stream))


def test_the_event_that_the_docs_write_in_sql_becomes_a_milestone(deployment: Deployment) -> None:
    page = Path(__file__).parents[2] / "docs" / "producing.md"
    _, _, sql = page.read_text(encoding="utf-8").split("```sql\n")
    with psycopg.connect(deployment.dsn) as connection:
        connection.execute("create table task (name text primary key, status text, modified_by text)")
        connection.execute("insert into task values ('TASK-0042', 'Open', 'ada@example.com')")
        connection.execute(sql.partition("begin;")[2].partition("commit;")[0].encode())
    _produce(deployment)
    deployment.finish()
    with psycopg.connect(deployment.dsn) as connection:
        row = connection.execute(
            "select m.reference_type, m.reference_name, m.from_value, m.value, m.actor, m.source_identity_kind,"
            " m.reached_at < m.recorded_at, t.status"
            " from milestone m join task t on t.name = m.reference_name"
        ).fetchall()
    assert row == [("Task", "TASK-0042", "Open", "Completed", "bob@example.com", "event id", True, "Completed")]


def test_without_an_id_a_change_that_is_sent_twice_is_two_milestones_only_if_it_tells_what_was_before(
    deployment: Deployment,
) -> None:
    with psycopg.connect(deployment.dsn) as connection:
        for name, before in (("TOLD", '"before": {"status": "Open"},'), ("UNTOLD", "")):
            change = (
                f'{{"op": "u", {before} "after": {{"status": "Completed"}},'
                ' "source": {"document_type": "Task", "time": "2026-11-23T10:00:00Z"}}'
            )
            for _ in range(2):
                connection.execute("insert into document_outbox (name, change) values (%s, %s)", (name, change))
    _produce(deployment)
    deployment.finish()
    found = [(row.reached.reference_name, row.reached.occurrence) for row in deployment.rows()]
    assert sorted(found) == [("TOLD", 1), ("TOLD", 2), ("UNTOLD", 1)]


def test_an_older_change_that_comes_late_makes_its_milestone_and_sets_the_document_back(deployment: Deployment) -> None:
    first, second, third = (
        Change(1, "u", "Task", "TASK-1", "Draft", "Open"),
        Change(2, "u", "Task", "TASK-1", "Open", "Review"),
        Change(3, "u", "Task", "TASK-1", None, "Review"),  # Its number makes it one without `before`.
    )
    write(deployment.dsn, [second, first, third])
    _produce(deployment)
    deployment.finish()
    found = [(row.reached.from_value, row.reached.value) for row in deployment.rows()]
    assert found == [("Open", "Review"), ("Draft", "Open"), ("Open", "Review")]
