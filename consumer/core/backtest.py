"""Rules tried on history: what they would give, side by side with what is given now. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from consumer.core.audit import Expected
from consumer.core.compiled import DocumentPlan, Rules
from consumer.core.milestones import Milestone
from consumer.core.trackers import Tracker

BOTH, NOW, NEW = "both", "now", "new"
"""Whose milestones they are: of the fields that both sides follow alike, of the rules now, of the new ones."""

_COMPARED = ("value", "from_value", "from_value_known", "occurrence", "announce", "labels", "owner")


class Sides(NamedTuple):
    """The rules of both sides, parted by what has to be evaluated twice.

    `readers`: rules to decode by, one for each time that records have to be decoded, with the sides that are matched
    on what is decoded so.
    """

    readers: tuple[tuple[Rules, Mapping[str, Rules]], ...]


def sides_of(now: Rules, new: Rules) -> Sides:
    """Fields whose trackers are the same on both sides are evaluated once; records are decoded once if both sides
    read them alike."""
    plans = _merged_plans(now, new)
    if plans is None:
        return Sides(((now, {NOW: now}), (new, {NEW: new})))
    same = {
        field for field, rules in now.by_field.items()
        if field in new.by_field and rules.trackers == new.by_field[field].trackers
    }  # fmt: skip
    parts = {
        BOTH: Rules(new.revision, new.plans, {field: new.by_field[field] for field in same}),
        NOW: Rules(now.revision, now.plans, {f: rules for f, rules in now.by_field.items() if f not in same}),
        NEW: Rules(new.revision, new.plans, {f: rules for f, rules in new.by_field.items() if f not in same}),
    }
    merged = Rules(new.revision, plans, {**now.by_field, **new.by_field})
    return Sides(((merged, {side: rules for side, rules in parts.items() if rules.by_field}),))


def _merged_plans(now: Rules, new: Rules) -> dict[str, DocumentPlan] | None:
    """Plans that read what either side reads; None if a column is to be read in two ways."""
    merged = dict(new.plans)
    for table, plan in now.plans.items():
        both = _merged(plan, merged[table]) if table in merged else plan
        if both is None:
            return None
        merged[table] = both
    return merged


def _merged(one: DocumentPlan, other: DocumentPlan) -> DocumentPlan | None:
    fields = {field.name: field for field in one.fields}
    for field in other.fields:
        if fields.setdefault(field.name, field) != field:
            return None
    encodings = {**one.encodings, **other.encodings}
    plan = msgspec.structs.replace(
        one,
        fields=tuple(fields[name] for name in sorted(fields)),
        seen=tuple(sorted({*one.seen, *other.seen})),
        encodings=encodings,
    )
    alike = all(
        {column: encodings[column] for column in side.seen if column in encodings} == side.encodings
        for side in (one, other)
    )
    named_alike = (one.document_type, one.key, one.actor) == (other.document_type, other.key, other.actor)
    return plan if alike and named_alike else None


class Sample(msgspec.Struct, frozen=True):
    """A milestone that differs. `at`: when it is reached, µs since the epoch; `place`: topic, partition and offset."""

    tracker: str
    document_type: str
    document: str
    value: str
    at: int
    place: str
    detail: str = ""


class Compared(msgspec.Struct):
    """What becomes of one tracker: milestones now and with the new rules, and how many are added, removed, changed.

    `first` and `last`: when the first and the last one are reached with the new rules, µs since the epoch.
    """

    now: int = 0
    new: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    first: int | None = None
    last: int | None = None


class Backtest(msgspec.Struct):
    """What a backtest came to. `unjudged`: by tracker and reason, where the new rules could not tell.

    `samples`: the first ones of `added`, `removed` and `changed`. `silent`: trackers of the new rules without any
    milestone, and what is known of the reason. `changed` and `absent`: document types with a change, and how many
    changes lacked a column.
    """

    records: int = 0
    unreadable: int = 0
    seconds: float = 0.0
    trackers: dict[str, Compared] = {}
    samples: dict[str, list[Sample]] = {}
    unjudged: dict[str, dict[str, int]] = {}
    silent: dict[str, str] = {}
    changed: set[str] = msgspec.field(default_factory=set)
    absent: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)

    @property
    def differs(self) -> bool:
        """Whether the new rules give anything else."""
        return any(one.added or one.removed or one.changed for one in self.trackers.values())

    def note_unjudged(self, found: Counter[tuple[str, str]]) -> None:
        """Counts what could not be told."""
        for (tracker, reason), times in found.items():
            reasons = self.unjudged.setdefault(tracker, {})
            reasons[reason] = reasons.get(reason, 0) + times

    def account_for(self, trackers: Iterable[Tracker]) -> None:
        """Each of the new rules has its line; those without a milestone have a reason, if there is one to see."""
        for tracker in trackers:
            if self.of(tracker.name).new:
                continue
            columns = tracker.rule.filled or (tracker.track_field,)
            lacking = {column: times for column in columns if (times := self.absent[tracker.document_type, column])}
            if tracker.document_type not in self.changed and not lacking:
                self.silent[tracker.name] = f"no change of a {tracker.document_type} was read"
            elif lacking:
                said = ", ".join(f"{column} in {times:,}" for column, times in lacking.items())
                self.silent[tracker.name] = f"changes lack its column: {said}"

    def of(self, tracker: str) -> Compared:
        """The line of a tracker."""
        return self.trackers.setdefault(tracker, Compared())

    def take(self, now: Milestone | None, new: Milestone | None, shown: int, place: str, detail: str) -> None:
        """Notes one milestone, as either side has it; `detail` says in what they differ."""
        one = new or now
        if one is None:
            return
        line = self.of(one.milestone_tracker)
        line.now += now is not None
        line.new += new is not None
        if new is not None:
            line.first = new.reached_at if line.first is None else min(line.first, new.reached_at)
            line.last = new.reached_at if line.last is None else max(line.last, new.reached_at)
        if now is None:
            line.added += 1
            self._show("added", one, shown, place)
        elif new is None:
            line.removed += 1
            self._show("removed", one, shown, place)
        elif detail:
            line.changed += 1
            self._show("changed", one, shown, place, detail)

    def _show(self, kind: str, one: Milestone, shown: int, place: str, detail: str = "") -> None:
        some = self.samples.setdefault(kind, [])
        if len(some) < shown:
            about = one.milestone_tracker, one.reference_type, one.reference_name, one.value
            some.append(Sample(*about, one.reached_at, place, detail))


def differences(now: Milestone, new: Milestone) -> str:
    """What two rules make of one milestone, where that is not the same."""
    return "; ".join(
        f"{name}: {getattr(new, name)!r} instead of {getattr(now, name)!r}"
        for name in _COMPARED
        if getattr(new, name) != getattr(now, name)
    )


def side_by_side(
    now: Iterator[Milestone], new: Iterator[Expected]
) -> Iterator[tuple[Milestone | None, Expected | None]]:
    """Two streams in order of their ids as one."""
    one, other = next(now, None), next(new, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.id < other.milestone.id):
            yield one, None
            one = next(now, None)
        elif one is None or other.milestone.id < one.id:
            yield None, other
            other = next(new, None)
        else:
            yield one, other
            one, other = next(now, None), next(new, None)
