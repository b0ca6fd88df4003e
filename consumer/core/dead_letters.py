"""Dead letters: the record as it came, and headers that say why it could not be evaluated."""

from __future__ import annotations

import msgspec

from consumer.core.milestones import Event, EventHeaders
from consumer.core.records import DeadLetter, Origin, Record, all_headers_of
from consumer.errors import MalformedRecord

PREFIX = "milestones.dead-letter."


class Payload(msgspec.Struct, frozen=True):
    """The record of a dead letter as it first was: where it stood, its time stamp in ms, key, value and headers."""

    topic: str
    origin: Origin
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def dead_letter_event(letter: DeadLetter, record: Record | None) -> Event:
    """The dead letter of a verdict. `record` is None if retention removed it between storing and publishing."""
    reason = {
        "error.class": letter.error_class,
        "error.message": letter.message,
        "error.field": letter.field,
        "origin.topic": letter.topic,
        "origin.topic-id": letter.origin.topic_id,
        "origin.partition": str(letter.origin.partition),
        "origin.offset": str(letter.origin.offset),
        "origin.timestamp": None if record is None else str(record.timestamp()[1]),
        "payload": "removed by retention" if record is None else None,
    }
    own = None if record is None else _headers_of(record)
    if record is not None and own is None:
        reason["headers"] = "unreadable"
    headers: EventHeaders = [(PREFIX + name, text.encode()) for name, text in reason.items() if text is not None]
    if record is None:
        return Event(None, None, headers)
    return Event(record.key(), record.value(), [*(own or ()), *headers])


def payload_of(letter: Record) -> Payload | None:
    """The record inside a record of the dead-letter topic; None where retention was faster, or it is no dead letter.

    Of headers that come twice the last counts: the first are of a dead letter that somebody copied to the input.
    """
    headers = all_headers_of(letter)
    told = {name.removeprefix(PREFIX): value for name, value in headers if name.startswith(PREFIX) and value}
    try:
        names = ("origin.topic", "origin.topic-id", "origin.partition", "origin.offset", "origin.timestamp")
        topic, topic_id, partition, offset, timestamp = (told[name].decode() for name in names)
        origin = Origin(topic_id, int(partition), int(offset))
        own = [(name, value) for name, value in headers if not name.startswith(PREFIX)]
        return Payload(topic, origin, int(timestamp), letter.key(), letter.value(), own)
    except (KeyError, ValueError):
        return None


def payload_at(record: Record, origin: Origin) -> Payload:
    """The record of a dead letter, read where it first stood."""
    own = [(name, value) for name, value in _headers_of(record) or () if not name.startswith(PREFIX)]
    return Payload(record.topic() or "", origin, record.timestamp()[1], record.key(), record.value(), own)


def _headers_of(record: Record) -> list[tuple[str, bytes | None]] | None:
    """A record's headers; None where Kafka's client cannot read them."""
    try:
        return all_headers_of(record)
    except MalformedRecord:
        return None
