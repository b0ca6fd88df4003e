"""The two watermarks moved apart from outside: a backup restored, offsets reset, records removed, rows deleted."""

from collections import Counter
from collections.abc import Mapping, Sequence

import psycopg
import pytest
from confluent_kafka import TopicPartition

from tests.processes.backups import back_up, restore
from tests.processes.readings import assert_announced, assert_rows
from tests.processes.truth import Change, changes, milestones
from tests.processes.workers import Deployment
from tests.services import PostgresService

_FROM_THE_BEGINNING = {0: 0, 1: 0}


def _by_place(stream: Sequence[Change]) -> list[tuple[int, int, Change]]:
    """Partition, offset and change, in a topic of two partitions that holds nothing else."""
    ends: Counter[int] = Counter()
    placed = []
    for change in stream:
        partition = change.partition(2)
        placed.append((partition, ends[partition], change))
        ends[partition] += 1
    return placed


def _remove_records(deployment: Deployment, before: Mapping[int, int]) -> None:
    """What retention does."""
    places = [TopicPartition(deployment.topic, partition, offset) for partition, offset in before.items()]
    for answer in deployment.admin.delete_records(places).values():
        answer.result(10.0)


@pytest.mark.fault("60", "PostgreSQL restored with older rows and rules")
def test_an_older_backup_is_brought_up_to_date_in_silence(deployment: Deployment, postgres: PostgresService) -> None:
    stream = changes(900)
    deployment.create(partitions=2)
    deployment.feed(stream[:500])
    deployment.finish()
    backup = back_up(postgres, deployment.dsn)
    before_the_backup = deployment.stored()
    deployment.feed(stream[500:])
    deployment.finish()

    restore(postgres, deployment.dsn, backup)
    deployment.finish()

    deployment.assert_exactly(milestones(stream))
    assert all(row.silent == (row.offset >= before_the_backup[row.partition]) for row in deployment.rows())


@pytest.mark.fault("60", "PostgreSQL restored: what comes new")
def test_after_a_restore_what_comes_new_is_announced(deployment: Deployment, postgres: PostgresService) -> None:
    stream = changes(900)
    deployment.create(partitions=2)
    deployment.feed(stream[:300])
    deployment.finish()
    backup = back_up(postgres, deployment.dsn)
    deployment.feed(stream[300:600])
    deployment.finish()
    restore(postgres, deployment.dsn, backup)
    deployment.feed(stream[600:])

    deployment.finish()

    deployment.assert_exactly(milestones(stream))


def test_offsets_reset_by_kafkas_tools_announce_stored_milestones_again_byte_for_byte(deployment: Deployment) -> None:
    stream = changes(600)
    deployment.create(partitions=2)
    deployment.feed(stream)
    deployment.finish()
    rows, first = deployment.rows(), deployment.events()

    deployment.rewind_published(_FROM_THE_BEGINNING)
    deployment.finish()

    assert_rows(deployment.rows(), milestones(stream))
    assert deployment.rows() == rows
    assert Counter(event.content for event in deployment.events()) == {event.content: 2 for event in first}


@pytest.mark.fault("54", "crash between the commits, then retention")
def test_stored_milestones_are_announced_though_retention_removed_their_records(deployment: Deployment) -> None:
    stream = changes(600)
    deployment.create(partitions=2)
    deployment.feed(stream)
    assert deployment.start(fault="stored:4:kill").ended() == -9

    _remove_records(deployment, deployment.stored())
    deployment.finish()

    deployment.assert_exactly(milestones(stream))


@pytest.mark.fault("26", "records above `stored` removed")
def test_a_gap_above_stored_stops_the_worker_until_a_person_accepts_it(deployment: Deployment) -> None:
    stream = changes(900)
    deployment.create(partitions=2)
    deployment.feed(stream[:400])
    deployment.finish()
    stored = deployment.stored()
    deployment.feed(stream[400:])
    gone = {0: stored[0] + 60, 1: stored[1]}
    _remove_records(deployment, gone)

    stopped = deployment.start("--until-end")
    assert stopped.ended() == 1
    assert "--allow-gap" in stopped.log
    assert f"records {stored[0]} to {gone[0] - 1}" in stopped.log.replace("\n", " ")

    deployment.finish("--allow-gap")
    left = [change for partition, at, change in _by_place(stream) if not stored[partition] <= at < gone[partition]]
    deployment.assert_exactly(milestones(left))


def test_what_was_deleted_by_hand_stays_deleted_when_its_change_is_evaluated_again(deployment: Deployment) -> None:
    stream = changes(400)
    deployment.create(partitions=2)
    deployment.feed(stream)
    deployment.finish()
    announced = deployment.events()
    with psycopg.connect(deployment.dsn) as connection:
        connection.execute("delete from milestone where value = 'Working'")
        connection.execute("delete from document_state")
        connection.execute("update stream_position set next_offset = 0, last_offset = null")
    kept = deployment.rows()
    assert 0 < len(kept) < len(announced)

    deployment.finish()
    assert deployment.rows() == kept
    assert deployment.events() == announced

    deployment.rewind_published(_FROM_THE_BEGINNING)
    deployment.finish()
    again = Counter(event.id for event in deployment.events()) - Counter(event.id for event in announced)
    assert again == Counter(row.id for row in kept)


@pytest.mark.fault("58", "two groups on one database")
def test_another_group_on_the_same_database_is_refused(deployment: Deployment) -> None:
    stream = changes(300)
    deployment.create(partitions=2)
    deployment.feed(stream)
    deployment.finish()

    deployment.config["kafka"]["group.id"] = "another"
    refused = deployment.start("--until-end")
    assert refused.ended() == 1
    assert f"belongs to consumer group '{deployment.topic}-group', not 'another'" in refused.log.replace("\n", " ")
    deployment.config["kafka"]["group.id"] = f"{deployment.topic}-group"
    deployment.assert_exactly(milestones(stream))


def test_at_least_once_announces_again_under_the_same_ids_after_a_kill(deployment: Deployment) -> None:
    stream = changes(600)
    deployment.config["output"]["guarantee"] = "at_least_once"
    deployment.create(partitions=2)
    deployment.feed(stream)
    assert deployment.start(fault="produced:4:kill").ended() == -9
    deployment.finish()

    rows, events = deployment.rows(), deployment.events()
    assert_rows(rows, milestones(stream))
    distinct = {event.content: event for event in events}
    assert_announced(sorted(distinct.values(), key=lambda event: event.reached.occurrence), rows)
    assert len(events) > len(distinct)
