"""A topic for each table, named or matched by a pattern: what becomes of them is what becomes of one topic."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.core.records import Partition
from consumer.postgres.migrate import migrate
from tests.processes.readings import assert_announced, assert_rows
from tests.processes.tables import TableTopics
from tests.processes.truth import TRACKED, UNTRACKED, changes, milestones
from tests.services import KafkaService

_TABLES = (*TRACKED, UNTRACKED)


@pytest.fixture
def tables(kafka: KafkaService, database: str, topic: str, tmp_path: Path) -> Iterator[TableTopics]:
    """A deployment with migrated tables; topics are made by the test."""
    deployed = TableTopics(kafka, database, topic, tmp_path)
    migrate(database)
    yield deployed
    deployed.close()


@pytest.mark.parametrize("said", ["list", "pattern"])
def test_two_workers_share_the_topics_of_all_tables_and_a_kill_between_the_commits_changes_nothing(
    tables: TableTopics, said: str
) -> None:
    stream = changes(2_000)
    tables.create_topics(2, *_TABLES)
    if said == "list":
        tables.read_list(*TRACKED)
    else:
        tables.read_pattern()
    read = TRACKED if said == "list" else _TABLES
    tables.feed_tables(stream[:1_000])
    tables.start()
    tables.wait_until_tables_are_published(*read)
    killed = tables.start(fault="stored:4:kill")
    tables.wait_for_sharing(2, 2 * len(read))
    # Half of these are the second worker's, in batches of 50 at most: it comes to its fourth.
    tables.feed_tables(stream[1_000:])
    assert killed.ended() == -9, killed.log
    tables.start()
    tables.wait_for_sharing(2, 2 * len(read))
    tables.wait_until_tables_are_published(*read)
    tables.drain()
    tables.assert_exactly(milestones(stream))
    assert set(tables.positions()) == {Partition(tables.topic_of(one), number) for one in read for number in (0, 1)}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_until_end_means_the_ends_of_all_topics(tables: TableTopics, workers: str) -> None:
    stream = changes(1_500)
    tables.create_topics(2, *_TABLES)
    tables.read_pattern()
    tables.feed_tables(stream)
    tables.finish("--workers", workers)
    tables.assert_exactly(milestones(stream))
    assert tables.status() == {f"{tables.topic_of(one)}-{number}": "0" for one in _TABLES for number in (0, 1)}


def test_a_list_is_created_where_that_is_allowed_and_outputs_are_as_wide_as_the_widest(tables: TableTopics) -> None:
    stream = changes(400)
    tables.create_topics(3, "Task")
    tables.read_list(*TRACKED)
    tables.finish()
    counts = tables.admin.list_topics(timeout=10.0).topics
    assert {tables.topic_of(one) for one in TRACKED} < set(counts)
    assert len(counts[f"{tables.topic}-reached"].partitions) == 3
    assert len(counts[f"{tables.topic}.dead-letter"].partitions) == 3
    tables.create_topics(1, UNTRACKED)
    tables.feed_tables(stream)
    tables.finish()
    tables.assert_exactly(milestones(stream))


def test_a_topic_that_appears_while_workers_run_is_read_from_its_beginning(tables: TableTopics) -> None:
    stream = changes(1_200)
    tables.create_topics(2, *_TABLES[1:])
    tables.read_pattern()
    later = [change for change in stream if change.document_type == _TABLES[0]]
    tables.feed_tables(change for change in stream if change not in later)
    workers = [tables.start(), tables.start()]
    tables.wait_until_tables_are_published(*_TABLES[1:])
    tables.create_topics(2, _TABLES[0])
    tables.feed_tables(later)
    tables.wait_until_tables_are_published(*_TABLES)
    assert all(worker.is_running for worker in workers)
    tables.drain()
    tables.assert_exactly(milestones(stream))


def test_a_pattern_that_matches_nothing_waits_for_a_topic_and_until_end_says_so(tables: TableTopics) -> None:
    stream = changes(300)
    tables.read_pattern()
    refused = tables.start("--until-end")
    assert refused.ended() == 1
    assert "no topic matches input.pattern" in refused.log.replace("\n", " ")
    worker = tables.start()
    tables.wait(lambda: "no topic matches input.pattern yet" in worker.log, "it says that it waits")
    tables.create_topics(2, *_TABLES)
    tables.feed_tables(stream)
    tables.wait_until_tables_are_published(*_TABLES)
    assert "reading both watermarks again" not in worker.log, worker.log
    tables.drain()
    tables.assert_exactly(milestones(stream))


def test_what_this_program_writes_is_never_read_though_the_pattern_matches_it(tables: TableTopics) -> None:
    stream = changes(300)
    tables.create_topics(1, *_TABLES)
    tables.read_pattern()
    tables.feed_tables(stream)
    producer = tables.producer()
    producer.produce(tables.topic_of("Task"), b"{", b'{"name":"T"}')
    assert producer.flush(60) == 0
    tables.start()
    tables.wait_until_tables_are_published(*_TABLES)
    tables.drain()
    # Once more: now both outputs hold something when the pattern is matched.
    tables.finish()
    assert {key.topic for key in tables.positions()} == {tables.topic_of(one) for one in _TABLES}
    assert_rows(tables.rows(), milestones(stream))
    assert_announced(tables.events(), tables.rows())
    assert [letter.reason("origin.topic") for letter in tables.dead_letters()] == [tables.topic_of("Task")]


def test_one_of_two_topics_deleted_and_made_again_stops_the_worker_and_is_named(tables: TableTopics) -> None:
    stream = [change for change in changes(800) if change.document_type in ("Task", "Issue")]
    tables.create_topics(2, "Task", "Issue")
    tables.read_list("Task", "Issue")
    tables.feed_tables(stream[:200])
    worker = tables.start()
    tables.wait_until_tables_are_published("Task", "Issue")
    tables.kafka.delete_topic(tables.topic_of("Issue"))
    tables.create_topics(2, "Issue")
    tables.feed_tables(change for change in stream[200:] if change.document_type == "Issue")

    assert worker.ended() == 1
    assert f"take-over --topic {tables.topic_of('Issue')}" in worker.log.replace("\n", " ")
    again = tables.start()
    assert again.ended() == 1
    assert f"take-over --topic {tables.topic_of('Issue')}" in again.log.replace("\n", " ")
    tables.assert_exactly(milestones(stream[:200]))

    tables.take_over(tables.topic_of("Issue"))
    tables.feed_tables(change for change in stream[200:] if change.document_type == "Task")
    tables.finish()
    tables.assert_exactly(milestones(stream))


def test_a_topic_of_a_pattern_that_is_deleted_is_told_once_and_the_others_go_on_until_it_is_made_again(
    tables: TableTopics,
) -> None:
    stream = [change for change in changes(1_600) if change.document_type in ("Task", "Issue")]
    tables.create_topics(2, "Task", "Issue")
    tables.read_pattern()
    tables.feed_tables(stream[:300])
    worker = tables.start()
    tables.wait_until_tables_are_published("Task", "Issue")
    tables.kafka.delete_topic(tables.topic_of("Issue"))
    tables.wait_for_sharing(1, 2)
    tasks = [change for change in stream[300:] if change.document_type == "Task"]
    tables.feed_tables(tasks)
    tables.wait_until_tables_are_published("Task")
    tables.assert_exactly(milestones([*stream[:300], *tasks]))
    tables.wait(lambda: "an input topic was deleted" in worker.log, "it says that a topic is gone")
    assert {tables.status()[f"{tables.topic_of('Issue')}-{number}"] for number in (0, 1)} == {"-"}

    tables.create_topics(2, "Issue")
    assert worker.ended() == 1
    assert worker.log.count("an input topic was deleted") == 1
    assert f"take-over --topic {tables.topic_of('Issue')}" in worker.log.replace("\n", " ")


def test_partitions_added_to_one_topic_wait_for_what_came_before_them_in_it(tables: TableTopics) -> None:
    stream = changes(3_000)
    tables.create_topics(2, *_TABLES)
    tables.read_pattern()
    tables.feed_tables(stream[:2_000])
    tables.start()
    tables.start()
    tables.wait(lambda: sum(tables.positions().values()) > 100, "some are stored")
    tables.add_partitions(4, tables.topic_of("Task"))
    tables.feed_tables(stream[2_000:])
    tables.wait_until_tables_are_published(*_TABLES)
    tables.drain()
    tables.assert_exactly(milestones(stream))


def test_a_topic_deleted_while_it_is_read_harms_no_other(tables: TableTopics) -> None:
    stream = changes(4_000)
    tables.create_topics(2, *_TABLES)
    tables.read_pattern()
    tables.feed_tables(stream)
    worker = tables.start()
    tables.wait(lambda: sum(tables.positions().values()) > 500, "some are stored")
    tables.kafka.delete_topic(tables.topic_of("Issue"))
    tables.wait_until_tables_are_published("Sales Order", "Task", UNTRACKED)
    assert worker.is_running
    tables.drain()
    rows = tables.rows()
    others = [row for row in rows if row.reached.reference_type != "Issue"]
    assert_rows(others, milestones(change for change in stream if change.document_type != "Issue"))
    assert {row.reached for row in rows} <= set(milestones(stream))
    announced = [event for event in tables.events() if event.reached.reference_type != "Issue"]
    assert_announced(announced, others)


def test_a_deployment_goes_from_one_topic_to_a_list_and_on_to_another_group(tables: TableTopics) -> None:
    stream = changes(900)
    tables.create_topics(2, *_TABLES)
    tables.feed_tables(stream[:500])
    tables.config["input"]["topic"] = tables.topic_of("Task")
    tables.finish()
    tables.assert_exactly(milestones(stream[:500], ("Task",)))

    del tables.config["input"]["topic"]
    tables.read_list(*TRACKED)
    tables.feed_tables(stream[500:700])
    tables.finish()
    tables.assert_exactly(milestones(stream[:700]))

    tables.config["kafka"]["group.id"] = f"{tables.topic}-another"
    tables.feed_tables(stream[700:])
    assert tables.start("--until-end").ended() == 1
    tables.take_over(*map(tables.topic_of, TRACKED))
    tables.finish()
    # Of the last batch of each partition the new group cannot know that it was published.
    assert_rows(tables.rows(), milestones(stream))
    first = {event.id: event for event in reversed(tables.events())}
    assert {event.reached for event in first.values()} == set(milestones(stream))
