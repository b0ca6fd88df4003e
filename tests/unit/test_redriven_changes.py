"""How a redriven change is evaluated: it happened, and it never moves its document back."""

from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from consumer.core.evaluation import BOTH_HALVES, Alias, AliasKey, evaluate
from consumer.core.events import ChangeEvent, Kind
from consumer.core.matching import match
from consumer.core.milestones import Milestone
from consumer.core.records import Origin
from consumer.core.states import DocumentState, StateKey
from tests.unit.samples import NOW_US, TOPIC_ID, Change, context, event_of, key_of, rules_of, tracker

MINUTE_US = 60_000_000
LATER = 10_000


def at_minute(minute: int, after: str | None, kind: Kind = Kind.UPDATE, **more: object) -> Change:
    """A change whose offset and time are those of a minute."""
    time = NOW_US + minute * MINUTE_US
    return Change(kind, after=after, offset=minute, at_us=time, **more)  # type: ignore[arg-type]


def observed(minute: int, before: str | None, after: str | None, **more: object) -> Change:
    return at_minute(minute, after, before=before, before_known=True, **more)  # type: ignore[arg-type]


def redriven(change: Change, offset: int = 0, partition: int | None = None) -> ChangeEvent:
    """The change, at another place than it first stood at."""
    event = event_of(change)
    place = Origin(TOPIC_ID, event.origin.partition if partition is None else partition, LATER + change.offset + offset)
    return replace(event, origin=place, first_origin=event.origin)


class Documents:
    """States and aliases over several batches."""

    def __init__(self) -> None:
        self.states: defaultdict[StateKey, DocumentState] = defaultdict(DocumentState)
        self.aliases: dict[AliasKey, Alias] = {}

    def take(self, *events: Change | ChangeEvent) -> list[Milestone]:
        """One batch."""
        known = {key: BOTH_HALVES if a.settled else a.first_half for key, a in self.aliases.items()}
        candidates = match([event_of(e) if isinstance(e, Change) else e for e in events], rules_of())
        result = evaluate(candidates, self.states, known, context())
        self.aliases |= result.aliases
        return result.milestones

    def state(self, name: str = "SO-1") -> DocumentState:
        return self.states[key_of(name)]


def told(milestones: Sequence[Milestone]) -> list[tuple[str, str | None, str, int]]:
    return [(m.value, m.from_value, m.from_value_known, m.occurrence) for m in milestones]


def test_a_change_that_nothing_came_after_is_evaluated_as_if_it_had_been_in_time() -> None:
    documents = Documents()
    documents.take(at_minute(1, "Draft"))
    assert told(documents.take(redriven(at_minute(2, "To Bill")))) == [("To Bill", "Draft", "state", 2)]
    assert (documents.state().value, documents.state().since) == ("To Bill", NOW_US + 2 * MINUTE_US)


def test_its_milestone_has_the_time_and_identity_of_the_change_and_the_origin_of_the_redriven_record() -> None:
    [m] = Documents().take(redriven(at_minute(2, "Draft", identity="0-1-7#1")))
    assert (m.reached_at, m.source_identity) == (NOW_US + 2 * MINUTE_US, "0-1-7#1")
    assert (m.origin_partition, m.origin_offset) == (0, LATER + 2)


def test_a_late_change_is_a_milestone_from_what_it_says_itself_and_the_state_stays() -> None:
    documents = Documents()
    documents.take(observed(1, None, "Draft"), observed(3, "To Bill", "Billed"))
    assert told(documents.take(redriven(observed(2, "Draft", "To Bill")))) == [("To Bill", "Draft", "observed", 3)]
    assert (documents.state().value, documents.state().since) == ("Billed", NOW_US + 3 * MINUTE_US)
    assert told(documents.take(at_minute(4, "Paid"))) == [("Paid", "Billed", "state", 4)]


def test_a_late_change_without_before_has_come_from_an_unknown_value() -> None:
    documents = Documents()
    documents.take(at_minute(1, "Draft"), at_minute(3, "Billed"))
    assert told(documents.take(redriven(at_minute(2, "To Bill")))) == [("To Bill", None, "unknown", 3)]
    assert documents.state().value == "Billed"


def test_a_value_that_was_left_and_came_back_meanwhile_is_not_left_again() -> None:
    documents = Documents()
    documents.take(at_minute(1, "Draft"), at_minute(3, "Draft"))
    assert documents.state().since == NOW_US + MINUTE_US
    documents.take(redriven(at_minute(2, "On Hold")))
    assert documents.state().value == "Draft"


