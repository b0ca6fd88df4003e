"""One contract, held by the store in memory and by PostgreSQL alike."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from uuid import uuid4

import msgspec
import pytest

from consumer.core.evaluation import BOTH_HALVES, Alias, AliasKey, Evaluation
from consumer.core.followed import FollowedTracker
from consumer.core.milestones import Milestone, milestone_id
from consumer.core.positions import StoredPosition
from consumer.core.records import DeadLetter, LastRecord, Origin, Partition, Span
from consumer.core.states import DocumentState, StateKey
from consumer.core.trackers import Tracker, trackers_from_json
from consumer.errors import AlreadyRecorded, Superseded
from tests.store.worlds import InMemory, InPostgres, WholeStore, World
from tests.unit.samples import AT_MS, TOPIC, TOPIC_ID, Change, event_of, key_of, milestone, tracker

ZERO, ONE = Partition(TOPIC, 0), Partition(TOPIC, 1)


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = InMemory() if request.param == "memory" else InPostgres(request.getfixturevalue("migrated"))
    with closing(made) as world:
        yield world


@pytest.fixture
def store(world: World) -> WholeStore:
    """A store whose partitions 0 and 1 stand at offset 0."""
    store = world.store()
    store.create_positions([span(0), span(0, partition=1)])
    return store


def span(
    next_offset: int, *, stored: int = 0, published: int = 0, partition: int = 0, last: LastRecord | None = None
) -> Span:
    return Span(TOPIC, TOPIC_ID, partition, stored, published, next_offset, last)


def reached(offset: int, **said: object) -> Milestone:
    id_ = milestone_id(
        "t", StateKey("Sales Order", "SO-1", "status"), f"{offset} {said.get('origin_partition')}", AT_MS
    )
    return milestone(id=id_, origin_offset=offset, **said)


def evaluation(
    *milestones: Milestone,
    states: dict[StateKey, DocumentState] | None = None,
    aliases: Sequence[Alias] = (),
) -> Evaluation:
    ids = {m.id for m in milestones}
    return Evaluation(list(milestones), ids, {alias.key: alias for alias in aliases}, states or {}, Counter())


def stored(store: WholeStore, one: Span, *milestones: Milestone, letters: Sequence[DeadLetter] = ()) -> None:
    with store.transaction({Partition(TOPIC, one.partition): one}) as tx:
        tx.record(evaluation(*milestones), letters)


def verdicts(store: WholeStore, one: Span) -> tuple[list[Milestone], list[DeadLetter]]:
    return store.stored_verdicts({Partition(TOPIC, one.partition): one})


def test_positions_are_made_once_and_whoever_made_them_first_counts(world: World) -> None:
    first, second = world.store(), world.store("other")
    first.create_positions([span(5, stored=5, published=3)])
    second.create_positions([span(9, stored=9, published=9), span(1, stored=1, published=0, partition=1)])
    assert first.positions([ZERO, ONE, Partition(TOPIC, 2), Partition("another topic", 0)]) == {
        ZERO: StoredPosition(TOPIC_ID, "milestones", 5, 3, None),
        ONE: StoredPosition(TOPIC_ID, "other", 1, 0, None),
    }


def test_positions_are_told_apart_by_topic(store: WholeStore) -> None:
    other = Partition("another-topic", 0)
    store.create_positions([Span(other.topic, "another-id", 0, 4, 4, 4)])
    stored(store, span(6))
    assert {key: row.next_offset for key, row in store.positions([other, ZERO, ONE]).items()} == {
        other: 4, ZERO: 6, ONE: 0,
    }  # fmt: skip


def test_a_transaction_moves_stored_and_remembers_what_is_confirmed_and_the_last_record(store: WholeStore) -> None:
    last = LastRecord(6, AT_MS, -42)
    stored(store, span(7, published=0, last=last))
    assert store.positions([ZERO])[ZERO] == StoredPosition(TOPIC_ID, "milestones", 7, 0, last)
    stored(store, msgspec.structs.replace(span(9, stored=7, published=9), confirmed=7))
    assert store.positions([ZERO])[ZERO] == StoredPosition(TOPIC_ID, "milestones", 9, 7, last)


def test_a_last_record_below_stored_proves_nothing_new(store: WholeStore) -> None:
    last = LastRecord(6, AT_MS, -42)
    stored(store, span(7, last=last))
    stored(store, span(9, stored=7, last=LastRecord(5, 1, 1)))
    assert store.positions([ZERO])[ZERO].last == last


def test_who_comes_second_is_superseded_and_leaves_nothing(world: World, store: WholeStore) -> None:
    zombie = world.store()
    stored(store, span(5), reached(1))
    with pytest.raises(Superseded):
        stored(zombie, span(4), reached(2))
    assert store.positions([ZERO])[ZERO].next_offset == 5
    assert verdicts(store, span(5, stored=5)) == ([reached(1)], [])


def test_if_one_partition_was_taken_nothing_of_the_others_is_stored(store: WholeStore) -> None:
    stored(store, span(5, partition=1))
    both = {ZERO: span(3), ONE: span(8, partition=1)}
    with pytest.raises(Superseded), store.transaction(both) as tx:
        tx.record(evaluation(reached(1)), [])
    assert store.positions([ZERO])[ZERO].next_offset == 0
    stored(store, span(3), reached(1))


@pytest.mark.parametrize("wrong", ["group", "topic id", "no row"])
def test_positions_of_somebody_else_are_never_moved(world: World, store: WholeStore, wrong: str) -> None:
    mover = world.store("other") if wrong == "group" else store
    one = span(3, partition=7 if wrong == "no row" else 0)
    if wrong == "topic id":
        one = Span(TOPIC, "another id", 0, 0, 0, 3)
    with pytest.raises(Superseded):
        stored(mover, one)


def test_what_raises_before_commit_leaves_nothing(store: WholeStore) -> None:
    def half_a_batch() -> None:
        with store.transaction({ZERO: span(5)}) as tx:
            tx.record(evaluation(reached(1), states={key_of(): DocumentState(known=True, value="x")}), [])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_a_batch()
    with store.transaction({ZERO: span(5)}) as tx:
        assert tx.document_states([key_of()])[key_of()] == DocumentState()
        tx.record(evaluation(reached(1)), [])


def test_states_come_back_as_they_were_saved(store: WholeStore) -> None:
    state = DocumentState()
    for number in range(40):
        state.remember(event_of(Change(offset=number, transaction=f"0-1-{number}", log="1:b.1")))
    state.become("To Bill 你好 😀", event_of(Change(offset=41, at_us=AT_MS * 1_000 + 123)))
    state.count("a")
    state.count('odd "name" {}')
    ended = DocumentState(known=True, since=5, ended_at=7_258_118_399_999_999, origin=Origin("t", 3, 2**40))
    empty = DocumentState(known=True)
    saved = {key_of("SO-1"): state, key_of("SO-2"): ended, key_of("SO-3", "stage"): empty}
    with store.transaction({ZERO: span(5)}) as tx:
        tx.document_states(saved)
        tx.record(evaluation(states=saved), [])
    with store.transaction({ZERO: span(6, stored=5)}) as tx:
        found = tx.document_states([*saved, key_of("SO-4")])
    assert found == {**saved, key_of("SO-4"): DocumentState()}


def test_states_are_told_apart_by_type_and_field_though_their_names_are_the_same(store: WholeStore) -> None:
    names = ["1", "2", '"3", {4}\\', "5, 6", "NULL", "你好 😀"]
    keys = [StateKey(type_, name, field) for type_ in ("A", "B") for name in names for field in ("x", "y")]
    saved = {key: DocumentState(known=True, value=str(number)) for number, key in enumerate(keys)}
    with store.transaction({ZERO: span(5)}) as tx:
        tx.document_states(saved)
        tx.record(evaluation(states=saved), [])
    # Some of each type, the fields by turns, and names that only another type or field has.
    asked = [*keys[1::3], StateKey("A", "7", "x"), StateKey("C", "1", "x"), StateKey("B", "2", "z")]
    with store.transaction({ZERO: span(6, stored=5)}) as tx:
        assert tx.document_states(asked) == {key: saved.get(key, DocumentState()) for key in asked}


def test_states_of_names_that_a_document_moved_to_are_followed(store: WholeStore) -> None:
    saved = {
        key_of("A"): DocumentState(known=True, moved_to="B"),
        key_of("B"): DocumentState(known=True, moved_to="C"),
        key_of("C"): DocumentState(known=True, value="x", moved_to="A"),
    }
    with store.transaction({ZERO: span(5)}) as tx:
        tx.document_states(saved)
        tx.record(evaluation(states=saved), [])
    with store.transaction({ZERO: span(6, stored=5)}) as tx:
        assert tx.document_states([key_of("A")]) == saved


def test_milestones_that_are_in_the_table_are_named_and_nothing_is_stored(store: WholeStore) -> None:
    stored(store, span(2), reached(1))
    with pytest.raises(AlreadyRecorded) as caught:
        stored(store, span(4, stored=2), reached(1), reached(3))
    assert caught.value.ids == {reached(1).id}
    assert store.positions([ZERO])[ZERO].next_offset == 2
    stored(store, span(4, stored=2), reached(3))
    assert verdicts(store, span(4, stored=4))[0] == [reached(1), reached(3)]


def test_what_was_deleted_by_hand_stays_deleted(world: World, store: WholeStore) -> None:
    stored(store, span(2), reached(1))
    world.delete_by_hand(reached(1).id)
    with pytest.raises(AlreadyRecorded) as caught:
        stored(store, span(4, stored=2), reached(1))
    assert caught.value.ids == {reached(1).id}
    assert verdicts(store, span(2, stored=2)) == ([], [])


def test_stored_verdicts_are_those_between_published_and_what_was_stored(store: WholeStore) -> None:
    letter = DeadLetter(Origin(TOPIC_ID, 0, 4), TOPIC, "BadValue", "reason", "amount")
    others = [reached(5, origin_partition=1)]
    stored(store, span(9, partition=1), *others)
    stored(store, span(8), *(reached(n) for n in (6, 1, 3, 5)), letters=[letter])
    assert verdicts(store, span(6, stored=8, published=3)) == ([reached(3), reached(5)], [letter])
    assert verdicts(store, span(8, stored=8, published=5)) == ([reached(5), reached(6)], [])
    assert verdicts(store, span(8, stored=8, published=8)) == ([], [])


def test_a_milestone_comes_back_whole_and_silent_ones_stay_silent(store: WholeStore) -> None:
    whole = reached(1, actor=None, from_value=None, from_value_known="unknown", value="你好 😀", reached_at=1)
    stored(store, span(9), whole, reached(2, silent=True), reached(3, announce=False))
    assert verdicts(store, span(9, stored=9))[0] == [whole]


ODD = [
    '"',
    "\\",
    "{",
    "}",
    ",",
    "'",
    "NULL",
    "null",
    "\n",
    "\t",
    " a ",
    "()",
    '{"a,b"}',
    "\x01",
    "\\N",
    "😀",
    "%s",
    "$1",
]


def test_every_text_comes_back_as_it_was_stored(store: WholeStore) -> None:
    made = [
        reached(n, value=odd, reference_name=odd, reference_type=odd, track_field=odd, from_value=odd, actor=odd,
                milestone_tracker=odd, source_identity=odd, source_identity_kind=odd)
        for n, odd in enumerate(ODD)
    ]  # fmt: skip
    states = {
        StateKey(odd, odd, odd): DocumentState(
            known=True, value=odd, moved_to="x", occurrences={odd: 1}, recent=odd.encode()
        )
        for odd in ODD
    }
    letters = [DeadLetter(Origin(TOPIC_ID, 0, n), TOPIC, "BadValue", odd, odd) for n, odd in enumerate(ODD)]
    aliases = [Alias(AliasKey(odd, odd, odd, odd), AT_MS, "new", settled=False) for odd in ODD]
    with store.transaction({ZERO: span(99)}) as tx:
        tx.document_states(states)
        tx.record(evaluation(*made, states=states, aliases=aliases), letters)
    assert verdicts(store, span(99, stored=99)) == (made, letters)
    with store.transaction({ZERO: span(100, stored=99)}) as tx:
        found = tx.document_states(states)
        assert {key: found[key] for key in states} == states
        assert tx.first_halves([alias.key for alias in aliases]) == {alias.key: "new" for alias in aliases}


def test_a_database_that_lags_behind_what_was_stored_is_not_believed(store: WholeStore) -> None:
    stored(store, span(5), reached(1))
    for remembered in (7, 4):
        with pytest.raises(Superseded):
            verdicts(store, span(remembered, stored=remembered))
    with pytest.raises(Superseded):
        store.stored_verdicts({Partition(TOPIC, 7): span(5, stored=5, partition=7)})


def test_a_dead_letter_keeps_its_first_verdict(store: WholeStore) -> None:
    letter = DeadLetter(Origin(TOPIC_ID, 0, 1), TOPIC, "BadValue", "first")
    stored(store, span(2), letters=[letter])
    again = DeadLetter(Origin(TOPIC_ID, 0, 1), TOPIC, "MissingKey", "second", "f")
    stored(store, span(3, stored=2), letters=[again])
    assert verdicts(store, span(3, stored=3)) == ([], [letter])


def test_renames_are_remembered_by_the_half_that_came_first_until_both_are_there(store: WholeStore) -> None:
    key, other = (AliasKey("Sales Order", "A", new, "id") for new in ("B", "C"))
    with store.transaction({ZERO: span(1)}) as tx:
        assert tx.first_halves([key, other]) == {}
        tx.record(evaluation(aliases=[Alias(key, AT_MS, "new", settled=False)]), [])
    with store.transaction({ZERO: span(2, stored=1)}) as tx:
        assert tx.first_halves([key, other]) == {key: "new"}
        tx.record(evaluation(aliases=[Alias(key, AT_MS + 1, "new", settled=True)]), [])
    with store.transaction({ZERO: span(3, stored=2)}) as tx:
        assert tx.first_halves([key, other]) == {key: BOTH_HALVES}


def test_trackers_are_told_only_when_they_are_not_the_ones_known(world: World, store: WholeStore) -> None:
    with store.transaction({ZERO: span(1)}) as tx:
        told = tx.trackers("an old revision")
        assert told is not None
        assert tx.trackers(told[0]) is None
    world.follow(tracker(values=["Billed"]))
    with store.transaction({ZERO: span(2, stored=1)}) as tx:
        revision, text = tx.trackers(told[0]) or ("", "")
    assert revision != told[0]
    assert trackers_from_json(revision, text).trackers == (tracker(values=["Billed"]),)


def test_where_a_revision_began_is_kept_from_the_first_time(world: World, store: WholeStore) -> None:
    revision = str(uuid4())
    for offset in (3, 9):
        with store.transaction({ZERO: span(offset + 1, stored=0 if offset == 3 else 4)}) as tx:
            tx.record_revision_starts(revision, [Origin(TOPIC_ID, 0, offset), Origin(TOPIC_ID, offset, 1)])
            tx.record_revision_starts(revision, [])
    assert world.revision_starts() == {
        (revision, TOPIC_ID, 0, 3), (revision, TOPIC_ID, 3, 1), (revision, TOPIC_ID, 9, 1),
    }  # fmt: skip


def in_force(store: WholeStore) -> dict[str, Tracker]:
    with store.transaction({}) as tx:
        found = tx.trackers("")
    assert found is not None
    return {one.name: one for one in trackers_from_json(*found).trackers}


def followed(store: WholeStore, *trackers: FollowedTracker) -> Sequence[str]:
    with store.transaction({}) as tx:
        return tx.follow(trackers)


def test_a_tracker_of_the_stream_comes_changes_and_goes(store: WholeStore) -> None:
    row = FollowedTracker("Task-status", "Task", "status")
    assert not followed(store, row, FollowedTracker("Other", "Task", "priority", disabled=True))
    assert {name: (one.disabled, one.managed_by) for name, one in in_force(store).items()} == {
        "Task-status": (False, "frappe"),
        "Other": (True, "frappe"),
    }
    followed(store, FollowedTracker("Task-status", "Task", "state", disabled=True), FollowedTracker("Other"))
    [left] = in_force(store).values()
    assert (left.name, left.track_field, left.disabled) == ("Task-status", "state", True)


def test_the_same_row_again_makes_no_revision(store: WholeStore) -> None:
    row = FollowedTracker("Task-status", "Task", "status")
    followed(store, row)
    with store.transaction({}) as tx:
        before = tx.trackers("")
    followed(store, row, FollowedTracker("Nobody"))
    with store.transaction({}) as tx:
        assert tx.trackers("") == before


def test_other_trackers_keep_their_names_and_tell_how_a_column_is_encoded(world: World, store: WholeStore) -> None:
    world.follow(tracker(name="ours", track_field="grand_total", **{"as": "decimal", "values": ["5"]}))
    rows = FollowedTracker("ours", "Sales Order", "status"), FollowedTracker("theirs", "Sales Order", "grand_total")
    assert followed(store, *rows) == ["ours"]
    assert followed(store, FollowedTracker("ours")) == ["ours"]
    found = in_force(store)
    assert (found["ours"].track_field, found["ours"].managed_by) == ("grand_total", "config")
    assert (found["theirs"].rule.encoding, found["theirs"].rule.values) == ("decimal", ())
