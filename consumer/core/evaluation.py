"""From candidates and document states to milestones: pure, in order of the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from consumer.core.events import ChangeEvent, Kind
from consumer.core.matching import Candidate
from consumer.core.milestones import Milestone, labels_text
from consumer.core.occurrences import comes_from, is_due, tells
from consumer.core.renames import arrive, leave
from consumer.core.states import DocumentState, StateKey
from consumer.core.trackers import EVERY_NEW_VALUE, Tracker


class AliasKey(msgspec.Struct, frozen=True, gc=False):
    """One rename: both of its halves have the same."""

    reference_type: str
    old_name: str
    new_name: str
    source_identity: str


BOTH_HALVES = "both"
"""Instead of the first half, of a rename whose two halves were seen: another is a duplicate, however late."""


class Alias(msgspec.Struct, frozen=True, gc=False):
    """A row of `document_alias`; `first_half` is the half that was seen first: old or new."""

    key: AliasKey
    renamed_at: int
    first_half: str
    settled: bool


class Context(msgspec.Struct, frozen=True):
    """What evaluation gets as arguments instead of reading it: the store transaction's time (µs), the revision,
    the offset below which each (topic id, partition) was published before, and ids that are in the table already."""

    recorded_at: int
    revision: str
    published: Mapping[tuple[str, int], int]
    recorded: frozenset[str] = frozenset()


class Evaluation(msgspec.Struct):
    """What a batch gave: milestones in order and their ids, renames, and the states that changed.

    `missed`: changes that never came, by (document type, field): a snapshot read another value than the state had.
    `unjudged`: rules that could not tell, by (tracker, reason). `resting`: the ids of those milestones that another
    history of the document might not have given, whatever their change says.
    """

    milestones: list[Milestone]
    ids: set[str]
    aliases: dict[AliasKey, Alias]
    changed: dict[StateKey, DocumentState]
    skipped: Counter[str]
    missed: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    unjudged: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    resting: set[str] = msgspec.field(default_factory=set)


def alias_key_of(event: ChangeEvent) -> AliasKey | None:
    """The rename that an event is one half of."""
    if event.other_name is None:
        return None
    here, other = event.reference_name, event.other_name
    old, new = (other, here) if event.kind is Kind.RENAMED_HERE else (here, other)
    return AliasKey(event.document_type, old, new, event.identity.renaming)


def alias_keys(candidates: Iterable[Candidate]) -> list[AliasKey]:
    """The renames among candidates."""
    keys = (alias_key_of(candidate.event) for candidate in candidates)
    return [key for key in dict.fromkeys(keys) if key is not None]


def evaluate(
    candidates: Iterable[Candidate],
    states: Mapping[StateKey, DocumentState],
    aliases: Mapping[AliasKey, str],
    context: Context,
) -> Evaluation:
    """Decides each candidate in order, changing `states` in place.

    `states` holds every key of the candidates, the other names of renames, and what `moved_to` names; `aliases` says
    for the renames of this batch that were seen before which half was the first.
    """
    result = Evaluation([], set(), {}, {}, Counter())
    for candidate in candidates:
        state = states[candidate.key]
        if state.has_seen(candidate.event):
            result.skipped["duplicate"] += 1
        elif candidate.event.other_name is not None:
            _rename(candidate, states, aliases, result)
        elif candidate.event.kind is Kind.DELETE:
            _end(candidate, state, result)
        else:
            _value(candidate, state, states, context, result)
    return result


def _end(candidate: Candidate, state: DocumentState, result: Evaluation) -> None:
    """A delete ends the document, and is no milestone. A tombstone alone may be the old half of a rename, too."""
    if state.moved_to is not None and not state.is_newer_than(candidate.event):
        state.moved_to, state.occurrences = None, {}
    state.end(candidate.event)
    result.skipped[candidate.event.kind.value] += 1
    _touch(candidate.key, state, candidate.event, result)


def _value(
    candidate: Candidate,
    state: DocumentState,
    states: Mapping[StateKey, DocumentState],
    context: Context,
    result: Evaluation,
) -> None:
    """A create, an update, or what a snapshot read: the field has this value now."""
    event, ids = candidate.event, candidate.ids
    if ids and not (context.recorded.isdisjoint(ids.values()) and result.ids.isdisjoint(ids.values())):
        result.skipped["duplicate"] += 1
        state.remember(event)
        result.changed[candidate.key] = state
        return
    came_from = came_from_of(candidate, state)
    if event.kind is Kind.SNAPSHOT:
        wanted = _found_by_reading(candidate, state, came_from, result)
    else:
        wanted = _changed(candidate, came_from, result)
    follows = bool(wanted) or candidate.within is not None
    document, document_key = document_of(candidate.key, state, states) if follows else (state, candidate.key)
    for tracker in wanted:
        every = tracker.rule.counts_each
        if comes_from(tracker.rule, came_from) and (every or is_due(tracker, document, came_from)):
            occurrence = document.count(tracker.name)
            id_ = ids[tracker.name]
            result.milestones.append(_milestone(candidate, tracker, id_, came_from, occurrence, context))
            result.ids.add(id_)
            if not (every or tells(tracker.rule, came_from)):
                result.resting.add(id_)
            result.changed[document_key] = document
    if candidate.unjudged:
        result.unjudged.update(candidate.unjudged)
    if candidate.within is not None:
        document.stay_within(candidate.within, candidate.unjudged, event)
        result.changed[document_key] = document
    state.become(candidate.change.after, event)
    _touch(candidate.key, state, event, result)


def _changed(candidate: Candidate, came_from: tuple[str | None, str], result: Evaluation) -> tuple[Tracker, ...]:
    """The trackers for which a create or update is a milestone: the value differs, or nobody knows from what."""
    before, known = came_from
    if known != "unknown" and before == candidate.change.after:
        result.skipped["unchanged"] += 1
        return ()
    return candidate.trackers


def _found_by_reading(
    candidate: Candidate, state: DocumentState, came_from: tuple[str | None, str], result: Evaluation
) -> tuple[Tracker, ...]:
    """The trackers for which a value that a snapshot read is a milestone.

    Another value than the known one, or a document that had ended, is a change that was missed. A read that the
    document has moved on from (a redriven one) tells nothing.
    """
    event, change = candidate.event, candidate.change
    before, known = came_from
    result.skipped[event.kind.value] += 1
    if state.is_newer_than(event):
        return ()
    if known == "unknown":
        return tuple(t for t in candidate.trackers if t.rule.snapshot == EVERY_NEW_VALUE)
    if before == change.after and state.ended_at is None:
        return ()
    result.missed[event.document_type, change.track_field] += 1
    return candidate.trackers


def came_from_of(candidate: Candidate, state: DocumentState) -> tuple[str | None, str]:
    """The old value and how it is known: the event said it, the document's state did, or nobody."""
    if candidate.change.before_known:
        return candidate.change.before, "observed"
    if state.is_newer_than(candidate.event):
        return None, "unknown"
    return (state.value, "state") if state.known else (None, "unknown")