def test_in_another_partition_the_time_alone_tells_that_it_is_late() -> None:
    documents = Documents()
    documents.take(at_minute(1, "Draft"), at_minute(3, "Billed", partition=1))
    documents.take(redriven(at_minute(2, "To Bill"), partition=1))
    assert documents.state().value == "Billed"


def test_two_that_are_redriven_in_their_order_both_move_the_state() -> None:
    documents = Documents()
    documents.take(at_minute(1, "Draft"))
    late = [redriven(at_minute(minute, value)) for minute, value in ((2, "To Bill"), (3, "Billed"))]
    assert told(documents.take(*late)) == [("To Bill", "Draft", "state", 2), ("Billed", "To Bill", "state", 3)]


def test_two_that_are_redriven_in_the_wrong_order_leave_the_newer_value() -> None:
    documents = Documents()
    late = [redriven(at_minute(minute, value)) for minute, value in ((3, "Billed"), (2, "To Bill"))]
    assert told(documents.take(*late)) == [("Billed", None, "unknown", 1), ("To Bill", None, "unknown", 2)]
    assert documents.state().value == "Billed"


@pytest.mark.parametrize("change", [at_minute(2, "To Bill"), observed(2, "Draft", "To Bill")])
def test_redriven_twice_it_is_one_milestone(change: Change) -> None:
    documents = Documents()
    documents.take(at_minute(1, "Draft"), at_minute(3, "Billed"))
    change.identity = "once"
    assert len(documents.take(redriven(change))) == 1
    assert documents.take(redriven(change, offset=1)) == []
    assert documents.take(redriven(change, partition=1)) == []
    assert documents.state().occurrences == {"Sales Order-status": 3}


def test_what_comes_after_a_redriven_change_is_not_taken_for_seen() -> None:
    documents = Documents()
    documents.take(redriven(at_minute(2, "Draft")))
    assert told(documents.take(at_minute(3, "To Bill"))) == [("To Bill", "Draft", "state", 2)]


@pytest.mark.parametrize("kind", [Kind.DELETE, Kind.SNAPSHOT])
def test_a_late_delete_or_snapshot_leaves_the_state_as_it_is(kind: Kind) -> None:
    documents = Documents()
    documents.take(at_minute(1, "Draft"), at_minute(3, "Billed"))
    assert documents.take(redriven(at_minute(2, None if kind is Kind.DELETE else "To Bill", kind))) == []
    assert (documents.state().value, documents.state().ended_at) == ("Billed", None)


def test_a_delete_that_nothing_came_after_ends_the_document() -> None:
    documents = Documents()
    documents.take(at_minute(1, "Draft"))
    documents.take(redriven(at_minute(2, None, Kind.DELETE)))
    assert documents.state().ended_at == NOW_US + 2 * MINUTE_US


def test_a_change_before_the_documents_end_does_not_bring_it_back() -> None:
    documents = Documents()
    documents.take(at_minute(1, "Draft"), at_minute(3, None, Kind.DELETE))
    assert told(documents.take(redriven(observed(2, "Draft", "Billed")))) == [("Billed", "Draft", "observed", 2)]
    assert documents.state().ended_at == NOW_US + 3 * MINUTE_US


# Renames


def away(minute: int) -> Change:
    return at_minute(minute, None, Kind.RENAMED_AWAY, name="A", other_name="B", identity="d", renaming="A>B")


def here(minute: int, value: str = "Draft") -> Change:
    half = at_minute(minute, value, Kind.RENAMED_HERE, name="B", other_name="A", identity="c", renaming="A>B")
    half.partition = 1
    return half


HALVES = [(away(2), here(2)), (here(2), away(2))]


@pytest.mark.parametrize("halves", HALVES, ids=["old name first", "new name first"])
def test_a_redriven_rename_that_nothing_came_after_moves_the_document(halves: tuple[Change, Change]) -> None:
    documents = Documents()
    documents.take(at_minute(1, "Draft", name="A"))
    for half in halves:
        assert documents.take(redriven(half)) == []
    assert (documents.state("B").value, documents.state("B").occurrences) == ("Draft", {"Sales Order-status": 1})
    assert (documents.state("A").value, documents.state("A").occurrences) == (None, {})


@pytest.mark.parametrize("halves", HALVES, ids=["old name first", "new name first"])
def test_a_late_rename_leaves_the_newer_value_and_adds_the_counts_up(halves: tuple[Change, Change]) -> None:
    documents = Documents()
    documents.take(at_minute(1, "Draft", name="A"), at_minute(3, "Billed", name="B", partition=1))
    for half in halves:
        documents.take(redriven(half))
    b, a = documents.state("B"), documents.state("A")
    assert (b.value, b.since, b.occurrences) == ("Billed", NOW_US + 3 * MINUTE_US, {"Sales Order-status": 2})
    assert (a.value, a.ended_at, a.occurrences, a.moved_to) == (None, NOW_US + 2 * MINUTE_US, {}, None)
    [m] = documents.take(at_minute(4, "Paid", name="B", partition=1))
    assert (m.from_value, m.occurrence) == ("Billed", 3)


