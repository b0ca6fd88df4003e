"""Columns of statements: what a batch gives, as parameters that are unnested. Arrays are literals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any

import msgspec

from consumer.core.evaluation import AliasKey
from consumer.core.milestones import Milestone
from consumer.core.records import Origin
from consumer.core.states import DocumentState, StateKey
from consumer.postgres.arrays import array

_encode = msgspec.json.Encoder().encode
_NOWHERE = Origin("", 0, 0)


def origin_columns(origins: Sequence[Origin], offsets: str) -> dict[str, object]:
    """Places, their offsets by this name."""
    return {
        "topic_ids": array([o.topic_id for o in origins]),
        "partitions": array([o.partition for o in origins]),
        offsets: array([o.offset for o in origins]),
    }


def key_columns(keys: Iterable[StateKey]) -> dict[str, object]:
    """The keys of document states: each type and field once, and where its names stand among all, counted from 1."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for type_, name, field in keys:
        kinds.setdefault((type_, field), []).append(name)
    lasts = [*accumulate(map(len, kinds.values()))]
    return {
        "types": array([type_ for type_, _ in kinds]),
        "fields": array([field for _, field in kinds]),
        "firsts": array([1, *(last + 1 for last in lasts[:-1])]),
        "lasts": array(lasts),
        "names": array([*chain.from_iterable(kinds.values())]),
    }


def alias_columns(keys: Sequence[AliasKey]) -> dict[str, object]:
    """The keys of renames."""
    return {
        "types": array([k.reference_type for k in keys]),
        "old_names": array([k.old_name for k in keys]),
        "new_names": array([k.new_name for k in keys]),
        "identities": array([k.source_identity for k in keys]),
    }


def _shared(rows: Sequence[tuple[Any, ...]]) -> tuple[list[int], Sequence[list[Any]]]:
    """What rows have in common, sent once: for each row the number (from 1) of its facts, and the facts by column."""
    numbers: dict[tuple[Any, ...], int] = {}
    row_numbers = [numbers.setdefault(row, len(numbers) + 1) for row in rows]
    return row_numbers, [list(column) for column in zip(*numbers, strict=True)]


def state_columns(states: Mapping[StateKey, DocumentState]) -> dict[str, object]:
    """Document states, as the parameters of `add_states` and `change_states`."""
    changed = states.values()
    number, shared = _shared([_shared_of_state(key, state) for key, state in states.items()])
    types, fields, knowns, moved_to, topic_ids, partitions, within = shared
    return {
        "shared": array(number),
        "types": array(types),
        "fields": array(fields),
        "knowns": array(knowns),
        "moved_to": array(moved_to),
        "origin_topic_ids": array(topic_ids),
        "origin_partitions": array(partitions),
        "within": array(within),
        "names": array([key.reference_name for key in states]),
        "values": array([s.value for s in changed]),
        "since": array([s.since for s in changed]),
        "ended_at": array([s.ended_at for s in changed]),
        "occurrences": array([_encode(s.occurrences).decode() for s in changed]),
        "recent": array([s.recent.hex() for s in changed]),
        "recent_transactions": array([s.recent_transactions.hex() for s in changed]),
        "origin_offsets": array([(s.origin or _NOWHERE).offset for s in changed]),
    }


def _shared_of_state(key: StateKey, state: DocumentState) -> tuple[Any, ...]:
    origin = state.origin or _NOWHERE
    within = _encode(state.within).decode() if state.within else "[]"
    return key.reference_type, key.track_field, state.known, state.moved_to, origin.topic_id, origin.partition, within


def _shared_of_milestone(m: Milestone) -> tuple[Any, ...]:
    what = (m.reference_type, m.track_field, m.milestone_tracker, m.from_value_known, m.source_identity_kind)
    return (*what, m.origin_topic_id, m.origin_partition, m.announce, m.silent, m.labels, m.owner)


def milestone_columns(milestones: Sequence[Milestone]) -> dict[str, object]:
    """Milestones of one revision, recorded at one time, as the parameters of `record_milestones`."""
    first = milestones[0]
    number, shared = _shared([_shared_of_milestone(m) for m in milestones])
    types, fields, trackers, known, kinds, topic_ids, partitions, announce, silent, labels, owners = shared
    return {
        "revision": first.tracker_revision,
        "recorded_at": first.recorded_at,
        "shared": array(number),
        "types": array(types),
        "fields": array(fields),
        "trackers": array(trackers),
        "from_values_known": array(known),
        "identity_kinds": array(kinds),
        "origin_topic_ids": array(topic_ids),
        "origin_partitions": array(partitions),
        "announce": array(announce),
        "silent": array(silent),
        "labels": array(labels),
        "owners": array(owners),
        "ids": array([m.id for m in milestones]),
        "names": array([m.reference_name for m in milestones]),
        "values": array([m.value for m in milestones]),
        "from_values": array([m.from_value for m in milestones]),
        "occurrences": array([m.occurrence for m in milestones]),
        "reached_at": array([m.reached_at for m in milestones]),
        "actors": array([m.actor for m in milestones]),
        "identities": array([m.source_identity for m in milestones]),
        "origin_offsets": array([m.origin_offset for m in milestones]),
    }
