"""The milestone, its id, and the event that announces it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import quote

import msgspec
from msgspec.structs import astuple

from consumer.core.hashing import uuid_of
from consumer.core.times import iso_time
from consumer.native import Envelopes, envelopes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.core.states import StateKey

EVENT_TYPE = b"milestones.milestone-reached.v1"
JSON = b"application/json"

_SPECVERSION, _TYPE = ("ce_specversion", b"1.0"), ("ce_type", EVENT_TYPE)

_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


class Milestone(msgspec.Struct, frozen=True, gc=False):
    """One row of `milestone`. Times are µs since the epoch, UTC; `labels` is a JSON object, its names in order."""

    id: str
    reference_type: str
    reference_name: str
    track_field: str
    value: str
    milestone_tracker: str
    from_value: str | None
    from_value_known: str
    tracker_revision: str
    occurrence: int
    reached_at: int
    recorded_at: int
    actor: str | None
    source_identity: str
    source_identity_kind: str
    origin_topic_id: str
    origin_partition: int
    origin_offset: int
    announce: bool
    silent: bool
    labels: str | None = None
    owner: str | None = None


class Announcement(msgspec.Struct, frozen=True, gc=False):
    """The value of a `milestone-reached` event; `schemas/milestone-reached.schema.json` describes it."""

    id: str
    reference_type: str
    reference_name: str
    track_field: str
    value: str
    from_value: str | None
    from_value_known: str
    milestone_tracker: str
    tracker_revision: str
    occurrence: int
    reached_at: str
    recorded_at: str
    actor: str | None
    source_identity: str
    source_identity_kind: str
    origin: dict[str, str | int]
    labels: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    owner: str | msgspec.UnsetType = msgspec.UNSET


EventHeaders: TypeAlias = list[tuple[str, bytes | None]]


class Event(NamedTuple):
    """A Kafka record to be published."""

    key: bytes | None
    value: bytes | None
    headers: EventHeaders


def milestone_id(tracker: str, key: StateKey, identity: str, identity_ms: int) -> str:
    """A UUID (version 8) that is the same whenever this change makes this milestone, and sorts by event time.

    48 bits of milliseconds, then 74 bits of BLAKE2b over tracker, field, document and source identity.
    """
    parts = _encode((tracker, key.track_field, key.reference_type, key.reference_name, identity))
    return uuid_of(parts, identity_ms)


Announce = Callable[[Milestone], Event]
"""Makes the event of a milestone from the stored row alone: byte-equal whenever it is announced."""


def announcement_by_msgspec(milestone: Milestone) -> Event:
    """See `announcement`."""
    return event_of(milestone, announced_value(milestone), JSON)


def event_of(milestone: Milestone, value: bytes, content_type: bytes) -> Event:
    """The event of a milestone around its value.

    CloudEvents 1.0 in Kafka's binary mode. The key holds one document's events together.
    """
    m = milestone
    subject = f"{m.reference_type}/{m.reference_name}".encode()
    headers: EventHeaders = [
        _SPECVERSION,
        ("ce_id", m.id.encode()),
        _TYPE,
        ("ce_source", _source_of(m.milestone_tracker)),
        ("ce_time", iso_time(m.reached_at).encode()),
        ("ce_subject", subject),
        ("content-type", content_type),
    ]
    return Event(subject, value, headers)


def announcement_with(native: Envelopes) -> Announce:
    """See `announcement`."""
    event, announce = tuple.__new__, native.announcement

    def announcement_of(milestone: Milestone) -> Event:
        return event(Event, announce(astuple(milestone), _headers_of(milestone.milestone_tracker)))

    return announcement_of


announcement: Announce = announcement_by_msgspec if envelopes is None else announcement_with(envelopes)
"""The event of a milestone with its value in JSON, by compiled code where there is any."""


@lru_cache(maxsize=4_096)
def _headers_of(tracker: str) -> tuple[tuple[str, bytes], ...]:
    return _SPECVERSION, _TYPE, ("ce_source", _source_of(tracker)), ("content-type", JSON)


@lru_cache(maxsize=4_096)
def _source_of(tracker: str) -> bytes:
    return f"/milestones/{quote(tracker)}".encode()


def announced_value(milestone: Milestone) -> bytes:
    """The value of a milestone's event in JSON."""
    m = milestone
    origin: dict[str, str | int] = {
        "topic_id": m.origin_topic_id,
        "partition": m.origin_partition,
        "offset": m.origin_offset,
    }
    return _encode(
        Announcement(
            m.id, m.reference_type, m.reference_name, m.track_field, m.value, m.from_value, m.from_value_known,
            m.milestone_tracker, m.tracker_revision, m.occurrence, iso_time(m.reached_at), iso_time(m.recorded_at),
            m.actor, m.source_identity, m.source_identity_kind, origin,
            msgspec.UNSET if m.labels is None else msgspec.Raw(m.labels.encode()),
            msgspec.UNSET if m.owner is None else m.owner,
        )
    )  # fmt: skip


def labels_text(labels: Mapping[str, str]) -> str | None:
    """Labels as one text, the same whatever order they come in; None for none."""
    return _encode_sorted(labels).decode() if labels else None
