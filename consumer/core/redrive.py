"""Records that were dead letters and were sent again: their headers, and what those mean for the event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from consumer.core.events import checked_time
from consumer.core.records import Origin, headers_of
from consumer.core.times import iso_time
from consumer.errors import MalformedRecord

if TYPE_CHECKING:
    from consumer.core.dead_letters import Payload
    from consumer.core.events import ChangeEvent
    from consumer.core.records import Record

PREFIX = "milestones.redrive."

Headers = Sequence[tuple[str, bytes | None]]

_LONGEST_TEXT = 249
"""Of a topic's name, in Kafka."""
_MOST_PARTITIONS, _MOST = (1 << 31) - 1, (1 << 63) - 1


class Trace(msgspec.Struct, frozen=True):
    """Where a redriven record came from: the place where it first stood, and its time stamp there in ms.

    `times`: how often it was sent again, over all its lives as a dead letter.
    """

    topic: str
    first_origin: Origin
    timestamp: int
    times: int


class Sending(NamedTuple):
    """A record to be sent again: the dead letter's, and the headers to send it with."""

    payload: Payload
    headers: Headers


class Delivery(NamedTuple):
    """What became of a record that was sent: the place that it got, or why it got none."""

    sent_to: Origin | None
    refused: str = ""


def trace_of(headers: Iterable[tuple[str, bytes | None]]) -> Trace | None:
    """What the headers of a record say of its redrives; None if it never was redriven.

    Raises:
        MalformedRecord: they are incomplete or unreadable: without them the state could go back.
        BadValue: the time is none that can be stored.
    """
    found = {name.removeprefix(PREFIX): value for name, value in headers if name.startswith(PREFIX)}
    if not found:
        return None
    partition = _number(found, "origin.partition", _MOST_PARTITIONS)
    origin = Origin(_text(found, "origin.topic-id"), partition, _number(found, "origin.offset"))
    timestamp = checked_time(_number(found, "origin.timestamp"), PREFIX + "origin.timestamp")
    return Trace(_text(found, "origin.topic"), origin, timestamp, _number(found, "count"))


def _text(found: dict[str, bytes | None], name: str) -> str:
    text = (found.get(name) or b"").decode("utf-8", "replace")
    if not text:
        raise MalformedRecord("a redriven record lacks a header that tells its origin", PREFIX + name)
    if len(text) > _LONGEST_TEXT or "\x00" in text:
        raise MalformedRecord("a redriven record has a header that names no topic", PREFIX + name)
    return text


def _number(found: dict[str, bytes | None], name: str, most: int = _MOST) -> int:
    text = _text(found, name)
    if not (text.isascii() and text.isdecimal() and int(text) <= most):
        raise MalformedRecord("a redriven record has a header that is no number of its kind", PREFIX + name)
    return int(text)


def redriven_headers(payload: Payload, times: int, now_us: int) -> list[tuple[str, bytes | None]]:
    """The headers to send a dead letter's record with: its own, then where it first stood, how often, and when.

    Args:
        times: which redrive of this record it is: 1, 2, …
        now_us: the time, in µs since the epoch.
    """
    trace = trace_of(payload.headers) or Trace(payload.topic, payload.origin, max(payload.timestamp, 0), 0)
    told = {
        "origin.topic": trace.topic,
        "origin.topic-id": trace.first_origin.topic_id,
        "origin.partition": str(trace.first_origin.partition),
        "origin.offset": str(trace.first_origin.offset),
        "origin.timestamp": str(trace.timestamp),
        "count": str(times),
        "time": iso_time(now_us),
    }
    own = [(name, value) for name, value in payload.headers if not name.startswith(PREFIX)]
    return own + [(PREFIX + name, text.encode()) for name, text in told.items()]


def as_redriven(event: ChangeEvent, record: Record) -> ChangeEvent:
    """The event itself, or, if its record was redriven, the event as it was where the record first stood.

    What a record says only by its place in the log, identity and time where the source gives none, is taken from its
    first place: sent again twice, it is still one change.

    Raises:
        Poison: as `trace_of`; or the record claims to have stood first where it was not sent yet.
    """
    headers = headers_of(record)
    if not headers:
        return event
    trace = trace_of(headers)
    if trace is None:
        return event
    first, identity, reached_at = trace.first_origin, event.identity, event.reached_at
    if first[:2] == event.origin[:2] and first.offset >= event.origin.offset:
        raise MalformedRecord(
            "a redriven record claims a first place that is not before its own", PREFIX + "origin.offset"
        )
    if identity.kind == "offset":
        identity = identity.called(f"{first.topic_id}:{first.partition}:{first.offset}")
    if event.identity_ms == 0 and reached_at == record.timestamp()[1] * 1_000:
        reached_at = trace.timestamp * 1_000
    return replace(event, first_origin=first, identity=identity, reached_at=reached_at)
