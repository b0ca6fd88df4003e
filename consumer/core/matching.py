"""Which changes may be milestones: pure, and before any document state is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from consumer.core.events import ChangeEvent, FieldChange, Kind
from consumer.core.trackers import BASELINE, Rules, Tracker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class StateKey(NamedTuple):
    """A row of document_state. Sorts as PostgreSQL sorts it (collation "C")."""

    reference_type: str
    reference_name: str
    track_field: str


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A change of one field that touches its document's state, and the trackers whose values it meets."""

    key: StateKey
    event: ChangeEvent
    change: FieldChange
    trackers: tuple[Tracker, ...]

    @property
    def other_key(self) -> StateKey | None:
        """For a rename, the same field under the other name."""
        other = self.event.other_name
        return None if other is None else StateKey(self.event.document_type, other, self.change.track_field)


def match(events: Iterable[ChangeEvent], rules: Rules) -> list[Candidate]:
    """The candidates among events, in the same order."""
    by_field = rules.by_field
    return [
        Candidate(
            _key(event, change),
            event,
            change,
            _reached(event, change, by_field.get((event.document_type, change.track_field), ())),
        )
        for event in events
        for change in event.fields
    ]


def state_keys(candidates: Sequence[Candidate]) -> set[StateKey]:
    """The document states that candidates are decided by: both names of a rename."""
    keys = {candidate.key for candidate in candidates}
    return keys | {key for candidate in candidates if (key := candidate.other_key) is not None}


def _key(event: ChangeEvent, change: FieldChange) -> StateKey:
    return StateKey(event.document_type, event.reference_name, change.track_field)


def _reached(event: ChangeEvent, change: FieldChange, trackers: tuple[Tracker, ...]) -> tuple[Tracker, ...]:
    value, kind = change.after, event.kind
    if value is None or kind not in (Kind.CREATE, Kind.UPDATE, Kind.SNAPSHOT):
        return ()
    if kind is Kind.SNAPSHOT:
        trackers = tuple(t for t in trackers if t.rule.snapshot != BASELINE)
    return tuple(t for t in trackers if not t.disabled and (not t.rule.values or value in t.rule.values))
