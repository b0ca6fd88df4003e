"""Evaluation against a slow, obvious model of what the design says."""

from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from consumer.core.evaluation import evaluate
from consumer.core.events import Kind
from consumer.core.states import DocumentState, StateKey
from tests.unit.samples import Change, candidates_of, context, rules_of, tracker

RULES = rules_of(tracker(), tracker(name="won", values=["Won"]), tracker(name="from A", from_values=["A"]))
VALUES = st.sampled_from([None, "A", "B", "Won"])
NAMES = st.sampled_from(["SO-1", "SO-2"])
KINDS = st.sampled_from([Kind.CREATE, Kind.UPDATE, Kind.UPDATE, Kind.UPDATE, Kind.SNAPSHOT, Kind.DELETE])

Facts = tuple[str, str, str, str | None, str, int]


@dataclass
class Model:
    """Every document's value as a plain entry, every change seen as a member of a set, every row in a list."""

    values: dict[str, str | None] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    rows: list[Facts] = field(default_factory=list)

    def take(self, change: Change) -> None:
        if change.identity in self.seen:
            return
        self.seen.add(change.identity)
        if change.kind in (Kind.CREATE, Kind.UPDATE):
            self.reach(change)
        self.values[change.name] = None if change.kind is Kind.DELETE else change.after

    def reach(self, change: Change) -> None:
        if change.before_known:
            before, known = change.before, "observed"
        elif change.name in self.values:
            before, known = self.values[change.name], "state"
        else:
            before, known = None, "unknown"
        if change.after is None or (known != "unknown" and before == change.after):
            return
        wanted = {
            "Sales Order-status": True,
            "won": change.after == "Won",
            "from A": known != "unknown" and before == "A",
        }
        for name in (name for name, is_wanted in wanted.items() if is_wanted):
            occurrence = 1 + sum(row[:2] == (name, change.name) for row in self.rows)
            self.rows.append((name, change.name, change.after, before, known, occurrence))


@st.composite
def streams(draw: st.DrawFn) -> list[list[Change]]:
    """Batches of changes; some are delivered again, later and elsewhere. Fewer than are remembered."""
    changes: list[Change] = []
    for number in range(draw(st.integers(1, 25))):
        if changes and draw(st.integers(0, 4)) == 0:
            old = draw(st.sampled_from(changes))
            partition = draw(st.sampled_from([old.partition, 1]))
            again = Change(old.kind, old.name, old.after, old.before, old.before_known, identity=old.identity)
            again.partition, again.offset = partition, number
            changes.append(again)
            continue
        kind = draw(KINDS)
        told = kind is Kind.CREATE or (kind is Kind.UPDATE and draw(st.booleans()))
        before = draw(VALUES) if told and kind is Kind.UPDATE else None
        after = None if kind is Kind.DELETE else draw(VALUES)
        changes.append(Change(kind, draw(NAMES), after, before, told, identity=f"change {number}", offset=number))
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(changes) - 1)), max_size=3)))
    return [changes[low:high] for low, high in zip([0, *cuts], [*cuts, len(changes)], strict=True)]


@given(streams())
def test_milestones_states_and_counts_are_those_of_the_obvious_model(batches: list[list[Change]]) -> None:
    model = Model()
    states: defaultdict[StateKey, DocumentState] = defaultdict(DocumentState)
    rows: list[Facts] = []
    ids: list[str] = []
    for batch in batches:
        for change in batch:
            model.take(change)
        result = evaluate(candidates_of(RULES, *batch), states, {}, context())
        ids += [m.id for m in result.milestones]
        rows += [
            (m.milestone_tracker, m.reference_name, m.value, m.from_value, m.from_value_known, m.occurrence)
            for m in result.milestones
        ]
        assert all(states[key] is state for key, state in result.changed.items())
    assert rows == model.rows
    assert len(set(ids)) == len(ids)
    assert {key.reference_name: state.value for key, state in states.items() if state.known} == model.values


@given(streams())
def test_evaluating_a_stream_again_with_what_it_left_gives_nothing_new(batches: list[list[Change]]) -> None:
    states: defaultdict[StateKey, DocumentState] = defaultdict(DocumentState)
    everything = [change for batch in batches for change in batch]
    evaluate(candidates_of(RULES, *everything), states, {}, context())
    values = {key: state.value for key, state in states.items()}
    again = evaluate(candidates_of(RULES, *everything), states, {}, context())
    assert again.milestones == []
    assert {key: state.value for key, state in states.items()} == values
