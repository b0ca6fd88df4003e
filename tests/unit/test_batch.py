"""One batch from top to bottom, on a store in memory and an output topic that is a list."""

import json

import pytest

from consumer.batch import publish_batch, read_batch, store_batch
from consumer.core.records import Batch, DeadLetter, Origin, Partition, Span
from consumer.core.states import StateKey
from consumer.errors import RefusedByDatabase, Superseded
from tests.unit.samples import TOPIC, TOPIC_ID, FakeRecord, record, tracker
from tests.unit.world import OUTPUTS, Crash, World, change, poison

STREAM = [change(0, "A"), change(1, "B", "A"), poison(2), record(None, offset=3), change(4, "C", "B")]


@pytest.fixture
def world() -> World:
    return World()


def announced_values(world: World) -> list[str]:
    return [json.loads(value)["value"] for value in world.announced()]


def letters(world: World) -> list[bytes]:
    return world.announced(OUTPUTS.dead_letter)


def test_a_batch_is_stored_published_and_counted(world: World) -> None:
    verdicts = world.run(STREAM)
    assert world.values() == announced_values(world) == ["A", "B", "C"]
    assert letters(world) == [b"{"]
    assert verdicts.skipped == {"tombstone": 1}
    assert [letter.error_class for letter in verdicts.dead_letters] == ["MalformedRecord"]
    assert world.kafka.committed == {Partition(TOPIC, 0): 5}
    assert world.store.positions([Partition(TOPIC, 0)])[Partition(TOPIC, 0)].next_offset == 5


def test_a_crash_before_the_first_commit_leaves_nothing(world: World) -> None:
    world.database.fails_at_commit = Crash()
    with pytest.raises(Crash):
        world.run(STREAM)
    assert (world.values(), world.kafka.seen) == ([], [])
    world.run(STREAM)
    assert world.values() == announced_values(world) == ["A", "B", "C"]


def test_a_crash_between_the_commits_is_made_up_for_by_what_was_stored(world: World) -> None:
    expected = World()
    expected.run(STREAM)
    world.kafka.crash = True
    with pytest.raises(Crash):
        world.run(STREAM)
    assert (world.values(), world.kafka.seen) == (["A", "B", "C"], [])
    world.restart()
    verdicts = world.run(STREAM)
    assert verdicts.milestones == ()
    assert world.announced() == [value.replace(_revision(expected), _revision(world)) for value in expected.announced()]
    assert letters(world) == [b"{"]
    assert world.kafka.committed == {Partition(TOPIC, 0): 5}


def _revision(world: World) -> bytes:
    return world.database.tables.revision.encode()


def test_after_a_crash_old_and_new_verdicts_are_published_in_order_of_offset(world: World) -> None:
    world.kafka.crash = True
    with pytest.raises(Crash):
        world.run(STREAM[:3])
    world.restart()
    world.run([*STREAM, change(5, "D", "C")])
    assert announced_values(world) == ["A", "B", "C", "D"]
    assert world.values() == ["A", "B", "C", "D"]


def test_after_a_crash_each_partitions_verdicts_are_published_in_order_of_offset(world: World) -> None:
    def at(partition: int, offset: int) -> FakeRecord:
        return change(offset, f"{partition}/{offset}", partition=partition, name=f"SO-{partition}-{offset % 2}")

    early = [at(partition, offset) for offset in range(3) for partition in (1, 0)]
    world.kafka.crash = True
    with pytest.raises(Crash):
        world.run(early)
    world.restart()
    world.run([*early, *(at(partition, offset) for offset in range(3, 6) for partition in (0, 2, 1))])
    announced = announced_values(world)
    assert sorted(announced) == [f"{partition}/{offset}" for partition in (0, 1) for offset in range(6)] + [
        f"2/{offset}" for offset in range(3, 6)
    ]
    for partition in "012":
        of_it = [value for value in announced if value.startswith(partition)]
        assert of_it == sorted(of_it)


def test_verdicts_are_published_although_retention_took_the_records(world: World) -> None:
    world.kafka.crash = True
    with pytest.raises(Crash):
        world.run(STREAM)
    world.restart()
    key = Partition(TOPIC, 0)
    gone = Batch([], {key: Span(TOPIC, TOPIC_ID, 0, 5, 0, 5)}, "metadata")
    verdicts = store_batch(read_batch(gone, world.tracking), world.tracking, world.store)
    assert publish_batch(gone, verdicts, world.kafka, OUTPUTS) == 4
    assert announced_values(world) == ["A", "B", "C"]
    [letter] = [event for name, event in world.kafka.seen if name == OUTPUTS.dead_letter]
    assert dict(letter.headers)["milestones.dead-letter.payload"] == b"removed by retention"


def test_published_rewound_by_kafkas_tools_announces_the_same_bytes_again(world: World) -> None:
    world.run(STREAM)
    first = list(world.kafka.seen)
    world.kafka.committed = {Partition(TOPIC, 0): 1}
    verdicts = world.run(STREAM)
    assert verdicts.milestones == ()
    again = world.kafka.seen[len(first) :]
    assert again == [one for one in first if one[1].value != first[0][1].value]


def test_a_restored_database_is_brought_up_to_date_silently(world: World) -> None:
    backup = world.database.tables
    world.run(STREAM)
    rows = {m.id for m in world.database.tables.milestones.values()}
    world.database.tables = backup
    world.restart()
    verdicts = world.run([*STREAM, change(5, "D", "C")])
    assert {m.id for m in verdicts.milestones} > rows
    assert [m.silent for m in verdicts.milestones] == [True, True, True, False]
    assert announced_values(world) == ["A", "B", "C", "D"]
    assert letters(world) == [b"{"]


