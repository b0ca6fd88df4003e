"""Which changes may be milestones: pure, and before any document state is known."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from consumer.core.compiled import Rules
from consumer.core.events import WITH_VALUES, ChangeEvent, FieldChange, Kind
from consumer.core.judging import FieldRules, Judged
from consumer.core.milestones import milestone_id
from consumer.core.states import StateKey
from consumer.core.trackers import AFTER_RETURN, BASELINE, Tracker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A change of one field that touches its document's state, and the trackers whose rules it meets.

    `ids`: those of its milestones, by tracker, if it makes any; no state is needed for them, so they are made while
    another batch is stored. `unjudged`: (tracker, reason) of those that cannot tell. `within`: of those that wait for a
    return, the ones that hold now, whether or not this kind of change may be their milestone; None where no tracker
    waits.
    """

    key: StateKey
    event: ChangeEvent
    change: FieldChange
    trackers: tuple[Tracker, ...]
    ids: Mapping[str, str]
    unjudged: tuple[tuple[str, str], ...] = ()
    within: tuple[str, ...] | None = None

    @property
    def other_key(self) -> StateKey | None:
        """For a rename, the same field under the other name."""
        other = self.event.other_name
        return None if other is None else StateKey(self.event.document_type, other, self.change.track_field)


def match(events: Iterable[ChangeEvent], rules: Rules) -> list[Candidate]:
    """The candidates among events, in the same order."""
    by_field = rules.by_field
    return [
        candidate_of(event, change, by_field.get((event.document_type, change.track_field)))
        for event in events
        for change in event.fields
    ]


def state_keys(candidates: Sequence[Candidate]) -> list[StateKey]:
    """The document states that candidates are decided by, by name: both names of a rename."""
    keys = {candidate.key for candidate in candidates}
    keys |= {key for candidate in candidates if (key := candidate.other_key) is not None}
    return sorted(keys, key=attrgetter("reference_name"))


_NOBODY = Judged(())
_NO_IDS: Mapping[str, str] = {}


def candidate_of(event: ChangeEvent, change: FieldChange, rules: FieldRules | None) -> Candidate:
    """A change of one field, by the rules of that field."""
    key = StateKey(event.document_type, event.reference_name, change.track_field)
    if rules is None or event.kind not in WITH_VALUES:
        return Candidate(key, event, change, (), _NO_IDS)
    if rules.is_plain:
        trackers = () if change.after is None else _made(rules.of(change.after), event)
        return Candidate(key, event, change, trackers, _ids(trackers, key, event))
    judged = _NOBODY if change.after is None else rules.judge(event, change.after)
    within = None
    if rules.waits_for_return:
        within = tuple(t.name for t in judged.met if t.rule.mode == AFTER_RETURN)
    trackers = _made(tuple(t for t in judged.met if not t.disabled), event)
    return Candidate(key, event, change, trackers, _ids(trackers, key, event), judged.unjudged, within)


def _ids(trackers: tuple[Tracker, ...], key: StateKey, event: ChangeEvent) -> Mapping[str, str]:
    identity, at_ms = event.identity.text, event.identity_ms
    return {t.name: milestone_id(t.name, key, identity, at_ms) for t in trackers} if trackers else _NO_IDS


def _made(trackers: tuple[Tracker, ...], event: ChangeEvent) -> tuple[Tracker, ...]:
    """Those of trackers that make milestones of this kind of change."""
    if event.kind is Kind.SNAPSHOT:
        return tuple(t for t in trackers if t.rule.snapshot != BASELINE)
    return trackers
