"""From changes and states to milestones, one rule at a time; `test_evaluation_model.py` has the whole."""

from collections import defaultdict
from collections.abc import Mapping

import pytest

from consumer.core.evaluation import Evaluation, evaluate
from consumer.core.events import Kind
from consumer.core.states import DocumentState, StateKey
from tests.unit.samples import NOW_US, REVISION, TOPIC_ID, Change, candidates_of, context, key_of, rules_of, tracker

States = defaultdict[StateKey, DocumentState]


def fresh() -> States:
    return defaultdict(DocumentState)


def at(value: str | None, **more: object) -> States:
    """One document that stands at a value."""
    states = fresh()
    states[key_of()] = DocumentState(known=True, value=value, since=NOW_US, **more)  # type: ignore[arg-type]
    return states


def reached(states: States, *changes: Change) -> list[tuple[str, str | None, str, int]]:
    """Value, from_value, how that is known, and occurrence of each milestone."""
    result = evaluate(candidates_of(rules_of(), *changes), states, {}, context())
    return [(m.value, m.from_value, m.from_value_known, m.occurrence) for m in result.milestones]


def test_a_created_document_reaches_its_first_value() -> None:
    change = Change(Kind.CREATE, after="Draft", before_known=True)
    assert reached(fresh(), change) == [("Draft", None, "observed", 1)]


def test_what_the_event_says_of_before_comes_first() -> None:
    change = Change(after="To Bill", before="Draft", before_known=True)
    assert reached(at("On Hold"), change) == [("To Bill", "Draft", "observed", 1)]


def test_without_before_the_state_says_where_it_came_from() -> None:
    assert reached(at("Draft"), Change(after="To Bill")) == [("To Bill", "Draft", "state", 1)]
    assert reached(at(None), Change(after="To Bill")) == [("To Bill", None, "state", 1)]


def test_where_neither_knows_the_row_says_unknown() -> None:
    assert reached(fresh(), Change(after="To Bill")) == [("To Bill", None, "unknown", 1)]


def test_an_update_that_changes_nothing_is_no_milestone() -> None:
    assert reached(at("Draft"), Change(after="Draft")) == []


def test_empty_is_not_reached_but_left() -> None:
    assert reached(at("Draft"), Change(after=None), Change(after="Draft")) == [("Draft", None, "state", 1)]


def test_occurrences_count_each_time_a_document_is_there() -> None:
    ways = [Change(after=value) for value in ("A", "B", "A", "A", "C")]
    assert [(m[0], m[3]) for m in reached(fresh(), *ways)] == [("A", 1), ("B", 2), ("A", 3), ("C", 4)]


def test_documents_are_counted_apart() -> None:
    changes = [Change(name=name, after="A") for name in ("SO-1", "SO-2")]
    assert [m[3] for m in reached(fresh(), *changes)] == [1, 1]


@pytest.mark.parametrize("kind", [Kind.SNAPSHOT, Kind.DELETE])
def test_snapshots_and_deletes_are_no_milestones_and_are_counted(kind: Kind) -> None:
    change = Change(kind, after=None if kind is Kind.DELETE else "Draft")
    result = evaluate(candidates_of(rules_of(), change), fresh(), {}, context())
    assert result.milestones == []
    assert result.skipped == {kind.value: 1}


def test_a_snapshot_is_the_baseline_of_what_follows() -> None:
    changes = [Change(Kind.SNAPSHOT, after="Draft"), Change(after="Draft"), Change(after="To Bill")]
    assert reached(fresh(), *changes) == [("To Bill", "Draft", "state", 1)]


def test_a_document_made_again_after_its_end_goes_on_counting() -> None:
    changes = [
        Change(Kind.CREATE, after="Draft", before_known=True),
        Change(Kind.DELETE),
        Change(Kind.CREATE, after="Draft", before_known=True),
    ]
    assert [(m[0], m[3]) for m in reached(fresh(), *changes)] == [("Draft", 1), ("Draft", 2)]


def test_the_same_change_at_two_offsets_and_in_two_partitions_is_one_milestone() -> None:
    again = [Change(after="Draft", identity="same", partition=p, offset=o) for p, o in ((0, 1), (0, 2), (1, 0))]
    result = evaluate(candidates_of(rules_of(), *again), fresh(), {}, context())
    assert [m.origin_offset for m in result.milestones] == [1]
    assert result.skipped == {"duplicate": 2}


def test_a_redelivered_older_change_does_not_drag_the_state_back() -> None:
    states = fresh()
    first, second = Change(after="A", identity="a"), Change(after="B", identity="b")
    reached(states, first, second)
    assert reached(states, Change(after="A", identity="a", partition=1), Change(after="C")) == [("C", "B", "state", 3)]