def document_of(
    key: StateKey, state: DocumentState, states: Mapping[StateKey, DocumentState]
) -> tuple[DocumentState, StateKey]:
    """The state that counts for a document: under its new name while the old name's half of a rename is awaited."""
    if state.moved_to is None:
        return state, key
    followed = {key}
    while state.moved_to is not None:
        key = key._replace(reference_name=state.moved_to)
        if key in followed:
            break
        followed.add(key)
        state = states[key]
    return state, key


def _milestone(
    candidate: Candidate,
    tracker: Tracker,
    id_: str,
    came_from: tuple[str | None, str],
    occurrence: int,
    context: Context,
) -> Milestone:
    event, change = candidate.event, candidate.change
    origin, rule = event.origin, tracker.rule
    silent = origin.offset < context.published.get(origin[:2], 0)
    # In the order of a row, not by name: that takes a fifth of the time.
    return Milestone(
        id_, event.document_type, event.reference_name, change.track_field, change.after or "", tracker.name,
        came_from[0], came_from[1], context.revision, occurrence, event.reached_at, context.recorded_at, event.actor,
        event.identity.text, event.identity.kind, origin.topic_id, origin.partition, origin.offset, rule.announce,
        silent, labels_text(rule.labels), rule.owner or None,
    )  # fmt: skip


def _rename(
    candidate: Candidate,
    states: Mapping[StateKey, DocumentState],
    aliases: Mapping[AliasKey, str],
    result: Evaluation,
) -> None:
    """Both halves run this one move; whichever comes second only settles it."""
    event, alias_key, other_key = candidate.event, alias_key_of(candidate.event), candidate.other_key
    if alias_key is None or other_key is None:
        return
    half = "new" if event.kind is Kind.RENAMED_HERE else "old"
    first_half = _first_half(alias_key, candidate, aliases, result)
    if first_half in (half, BOTH_HALVES) and alias_key in aliases:
        result.skipped["duplicate"] += 1
        return
    here, there = states[candidate.key], states[other_key]
    if half == "new":
        arrive(candidate, here, there, second=first_half != half)
    else:
        leave(event, here, there, second=first_half != half)
    result.aliases[alias_key] = Alias(alias_key, event.reached_at, first_half, settled=first_half != half)
    result.skipped[event.kind.value] += 1
    result.changed[other_key] = there
    _touch(candidate.key, here, event, result)


def _first_half(alias_key: AliasKey, candidate: Candidate, aliases: Mapping[AliasKey, str], result: Evaluation) -> str:
    """Which half of a rename was seen first (or both): in the table, in this batch, or this one."""
    if alias_key in aliases:
        return aliases[alias_key]
    seen = result.aliases.get(alias_key)
    if seen is not None:
        return seen.first_half
    return "new" if candidate.event.kind is Kind.RENAMED_HERE else "old"


def _touch(key: StateKey, state: DocumentState, event: ChangeEvent, result: Evaluation) -> None:
    state.remember(event)
    result.changed[key] = state