def test_after_a_restore_and_a_rewind_silent_rows_stay_silent(world: World) -> None:
    backup = world.database.tables
    world.run(STREAM)
    world.database.tables = backup
    world.restart()
    world.run(STREAM)
    world.kafka.committed = {Partition(TOPIC, 0): 0}
    world.run(STREAM)
    assert announced_values(world) == ["A", "B", "C"]


def test_a_change_delivered_again_in_another_partition_is_one_row_and_one_event(world: World) -> None:
    again = record(STREAM[0].value(), partition=1, offset=0)
    world.run(STREAM)
    verdicts = world.run([*STREAM, again])
    assert (verdicts.milestones, verdicts.skipped["duplicate"]) == ([], 1)
    assert announced_values(world) == ["A", "B", "C"]


def test_milestones_already_in_the_table_are_left_out_and_the_rest_is_stored(world: World) -> None:
    world.run(STREAM)
    world.database.tables.states.clear()
    again = record(STREAM[0].value(), partition=1, offset=0)
    verdicts = world.run([*STREAM, again, change(1, "D", "C", partition=1, name="SO-2")])
    assert [m.value for m in verdicts.milestones] == ["D"]
    assert announced_values(world) == ["A", "B", "C", "D"]


def test_more_duplicates_in_one_batch_than_a_document_remembers_end_nevertheless(world: World) -> None:
    between = [change(n, f"value {n}", f"value {n - 1}") for n in range(1, 41)]
    again = record(STREAM[0].value(), partition=1, offset=0)
    verdicts = world.run([change(0, "A"), *between, again])
    assert (len(verdicts.milestones), verdicts.skipped["duplicate"]) == (41, 1)


def test_what_was_deleted_by_hand_is_neither_stored_nor_announced_again(world: World) -> None:
    world.run(STREAM[:2])
    tables = world.database.tables
    deleted = next(id_ for id_, m in tables.milestones.items() if m.value == "A")
    del tables.milestones[deleted]
    tables.deleted.add(deleted)
    tables.states.clear()
    world.run([*STREAM[:2], record(STREAM[0].value(), partition=1, offset=0)])
    assert world.values() == ["B"]
    assert announced_values(world) == ["A", "B"]


def test_trackers_changed_by_the_time_of_storing_are_the_ones_that_decide(world: World) -> None:
    world.database.tables.follow(tracker(name="new", values=["B"]))
    verdicts = world.run(STREAM)
    assert [(m.milestone_tracker, m.value) for m in verdicts.milestones] == [("new", "B")]
    assert {m.tracker_revision for m in verdicts.milestones} == {world.database.tables.revision}


def test_a_tracker_of_another_table_that_appears_is_decoded_for(world: World) -> None:
    world.database.tables.follow(tracker("Note"))
    row = change(0, "A")
    note = record((row.value() or b"").replace(b"tabSales Order", b"tabNote"))
    verdicts = world.run([note])
    assert [m.reference_type for m in verdicts.milestones] == ["Note"]
    assert StateKey("Note", "SO-1", "status") in world.database.tables.states


def test_trackers_that_cannot_be_followed_leave_the_old_ones_in_force(world: World) -> None:
    old = world.tracking.rules.revision
    world.database.tables.follow(tracker(**{"as": "money"}))
    verdicts = world.run(STREAM)
    assert len(verdicts.milestones) == 3
    assert {m.tracker_revision for m in verdicts.milestones} == {old}


def test_where_each_revision_began_is_recorded_once(world: World) -> None:
    first = world.tracking.rules.revision
    world.run(STREAM[:2])
    world.run([*STREAM[:2], STREAM[2]])
    world.database.tables.follow(tracker(name="new"))
    world.run([*STREAM, change(0, "X", partition=1)])
    second = world.tracking.rules.revision
    assert world.database.tables.starts == {
        (first, TOPIC_ID, 0): 0, (second, TOPIC_ID, 0): 3, (second, TOPIC_ID, 1): 0,
    }  # fmt: skip


def test_a_zombie_is_superseded_before_it_evaluates_anything(world: World) -> None:
    batch = world.batch(STREAM)
    world.run(STREAM)
    with pytest.raises(Superseded):
        store_batch(read_batch(batch, world.tracking), world.tracking, world.store)


def test_a_record_that_postgresql_refused_is_a_dead_letter_and_nothing_else(world: World) -> None:
    batch = world.batch([STREAM[0]])
    letter = DeadLetter.of(RefusedByDatabase("no"), Origin(TOPIC_ID, 0, 0), TOPIC)
    refused = Batch(batch.records, batch.spans, batch.group, (letter,))
    verdicts = store_batch(read_batch(refused, world.tracking), world.tracking, world.store)
    assert publish_batch(refused, verdicts, world.kafka, OUTPUTS) == 1
    assert (world.values(), letters(world)) == ([], [STREAM[0].value()])
    assert world.database.tables.letters == {letter.origin: letter}


def test_where_nothing_moves_nothing_is_said(world: World) -> None:
    world.run(STREAM)
    before = world.database.tables, list(world.kafka.seen)
    nothing = Batch([], {Partition(TOPIC, 0): Span(TOPIC, TOPIC_ID, 0, 5, 5, 5)}, "metadata")
    verdicts = store_batch(read_batch(nothing, world.tracking), world.tracking, world.store)
    assert (verdicts.milestones, verdicts.dead_letters, verdicts.skipped) == ((), (), {})
    assert publish_batch(nothing, verdicts, world.kafka, OUTPUTS) == 0
    assert (world.database.tables, world.kafka.seen) == before
