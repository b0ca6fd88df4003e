"""What stands on the output topic: each announcement of what is audited, and the order of a document's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from consumer.core.audit import Span, Told
from consumer.core.milestones import EVENT_TYPE
from consumer.core.positions import LogEnds
from consumer.core.records import Chunk, Partition, Record, all_headers_of, offset_of
from consumer.errors import Fatal, MalformedRecord

REPLAYED, REPAIRED = "replayed", "repaired"
"""Headers of what was announced again, and of what was announced late."""

_NEAR_US = 60_000_000
"""How far the clocks of a broker and of PostgreSQL may be apart."""


class Heard(NamedTuple):
    """Some records of the output topic.

    `told`: the announcements among them of what is audited. `from_us`: from then on (µs) the topic tells what was
    announced: before, retention may have removed it.
    """

    records: int
    told: Sequence[Told]
    from_us: int


class Scope(NamedTuple):
    """What is audited: stretches of the input, the output topic's ends, whether each event may be there only once.

    `told_from_us`: what was announced before need not be on the output topic any more.
    """

    spans: Mapping[Partition, Span]
    output: Mapping[Partition, LogEnds]
    exactly_once: bool
    told_from_us: int

    @property
    def records(self) -> int:
        """How many records there are to read, at most: some offsets have none."""
        return self.input_records + sum(ends.high - ends.low for ends in self.output.values())

    @property
    def input_records(self) -> int:
        """Those of the input, at most."""
        return sum(span.end - span.first for span in self.spans.values())


class _Origin(msgspec.Struct):
    topic_id: str
    partition: int
    offset: int


class _Event(msgspec.Struct):
    id: str
    reference_type: str
    reference_name: str
    origin: _Origin


class Announcements:
    """Reads records of some of the output topic's partitions.

    Args:
        in_json: gives a value in Avro as it would be in JSON; None for what is no Avro.
    """

    def __init__(
        self,
        spans: Mapping[Partition, Span],
        output: Mapping[Partition, LogEnds],
        in_json: Callable[[bytes], bytes | None],
    ) -> None:
        self._in_json = in_json
        self._by_id = by_id(spans)
        self._first_to_come = {key for key, end in output.items() if end.low > 0}
        self._decode = msgspec.json.Decoder(_Event).decode

    def hear(self, chunk: Chunk) -> Heard:
        """What they tell."""
        told = [
            one
            for key, records in chunk.items()
            for record in records
            if (one := self._told(f"{key.topic}/{key.partition}/{offset_of(record)}", record)) is not None
        ]
        first = [chunk[key][0].timestamp()[1] * 1_000 + _NEAR_US for key in self._first_to_come & chunk.keys()]
        self._first_to_come -= chunk.keys()
        return Heard(sum(map(len, chunk.values())), told, max(first, default=0))

    def _told(self, place: str, record: Record) -> Told | None:
        """An announcement of what is audited; None for all others."""
        headers = {name: value for name, value in all_headers_of(record) if value is not None}
        if REPLAYED in headers:
            return None
        value = self._json(place, record.value() or b"", headers)
        try:
            event = self._decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        topic_id, partition, offset = event.origin.topic_id, event.origin.partition, event.origin.offset
        span = self._by_id.get((topic_id, partition))
        if span is None or not span.holds(offset):
            return None
        about = event.reference_type, event.reference_name
        return Told(event.id, place, digest_of(value), REPAIRED in headers, *about, topic_id, partition, offset)

    def _json(self, place: str, value: bytes, headers: Mapping[str, bytes]) -> bytes:
        """The value in JSON; as it is, if it is none of this program's."""
        try:
            return self._in_json(value) or value
        except MalformedRecord as error:
            if headers.get("ce_type") != EVENT_TYPE:
                return value
            raise Fatal(f"{place}: this announcement cannot be read: {error}") from error


def by_id(spans: Mapping[Partition, Span]) -> dict[tuple[str, int], Span]:
    """Spans by topic id and partition."""
    return {(span.topic_id, span.partition): span for span in spans.values()}


def digest_of(value: bytes | None) -> bytes:
    """Sixteen bytes for the value of an announcement."""
    return blake2b(value or b"", digest_size=16).digest()
