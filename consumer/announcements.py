"""What stands on the output topic: each announcement of what is audited, and the order of a document's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import NamedTuple, Protocol

import msgspec

from consumer.core.audit import Behind, Difference, Kind, Report, Span, Told
from consumer.core.positions import LogEnds
from consumer.core.records import Chunk, Partition, Record, all_headers_of, offset_of

REPLAYED, REPAIRED = "replayed", "repaired"
"""Headers of what was announced again, and of what was announced late."""

SHOWN = 1_000
"""Differences that a report holds in full."""

_NEAR_US = 60_000_000
"""How far the clocks of a broker and of PostgreSQL may be apart."""


class Log(Protocol):
    """Kafka."""

    def chunks(self, ends: Mapping[Partition, LogEnds]) -> Iterator[Chunk]: ...


class Sequences(Protocol):
    """What is remembered of announcements."""

    def announce(self, events: Iterable[Told]) -> None: ...
    def behind(self) -> Iterator[Behind]: ...


class Scope(NamedTuple):
    """What is audited: stretches of the input, the output topic's ends, whether each event may be there only once."""

    spans: Mapping[Partition, Span]
    output: Mapping[Partition, LogEnds]
    exactly_once: bool

    @property
    def records(self) -> int:
        """How many records there are to read, at most: some offsets have none."""
        return self.input_records + sum(ends.high - ends.low for ends in self.output.values())

    @property
    def input_records(self) -> int:
        """Those of the input, at most."""
        return sum(span.end - span.first for span in self.spans.values())

    def by_id(self) -> dict[tuple[str, int], Span]:
        """The spans by topic id and partition."""
        return {(span.topic_id, span.partition): span for span in self.spans.values()}


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
    """Reads the output topic into a book."""

    def __init__(self, log: Log, book: Sequences, scope: Scope, report: Report) -> None:
        self._log, self._book, self._scope, self._report = log, book, scope, report
        self._by_id = scope.by_id()
        self._decode = msgspec.json.Decoder(_Event).decode

    def read(self, progress: Callable[[int], None]) -> int:
        """Reads all of it.

        Returns:
            The time (µs) from which on the topic tells what was announced: before, retention may have removed it.
        """
        told_from_us = 0
        low = {key for key, end in self._scope.output.items() if end.low > 0}
        for chunk in self._log.chunks(self._scope.output):
            self._note(chunk)
            for key in low & chunk.keys():
                told_from_us = max(told_from_us, chunk[key][0].timestamp()[1] * 1_000 + _NEAR_US)
            low -= chunk.keys()
            progress(sum(map(len, chunk.values())))
        if self._scope.exactly_once:
            self._check_order()
        return told_from_us

    def _note(self, chunk: Chunk) -> None:
        told = [
            one
            for key, records in chunk.items()
            for record in records
            if (one := self._told(f"{key.topic}/{key.partition}/{offset_of(record)}", record)) is not None
        ]
        self._report.announced += len(told)
        self._book.announce(told)

    def _told(self, place: str, record: Record) -> Told | None:
        """An announcement of what is audited; None for all others."""
        headers = [name for name, value in all_headers_of(record) if value is not None]
        if REPLAYED in headers:
            return None
        value = record.value() or b""
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

    def _check_order(self) -> None:
        """Announcements of one document from one partition come in order of its offsets, but for late ones."""
        for one in self._book.behind():
            if not one.repaired:
                about, detail = f"{one.reference_type} {one.reference_name}", f"behind that of offset {one.behind}"
                self._report.add(Difference(Kind.OUT_OF_ORDER, one.place, about, detail, one.id), SHOWN)


def digest_of(value: bytes | None) -> bytes:
    """Sixteen bytes for the value of an announcement."""
    return blake2b(value or b"", digest_size=16).digest()