@pytest.mark.parametrize("halves", HALVES, ids=["old name first", "new name first"])
def test_a_late_rename_leaves_the_document_that_has_the_old_name_by_now(halves: tuple[Change, Change]) -> None:
    documents = Documents()
    documents.take(at_minute(1, "Draft", name="A"), at_minute(3, "Reused", name="A"))
    for half in halves:
        documents.take(redriven(half))
    a = documents.state("A")
    assert (a.value, a.ended_at, a.moved_to) == ("Reused", None, None)
    assert documents.state("B").value == "Draft"
    [alias] = documents.aliases.values()
    assert alias.settled


@pytest.mark.parametrize(
    ("in_time", "late"), HALVES, ids=["the new name's half is late", "the old name's half is late"]
)
def test_half_of_a_rename_that_is_late_settles_it_and_moves_nothing(in_time: Change, late: Change) -> None:
    documents = Documents()
    documents.take(at_minute(1, "Draft", name="A"), in_time)
    documents.take(at_minute(3, "Billed", name="B", partition=1))
    documents.take(redriven(late))
    assert (documents.state("B").value, documents.state("B").occurrences) == ("Billed", {"Sales Order-status": 2})
    assert (documents.state("A").value, documents.state("A").moved_to) == (None, None)


# The whole


@st.composite
def streams(draw: st.DrawFn, *, told: st.SearchStrategy[bool]) -> tuple[list[Change], list[Change | ChangeEvent]]:
    """A document's changes as they happened; and as they are evaluated, some of them redriven at any later place."""
    told_before = draw(told)
    value: str | None = None
    happened: list[Change] = []
    for minute in range(1, draw(st.integers(2, 20))):
        after = draw(st.sampled_from([None, "A", "B", "C"]))
        kind = draw(st.sampled_from([Kind.UPDATE, Kind.UPDATE, Kind.UPDATE, Kind.DELETE, Kind.SNAPSHOT]))
        after = None if kind is Kind.DELETE else after
        before = {"before": value, "before_known": True} if told_before and kind is Kind.UPDATE else {}
        if not (told_before and kind is Kind.UPDATE and value == after):
            happened.append(at_minute(minute, after, kind, identity=f"change {minute}", **before))
        value = after
    evaluated: list[Change | ChangeEvent] = list(happened)
    for change in draw(st.lists(st.sampled_from(happened), unique_by=id)) if happened else []:
        evaluated.remove(change)
        came_before = [at for at, e in enumerate(evaluated) if isinstance(e, Change) and e.offset < change.offset]
        evaluated.insert(draw(st.integers(max(came_before, default=-1) + 1, len(evaluated))), redriven(change))
    return happened, evaluated


@given(streams(told=st.booleans()))
def test_whatever_is_redriven_when_the_document_ends_where_it_stands(
    stream: tuple[list[Change], list[Change | ChangeEvent]],
) -> None:
    happened, evaluated = stream
    in_time, late = Documents(), Documents()
    in_time.take(*happened)
    late.take(*evaluated)
    assert late.state().value == in_time.state().value
    assert (late.state().ended_at is None) == (in_time.state().ended_at is None)


@given(streams(told=st.just(True)))
def test_where_events_say_what_was_before_redriving_changes_no_milestone_but_the_order_of_counting(
    stream: tuple[list[Change], list[Change | ChangeEvent]],
) -> None:
    happened, evaluated = stream
    right, found = Documents().take(*happened), Documents().take(*evaluated)
    assert sorted(_what(m) for m in found) == sorted(_what(m) for m in right)
    assert [m.occurrence for m in found] == list(range(1, len(found) + 1))


def _what(m: Milestone) -> tuple[str, str, str, str, int]:
    return m.id, m.value, m.from_value or "", m.from_value_known, m.reached_at


def test_other_fields_of_the_event_are_decided_apart() -> None:
    states: defaultdict[StateKey, DocumentState] = defaultdict(DocumentState)
    rules = rules_of(tracker(), tracker(track_field="stage"))
    evaluate(match([event_of(at_minute(3, "Billed"))], rules), states, {}, context())
    late = at_minute(2, "To Bill", fields=("status", "stage"))
    evaluate(match([redriven(late)], rules), states, {}, context())
    assert (states[key_of()].value, states[key_of(track_field="stage")].value) == ("Billed", "To Bill")
