"""Noted dead letters: the rows that people look at, which of them they mean, and what became of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from consumer.core.records import Origin
from consumer.errors import ConfigError

STATUSES = ("open", "sent", "done", "superseded")
"""Not sent again; sent again and not evaluated yet; evaluated; a dead letter again, which stands for it."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"(\d{1,6})([smhdw])")
_OFFSETS = re.compile(r"(\d{1,18})?(\.\.)?(\d{1,18})?")
_ORIGIN = re.compile(r"(?P<topic>.+)/(?P<partition>\d{1,9})/(?P<offset>\d{1,18})")


class Place(msgspec.Struct, frozen=True):
    """An origin as people write it: `<topic>/<partition>/<offset>`. `topic` may be the id of one that is gone."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """Reads it.

        Raises:
            ConfigError: it is none.
        """
        match = _ORIGIN.fullmatch(text)
        if match is None:
            raise ConfigError(
                f"{text!r} is no origin; write <topic>/<partition>/<offset> as `milestones dead-letters list` does"
            )
        return cls(match["topic"], int(match["partition"]), int(match["offset"]))


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters are meant; None means all.

    Times are those of the verdicts; `until` is the first moment left out, `last_offset` the last one taken.
    `document` is looked for in the key, which only the record has.
    """

    reasons: tuple[str, ...] | None = None
    field: str | None = None
    document: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    topic: str | None = None
    partition: int | None = None
    first_offset: int | None = None
    last_offset: int | None = None
    places: tuple[Place, ...] | None = None


class NotedLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `dead_letter` and what became of it.

    `topic` None: this database follows no topic of that id any more. `times`: how often it was sent again.
    `redriven_to`: where to, the last time; `redriven_from`: the dead letter that was sent here.
    """

    origin: Origin
    topic: str | None
    error_class: str
    message: str
    field: str | None
    recorded_at: datetime
    status: str
    times: int
    redriven_at: datetime | None
    redriven_by: str | None
    redriven_to: Origin | None
    redriven_from: Origin | None

    @property
    def place(self) -> Place:
        """Its origin as people write it."""
        return self.place_of(self.origin)

    def is_at(self, place: Place) -> bool:
        """Whether this is its origin, with the topic's name or its id."""
        return (place.partition, place.offset) == self.origin[1:] and place.topic in (self.topic, self.origin.topic_id)

    def place_of(self, origin: Origin) -> Place:
        """Another origin as people write it; it is usually in the same topic."""
        same = self.topic is not None and origin.topic_id == self.origin.topic_id
        return Place(self.topic or "" if same else origin.topic_id, origin.partition, origin.offset)


def moment(text: str, option: str, now: datetime) -> datetime:
    """A time as people write it: `2h` (ago; s, m, h, d, w), or ISO 8601, in UTC where it names no zone.

    Raises:
        ConfigError: naming the option.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        time = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"{option}: {text!r} is no time; write 30m, 2h or 3d (ago), or a date as 2026-11-23T10:00"
        ) from error
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def offset_range(text: str) -> tuple[int | None, int | None]:
    """The first and last offset of `5`, `5..9`, `5..` or `..9`; None where it is open.

    Raises:
        ConfigError: it is none of them.
    """
    match = _OFFSETS.fullmatch(text)
    if match is None or (match[1] is None and match[3] is None):
        raise ConfigError(f"--offsets: {text!r} is no range of offsets; write 5, 5..9, 5.. or ..9")
    first, last = (None if part is None else int(part) for part in (match[1], match[3]))
    if first is not None and last is not None and last < first:
        raise ConfigError(f"--offsets: {text!r} ends before it begins; write {last}..{first}")
    return first, last if match[2] else first


def is_of_document(key: bytes | None, document: str) -> bool:
    """Whether a record's key names a document: one column of a JSON key, all of them joined with `|`, or its bytes."""
    if not key:
        return False
    try:
        decoded = msgspec.json.decode(key)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return document.encode() in key
    if isinstance(decoded, dict):
        decoded = decoded["payload"] if {"schema", "payload"} <= decoded.keys() else decoded
    values: Sequence[object] = list(decoded.values()) if isinstance(decoded, dict) else [decoded]
    texts = [str(value) for value in values if value is not None]
    return document in texts or document == "|".join(texts)
