"""Why a change is a milestone for a tracker, or the first reason why not. Pure, and in the order of evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from consumer.core.compiled import Rules
from consumer.core.evaluation import came_from_of, document_of
from consumer.core.events import WITH_VALUES, ChangeEvent, FieldChange, Kind
from consumer.core.judging import Against
from consumer.core.matching import Candidate, match
from consumer.core.occurrences import CameFrom, is_due, was_unknown
from consumer.core.states import DocumentState, StateKey
from consumer.core.told import NO_COLUMN, PLACEHOLDER, SAME, SAME_NORMALISED, Told
from consumer.core.trackers import BASELINE, EVERY_NEW_VALUE, FIRST, Tracker

_UNCHANGED = {
    NO_COLUMN: "the record does not have the column",
    PLACEHOLDER: "Debezium did not send the column, because it did not change",
    SAME: "the column did not change",
    SAME_NORMALISED: "written differently, it is the same value",
}


class Verdict(msgspec.Struct, frozen=True):
    """What one record is for one tracker.

    `reason` is `reached`, or names the first reason against it; `detail` says it with the values at hand. `id` is the
    milestone's.
    """

    tracker: str
    track_field: str
    reached: bool
    reason: str
    detail: str = ""
    id: str | None = None


class Known(NamedTuple):
    """What is known before the record: the states of its documents, ids that are there already, and where changes with
    the same identity stood (`<topic>/<partition>/<offset>`)."""

    states: Mapping[StateKey, DocumentState]
    recorded: frozenset[str] = frozenset()
    seen_at: Mapping[str, str] = {}


def trackers_of(rules: Rules, document_type: str) -> list[Tracker]:
    """The trackers of a document type, disabled ones too, in order of their names."""
    found = (rules.by_field[key].trackers for key in rules.by_field if key[0] == document_type)
    return sorted((tracker for some in found for tracker in some), key=lambda tracker: tracker.name)


def explain(told: Told, rules: Rules, known: Known) -> list[Verdict]:
    """A verdict for each tracker of the record's document type."""
    event = told.event
    candidates = {} if event is None else {one.change.track_field: one for one in match([event], rules)}
    return [
        _verdict(tracker, told, candidates.get(tracker.track_field), rules, known)
        for tracker in trackers_of(rules, told.document_type)
    ]


def _verdict(tracker: Tracker, told: Told, candidate: Candidate | None, rules: Rules, known: Known) -> Verdict:
    against, id_ = _without_change(tracker, told, candidate), None
    if against is None and candidate is not None:
        against = _against(tracker, candidate, rules, known)
        if against is None:
            id_ = candidate.ids[tracker.name]
            return Verdict(tracker.name, tracker.track_field, True, "reached", _reached(tracker, candidate, known), id_)
    reason, detail = against or ("not told", "the record tells nothing of this field")
    return Verdict(tracker.name, tracker.track_field, False, reason, detail)


def _without_change(tracker: Tracker, told: Told, candidate: Candidate | None) -> Against | None:
    """What needs no look at a value."""
    if tracker.disabled:
        return "disabled", f"`milestones trackers enable` switches {tracker.name!r} on"
    if told.event is not None and told.event.kind not in WITH_VALUES:
        return _no_value(told.event)
    if candidate is None:
        reason = told.unchanged.get(tracker.track_field)
        return None if reason is None else (reason, _UNCHANGED.get(reason, ""))
    return None


def _no_value(event: ChangeEvent) -> Against:
    if event.kind is Kind.DELETE:
        return "deleted", "a document that is deleted reaches nothing"
    word = "from" if event.kind is Kind.RENAMED_HERE else "to"
    return "renamed", f"renamed {word} {event.other_name!r}: it goes on with the values that it had"


def _against(tracker: Tracker, candidate: Candidate, rules: Rules, known: Known) -> Against | None:
    """The first reason why a change of the field is no milestone."""
    event, change, state = candidate.event, candidate.change, known.states[candidate.key]
    if state.has_seen(event):
        return "duplicate", _seen(event, known)
    if change.after is None:
        return "empty", "the field is empty now"
    rule_against = rules.by_field[event.document_type, tracker.track_field].against(tracker, event, change.after)
    if rule_against is not None:
        return rule_against
    if event.kind is Kind.SNAPSHOT and tracker.rule.snapshot == BASELINE:
        return "snapshot", "what a snapshot reads is where the document begins (snapshot: baseline)"
    if not known.recorded.isdisjoint(candidate.ids.values()):
        return "duplicate", _seen(event, known)
    came_from = came_from_of(candidate, state)
    return _unmoved(tracker, candidate, state, came_from) or _untimely(tracker, candidate, came_from, known)


def _unmoved(tracker: Tracker, candidate: Candidate, state: DocumentState, came_from: CameFrom) -> Against | None:
    """Whether the value is a new one."""
    before, after = came_from[0], candidate.change.after
    same = not was_unknown(came_from) and before == after
    if candidate.event.kind is not Kind.SNAPSHOT:
        return ("unchanged", f"the document had {after!r} already") if same else None
    if state.is_newer_than(candidate.event):
        return "older", "the document has moved on from what this snapshot read"
    if was_unknown(came_from):
        if tracker.rule.snapshot == EVERY_NEW_VALUE:
            return None
        return "before unknown", f"nobody knew the value before (snapshot: {tracker.rule.snapshot})"
    if same and state.ended_at is None:
        return "unchanged", f"the document had {after!r} already"
    return None


def _untimely(tracker: Tracker, candidate: Candidate, came_from: CameFrom, known: Known) -> Against | None:
    """Whether it comes from where it has to, and is due."""
    rule, before = tracker.rule, came_from[0]
    if rule.from_values:
        targets = _listed(rule.from_values)
        if was_unknown(came_from):
            return "before unknown", f"nobody knows the value before, which has to be {targets}"
        if before not in rule.from_values:
            return "from another value", f"it comes from {_shown(before)}, not from {targets}"
    document, _ = document_of(candidate.key, known.states[candidate.key], known.states)
    if rule.counts_each or is_due(tracker, document, came_from):
        return None
    if rule.mode == FIRST:
        return "reached before", "it counts once for each document (occurrence: first)"
    return (
        "met before",
        f"it met the rule before, with {_shown(before)}, and has not left it (occurrence: after_return)",
    )


def _reached(tracker: Tracker, candidate: Candidate, known: Known) -> str:
    state = known.states[candidate.key]
    before, how = came_from_of(candidate, state)
    document, _ = document_of(candidate.key, state, known.states)
    number = document.occurrences.get(tracker.name, 0) + 1
    came = "nobody knows from what" if how == "unknown" else f"from {_shown(before)}"
    return f"{came} to {candidate.change.after!r}, occurrence {number}"


def _seen(event: ChangeEvent, known: Known) -> str:
    place = known.seen_at.get(event.identity.text)
    return f"the change {event.identity.text} was seen before{'' if place is None else f', at {place}'}"


def change_shown(change: FieldChange) -> str:
    """A change in words: `"Draft" → "Open"`."""
    before = _shown(change.before) if change.before_known else "?"
    return f"{before} → {_shown(change.after)}"


def _shown(value: str | None) -> str:
    return "empty" if value is None else repr(value)


def _listed(values: Sequence[str]) -> str:
    return " or ".join(map(repr, values))
