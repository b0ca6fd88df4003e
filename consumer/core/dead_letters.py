"""Dead letters: the record as it came, and headers that say why it could not be evaluated."""

from __future__ import annotations

from consumer.core.milestones import Event
from consumer.core.records import DeadLetter, Record, all_headers_of

PREFIX = "milestones.dead-letter."


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
    headers = [(PREFIX + name, text.encode()) for name, text in reason.items() if text is not None]
    if record is None:
        return Event(None, None, headers)
    return Event(record.key(), record.value(), [*all_headers_of(record), *headers])
