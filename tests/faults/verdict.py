"""The verdict: what is there, compared with what a pure function makes of the input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tests.processes.readings import Event, Row
from tests.processes.truth import Reached, of_each_document

_Thing = TypeVar("_Thing")


@dataclass
class Verdict:
    """Counts, and in words what is wrong."""

    lost: int = 0
    doubled_rows: int = 0
    doubled_events: int = 0
    problems: list[str] = field(default_factory=list)


def judge(
    expected: Sequence[Reached], rows: Sequence[Row], events: Sequence[Event], *, once: bool, in_order: bool
) -> Verdict:
    """Compares.

    Args:
        once: no event may come twice (exactly_once); else one that does must be the same, byte for byte.
        in_order: the events of a document are in order of its milestones.
    """
    found = Verdict()
    have, want = Counter(row.reached for row in rows), Counter(expected)
    _count(found, "row", want - have, have - want)
    announced = _unique(events, found, once=once)
    told, stored = Counter(announced.keys()), Counter(row.id for row in rows)
    _count(found, "event", stored - told, told - stored)
    by_id = {row.id: row.reached for row in rows}
    different = [id_ for id_, event in announced.items() if id_ in by_id and event.reached != by_id[id_]]
    if different:
        found.problems.append(f"{len(different)} events differ from their rows: {different[:5]}")
    if in_order:
        as_told = of_each_document(event.reached for event in announced.values())
        if as_told != of_each_document(sorted((row.reached for row in rows), key=lambda one: one.occurrence)):
            found.problems.append("the events of a document are not in order")
    return found


def _count(found: Verdict, what: str, missing: Counter[_Thing], extra: Counter[_Thing]) -> None:
    if missing:
        found.lost += missing.total()
        found.problems.append(f"{missing.total()} {what}s are missing: {list(missing)[:5]}")
    if extra:
        if what == "row":
            found.doubled_rows += extra.total()
        else:
            found.doubled_events += extra.total()
        found.problems.append(f"{extra.total()} {what}s too many: {list(extra)[:5]}")


def _unique(events: Sequence[Event], found: Verdict, *, once: bool) -> dict[str, Event]:
    """Each event where it came first."""
    unique: dict[str, Event] = {}
    repeated: list[str] = []
    for event in events:
        first = unique.setdefault(event.id, event)
        if first is event:
            continue
        repeated.append(event.id)
        if first.content != event.content:
            found.problems.append(f"event {event.id} came again as another one")
    if once and repeated:
        found.doubled_events += len(repeated)
        found.problems.append(f"{len(repeated)} events came again: {repeated[:5]}")
    return unique
