"""What a value that a snapshot read is: the state of its document, a change that was missed, or a milestone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from consumer.core.evaluation import BOTH_HALVES, Alias, AliasKey, Evaluation, evaluate
from consumer.core.events import ChangeEvent, Kind
from consumer.core.matching import match
from consumer.core.milestones import Milestone
from consumer.core.records import Origin
from consumer.core.states import DocumentState, StateKey
from consumer.core.trackers import SNAPSHOT_MODES, Tracker
from tests.unit.samples import NOW_US, TOPIC_ID, Change, context, event_of, key_of, rules_of, tracker

MISSED = {("Sales Order", "status"): 1}


class Documents:
    """States and aliases over several batches, under trackers of one mode."""

    def __init__(self, mode: str, *trackers: Tracker, **rule: object) -> None:
        self.rules = rules_of(*(trackers or (tracker(snapshot=mode, **rule),)))
        self.states: defaultdict[StateKey, DocumentState] = defaultdict(DocumentState)
        self.aliases: dict[AliasKey, Alias] = {}
        self.missed: Counter[tuple[str, str]] = Counter()

    def take(self, *events: Change | ChangeEvent, recorded: frozenset[str] = frozenset()) -> list[Milestone]:
        """One batch."""
        return self.evaluate(*events, recorded=recorded).milestones

    def evaluate(self, *events: Change | ChangeEvent, recorded: frozenset[str] = frozenset()) -> Evaluation:
        known = {key: BOTH_HALVES if a.settled else a.first_half for key, a in self.aliases.items()}
        candidates = match([event_of(e) if isinstance(e, Change) else e for e in events], self.rules)
        result = evaluate(candidates, self.states, known, context(recorded=recorded))
        for key, alias in result.aliases.items():
            old = self.aliases.get(key)
            self.aliases[key] = alias if old is None else Alias(key, old.renamed_at, old.first_half, settled=True)
        self.missed += result.missed
        return result

    def state(self, name: str = "SO-1") -> DocumentState:
        return self.states[key_of(name)]


def read(value: str | None, **more: object) -> Change:
    """A value that a snapshot read."""
    return Change(Kind.SNAPSHOT, after=value, **more)  # type: ignore[arg-type]


def created(value: str | None, **more: object) -> Change:
    return Change(Kind.CREATE, after=value, before_known=True, **more)  # type: ignore[arg-type]


def told(milestones: Sequence[Milestone]) -> list[tuple[str, str | None, str, int]]:
    return [(m.value, m.from_value, m.from_value_known, m.occurrence) for m in milestones]


@pytest.mark.parametrize(
    ("mode", "first"), [("baseline", []), ("milestone", [("Draft", None, "unknown", 1)]), ("reconcile", [])]
)
def test_the_first_value_known_of_a_document_is_a_milestone_only_in_mode_milestone(
    mode: str, first: list[tuple[str, str | None, str, int]]
) -> None:
    documents = Documents(mode)
    assert told(documents.take(read("Draft"))) == first
    assert (documents.state().known, documents.state().value) == (True, "Draft")
    assert documents.missed == {}


@pytest.mark.parametrize(
    ("mode", "made"),
    [
        ("baseline", []),
        ("milestone", [("Billed", "Draft", "state", 2)]),
        ("reconcile", [("Billed", "Draft", "state", 2)]),
    ],
)
def test_another_value_than_the_known_one_was_missed_whatever_the_mode(
    mode: str, made: list[tuple[str, str | None, str, int]]
) -> None:
    documents = Documents(mode)
    documents.take(created("Draft"))
    assert told(documents.take(read("Billed"))) == made
    assert documents.missed == MISSED
    assert documents.state().value == "Billed"


@pytest.mark.parametrize("mode", SNAPSHOT_MODES)
def test_the_value_that_is_known_is_read_as_often_as_one_likes(mode: str) -> None:
    documents = Documents(mode)
    documents.take(created("Draft"))
    assert documents.take(*(read("Draft") for _ in range(5))) == []
    assert (documents.missed, documents.state().since) == ({}, NOW_US)
    assert documents.evaluate(read("Draft")).skipped == {"snapshot": 1}


@pytest.mark.parametrize("mode", SNAPSHOT_MODES)
def test_empty_is_no_milestone_but_a_value_that_became_empty_unseen_was_missed(mode: str) -> None:
    documents = Documents(mode)
    assert documents.take(read(None, name="SO-2"), created("Draft"), read(None))[1:] == []
    assert documents.missed == MISSED
    assert (documents.state().known, documents.state().value) == (True, None)


@pytest.mark.parametrize("mode", SNAPSHOT_MODES)
def test_a_value_that_was_known_to_be_empty_differs_from_one_that_is_not(mode: str) -> None:
    documents = Documents(mode)
    documents.take(created(None))
    made = documents.take(read("Draft"))
    assert told(made) == ([] if mode == "baseline" else [("Draft", None, "state", 1)])
    assert documents.missed == MISSED


def test_target_values_are_asked_as_ever_and_what_was_missed_is_counted_all_the_same() -> None:
    documents = Documents("reconcile", values=["Billed"])
    documents.take(created("Draft"))
    assert documents.take(read("On Hold")) == []
    assert told(documents.take(read("Billed"))) == [("Billed", "On Hold", "state", 1)]
    assert documents.missed == {("Sales Order", "status"): 2}


def test_the_value_before_is_asked_as_ever_and_never_holds_where_nothing_was_known() -> None:
    documents = Documents("milestone", from_values=["Draft"])
    assert documents.take(read("Billed")) == []
    documents.take(Change(after="Draft"))
    assert told(documents.take(read("Billed"))) == [("Billed", "Draft", "state", 1)]


def test_a_disabled_tracker_makes_none_and_its_field_is_counted() -> None:
    documents = Documents("", tracker(snapshot="reconcile", disabled=True))
    documents.take(created("Draft"))
    assert documents.take(read("Billed")) == []
    assert documents.missed == MISSED


def test_each_tracker_of_a_field_has_a_mode_of_its_own_and_a_missed_change_counts_once() -> None:
    trackers = [tracker(name=mode, snapshot=mode) for mode in SNAPSHOT_MODES]
    documents = Documents("", *trackers)
    assert [m.milestone_tracker for m in documents.take(read("Draft"))] == ["milestone"]
    assert [m.milestone_tracker for m in documents.take(read("Billed"))] == ["milestone", "reconcile"]
    assert documents.missed == MISSED


def test_a_milestone_of_a_snapshot_has_its_records_time_place_and_identity() -> None:
    documents = Documents("reconcile")
    documents.take(created("Draft"))
    [m] = documents.take(read("Billed", identity="1:binlog.000001:4", at_us=NOW_US + 7_000, offset=1_900_000))
    assert (m.reached_at, m.source_identity, m.origin_offset) == (NOW_US + 7_000, "1:binlog.000001:4", 1_900_000)
    assert (m.announce, m.silent, m.actor) == (True, False, "erp@example.org")


# Again, late, ended, renamed


@pytest.mark.parametrize("mode", SNAPSHOT_MODES)
def test_a_read_that_is_delivered_twice_is_one_and_does_not_drag_the_state_back(mode: str) -> None:
    documents = Documents(mode)
    documents.take(created("Draft"))
    first = documents.take(read("Billed", identity="r"), Change(after="Paid"))
    result = documents.evaluate(read("Billed", identity="r", partition=1))
    assert (result.milestones, result.skipped, documents.state().value) == ([], {"duplicate": 1}, "Paid")
    assert documents.missed == MISSED
    assert [m.value for m in first][-1] == "Paid"


def test_a_read_whose_milestone_is_in_the_table_is_left_out_and_does_not_move_the_state() -> None:
    documents = Documents("reconcile")
    documents.take(created("Draft"))
    [m] = documents.take(read("Billed", identity="r"))
    documents.states.clear()
    documents.take(created("Paid", identity="new"))
    result = documents.evaluate(read("Billed", identity="r", partition=1), recorded=frozenset({m.id}))
    assert (result.milestones, result.missed, documents.state().value) == ([], {}, "Paid")


@pytest.mark.parametrize("mode", SNAPSHOT_MODES)
@pytest.mark.parametrize("value", ["Draft", None])
def test_a_document_that_is_read_although_it_had_ended_was_made_again_unseen(mode: str, value: str | None) -> None:
    documents = Documents(mode)
    documents.take(created("Draft"), Change(Kind.DELETE))
    made = documents.take(read(value))
    assert told(made) == ([] if mode == "baseline" or value is None else [("Draft", None, "state", 2)])
    assert documents.missed == MISSED
    assert (documents.state().value, documents.state().ended_at) == (value, None)
    assert documents.take(read(value)) == []
    assert documents.missed == MISSED


def at_minute(minute: int, change: Change) -> Change:
    change.offset, change.at_us = minute, NOW_US + minute * 60_000_000
    return change


def redriven(change: Change) -> ChangeEvent:
    """The change, sent again far behind where it first stood."""
    event = event_of(change)
    return replace(event, origin=Origin(TOPIC_ID, 0, 10_000 + change.offset), first_origin=event.origin)


@pytest.mark.parametrize("mode", SNAPSHOT_MODES)
def test_a_redriven_read_that_its_document_has_moved_on_from_tells_nothing(mode: str) -> None:
    documents = Documents(mode)
    documents.take(at_minute(1, created("Draft")), at_minute(3, Change(after="Paid")))
    result = documents.evaluate(redriven(at_minute(2, read("Billed"))))
    assert (result.milestones, result.missed, result.skipped) == ([], {}, {"snapshot": 1})
    assert documents.state().value == "Paid"


def test_a_redriven_read_that_nothing_came_after_is_one_as_if_it_had_been_in_time() -> None:
    documents = Documents("reconcile")
    documents.take(at_minute(1, created("Draft")))
    late = at_minute(2, read("Billed"))
    [m] = documents.take(redriven(late))
    assert (told([m]), m.reached_at) == ([("Billed", "Draft", "state", 2)], NOW_US + 120_000_000)
    assert (documents.missed, documents.state().value) == (MISSED, "Billed")


def away() -> Change:
    return Change(Kind.RENAMED_AWAY, name="A", other_name="B", identity="d", renaming="A>B")


def here(value: str = "Draft") -> Change:
    return Change(Kind.RENAMED_HERE, "B", value, other_name="A", identity="c", renaming="A>B", partition=1)


@pytest.mark.parametrize("halves", [(away, here), (here, away)], ids=["old name first", "new name first"])
@pytest.mark.parametrize("mode", SNAPSHOT_MODES)
def test_a_renamed_document_is_no_new_one_to_a_snapshot(mode: str, halves: tuple[object, object]) -> None:
    documents = Documents(mode)
    documents.take(created("Draft", name="A"))
    changes = [here(), away()] if halves[0] is here else [away(), here()]
    assert documents.take(*changes, read("Draft", name="B", partition=1)) == []
    assert documents.missed == {}
    made = documents.take(read("Billed", name="B", partition=1))
    assert told(made) == ([] if mode == "baseline" else [("Billed", "Draft", "state", 2)])


def test_what_was_missed_before_a_rename_counts_for_the_document_under_its_new_name() -> None:
    documents = Documents("reconcile")
    documents.take(created("Draft", name="A"), here("Billed"))
    assert told(documents.take(read("Billed", name="A"), away())) == [("Billed", "Draft", "state", 2)]
    assert documents.state("B").occurrences == {"Sales Order-status": 2}


def test_an_old_name_that_is_read_after_a_rename_is_another_document_that_was_made_unseen() -> None:
    documents = Documents("reconcile")
    documents.take(created("Draft", name="A"), away(), here())
    assert told(documents.take(read("Draft", name="A"))) == [("Draft", None, "state", 1)]
    assert (documents.state("B").value, documents.missed) == ("Draft", MISSED)


# Any stream

VALUES = st.sampled_from([None, "A", "B", "C"])


@dataclass
class Site:
    """The documents as a database has them, and the changes that it logs. Two exist from before; names are reused."""

    draw: st.DrawFn
    rows: dict[str, str | None] = field(default_factory=lambda: {"old": "A", "empty": None})
    stream: list[Change] = field(default_factory=list)

    def change(self) -> None:
        number = len(self.stream)
        if not self.rows or self.one_in(5):
            free = [name for name in ("old", "empty", "new") if name not in self.rows]
            name = self.draw(st.sampled_from([*free, f"made {number}"]))
            self.rows[name] = self.draw(VALUES)
            self.log(Kind.CREATE, name, before_known=True)
            return
        name = self.draw(st.sampled_from(sorted(self.rows)))
        if self.one_in(6):
            del self.rows[name]
            self.log(Kind.DELETE, name)
        elif self.one_in(6):
            self.rename(name, f"renamed {number}")
        else:
            self.update(name)

    def update(self, name: str) -> None:
        """The first change of a document from before tells its old value: else only reads would tell it."""
        is_first = not any(change.name == name for change in self.stream)
        before = self.rows[name] if is_first or self.draw(st.booleans()) else ...
        self.rows[name] = self.draw(VALUES)
        if before is ...:
            self.log(Kind.UPDATE, name)
        else:
            self.log(Kind.UPDATE, name, before=before, before_known=True)

    def rename(self, old: str, new: str) -> None:
        self.rows[new] = self.rows.pop(old)
        named = f"{old}>{new}"
        halves = [
            Change(Kind.RENAMED_AWAY, old, other_name=new, identity=f"d {named}", renaming=named),
            Change(Kind.RENAMED_HERE, new, self.rows[new], other_name=old, identity=f"c {named}", renaming=named),
        ]
        self.stream += reversed(halves) if self.draw(st.booleans()) else halves

    def log(self, kind: Kind, name: str, **more: object) -> None:
        identity = f"change {len(self.stream)}"
        self.stream.append(Change(kind, name, self.rows.get(name), identity=identity, **more))  # type: ignore[arg-type]

    def one_in(self, count: int) -> bool:
        return self.draw(st.integers(1, count)) == 1


class History(NamedTuple):
    """A stream; the same with reads of the values that rows had then; and the documents that a read showed first."""

    stream: list[Change]
    with_reads: list[Change]
    first: set[tuple[str, str]]


@st.composite
def histories(draw: st.DrawFn) -> History:
    site, with_reads, shown = Site(draw), list[Change](), set[str]()
    first: set[tuple[str, str]] = set()
    for _ in range(draw(st.integers(1, 25))):
        for name in draw(st.lists(st.sampled_from(sorted(site.rows)), max_size=3)) if site.rows else []:
            value = site.rows[name]
            if name not in shown and value is not None:
                first.add((name, value))
            shown.add(name)
            with_reads.append(read(value, name=name))
        logged = len(site.stream)
        site.change()
        with_reads += site.stream[logged:]
        shown |= {change.name for change in site.stream[logged:]}
    return History(site.stream, with_reads, first)


def what(m: Milestone, *, counted: bool = True) -> tuple[object, ...]:
    return m.id, m.reference_name, m.value, m.from_value, m.from_value_known, m.occurrence if counted else 0


@pytest.mark.parametrize("mode", ["baseline", "reconcile"])
@given(history=histories())
def test_reads_of_the_current_value_change_no_milestone_however_many_there_are(mode: str, history: History) -> None:
    without, with_reads = Documents(mode), Documents(mode)
    right = without.take(*history.stream)
    assert [what(m) for m in with_reads.take(*history.with_reads)] == [what(m) for m in right]
    assert with_reads.missed == {}


@given(histories())
def test_in_mode_milestone_they_add_the_first_sight_of_each_document_and_nothing_else(history: History) -> None:
    without, with_reads = Documents("milestone"), Documents("milestone")
    right = [what(m, counted=False) for m in without.take(*history.stream)]
    found = with_reads.take(*history.with_reads)
    ids = {told[0] for told in right}
    assert [what(m, counted=False) for m in found if m.id in ids] == right
    added = [m for m in found if m.id not in ids]
    assert {(m.reference_name, m.value) for m in added} == history.first
    assert {(m.from_value_known, m.occurrence) for m in added} <= {("unknown", 1)}
    assert with_reads.missed == {}


@given(histories(), st.data())
def test_whatever_changes_were_missed_one_read_of_each_row_finds_them(history: History, data: st.DataObject) -> None:
    documents, rows = Documents("reconcile"), current(history.stream)
    missable = [at for at, change in enumerate(history.stream) if change.other_name is None]
    gone = data.draw(st.sets(st.sampled_from(missable))) if missable else set()
    documents.take(*(change for at, change in enumerate(history.stream) if at not in gone))
    known = {name: deepcopy(documents.state(name)) for name in rows}
    differ = {n for n, s in known.items() if s.known and (s.value != rows[n] or s.ended_at is not None)}
    documents.missed.clear()
    made = documents.take(*(read(value, name=name) for name, value in rows.items()))
    assert {(m.reference_name, m.value) for m in made} == {(n, rows[n]) for n in differ if rows[n] is not None}
    assert documents.missed.total() == len(differ)
    assert {name: documents.state(name).value for name in rows} == rows


def current(stream: Sequence[Change]) -> dict[str, str | None]:
    """The rows that a stream of all changes leaves."""
    rows: dict[str, str | None] = {}
    for change in stream:
        if change.kind in (Kind.DELETE, Kind.RENAMED_AWAY):
            rows.pop(change.name, None)
        else:
            rows[change.name] = change.after
    return rows