def test_a_duplicate_in_the_same_batch_is_one_milestone_even_after_more_changes_than_are_remembered() -> None:
    between = [Change(after=f"value {n}") for n in range(40)]
    changes = [Change(after="A", identity="a"), *between, Change(after="A", identity="a", partition=1)]
    result = evaluate(candidates_of(rules_of(), *changes), fresh(), {}, context())
    assert len({m.id for m in result.milestones}) == len(result.milestones) == 41
    assert result.skipped == {"duplicate": 1}


def test_ids_that_are_in_the_table_are_left_out_and_do_not_move_the_state() -> None:
    change = Change(after="A", identity="a")
    [made] = evaluate(candidates_of(rules_of(), change), fresh(), {}, context()).milestones
    states = at("B", occurrences={"Sales Order-status": 7})
    result = evaluate(candidates_of(rules_of(), change), states, {}, context(recorded=frozenset({made.id})))
    assert result.milestones == []
    assert result.skipped == {"duplicate": 1}
    assert (states[key_of()].value, states[key_of()].occurrences) == ("B", {"Sales Order-status": 7})
    assert states[key_of()] is result.changed[key_of()]


def test_rows_below_published_are_silent() -> None:
    changes = [
        Change(after="A", offset=4),
        Change(after="B", offset=5),
        Change(after="A", identity="b", partition=1, offset=4),
    ]
    result = evaluate(candidates_of(rules_of(), *changes), fresh(), {}, context({(TOPIC_ID, 0): 5}))
    assert [(m.origin_offset, m.silent) for m in result.milestones] == [(4, True), (5, False), (4, False)]


def test_a_milestone_says_what_the_event_and_the_transaction_said() -> None:
    change = Change(after="A", before="B", before_known=True, offset=9, at_us=1_700_000_000_123_456, identity="0-1-7#1")
    [m] = evaluate(candidates_of(rules_of(), change), fresh(), {}, context()).milestones
    assert (m.reference_type, m.reference_name, m.track_field) == ("Sales Order", "SO-1", "status")
    assert (m.reached_at, m.recorded_at) == (1_700_000_000_123_456, NOW_US)
    assert (m.actor, m.source_identity, m.source_identity_kind) == ("erp@example.org", "0-1-7#1", "gtid")
    assert (m.origin_topic_id, m.origin_partition, m.origin_offset) == (TOPIC_ID, 0, 9)
    assert (m.tracker_revision, m.announce, m.silent) == (REVISION, True, False)
    assert m.id.startswith("018bcfe5-687b-8")


def test_fields_of_one_event_are_decided_apart() -> None:
    rules = rules_of(tracker(), tracker(track_field="stage"))
    change = Change(after="A", fields=("status", "stage"))
    result = evaluate(candidates_of(rules, change), fresh(), {}, context())
    assert [(m.track_field, m.occurrence) for m in result.milestones] == [("status", 1), ("stage", 1)]
    assert set(result.changed) == {key_of(), key_of(track_field="stage")}


def test_trackers_of_one_field_count_apart_and_the_state_moves_once() -> None:
    rules = rules_of(tracker(), tracker(name="billed", values=["Billed"]))
    changes = [Change(after="Draft"), Change(after="Billed")]
    result = evaluate(candidates_of(rules, *changes), fresh(), {}, context())
    assert [(m.milestone_tracker, m.value, m.occurrence) for m in result.milestones] == [
        ("Sales Order-status", "Draft", 1),
        ("Sales Order-status", "Billed", 2),
        ("billed", "Billed", 1),
    ]


def _from(states: States, before: Mapping[str, object]) -> Evaluation:
    rules = rules_of(tracker(from_values=["Draft"]))
    change = Change(after="Billed", **before)  # type: ignore[arg-type]
    return evaluate(candidates_of(rules, change), states, {}, context())


def test_from_values_need_a_known_value_that_is_among_them() -> None:
    assert len(_from(at("Draft"), {}).milestones) == 1
    assert len(_from(fresh(), {"before": "Draft", "before_known": True}).milestones) == 1
    assert _from(at("On Hold"), {}).milestones == []
    assert _from(fresh(), {}).milestones == []


def test_a_change_that_no_tracker_wants_still_moves_the_state() -> None:
    rules = rules_of(tracker(values=["Billed"]))
    states = fresh()
    result = evaluate(candidates_of(rules, Change(after="Draft"), Change(after="Billed")), states, {}, context())
    assert [(m.from_value, m.from_value_known) for m in result.milestones] == [("Draft", "state")]
    assert states[key_of()].value == "Billed"
