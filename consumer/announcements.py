"""What stands on the output topic: each announcement of what is audited, and the order of a document's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import NamedTuple, Protocol

import msgspec

from consumer.core.audit import Difference, Kind, Report, Span
from consumer.core.positions import LogEnds
from consumer.core.records import Chunk, LastRecord, Partition, Record, all_headers_of, offset_of

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

    def announce(self, events: Iterable[tuple[str, str, bytes]]) -> None: ...
    def last_offsets(self, documents: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], int]: ...
    def note_offsets(self, last: Mapping[tuple[str, ...], int]) -> None: ...


class Scope(NamedTuple):
    """What is audited: stretches of the input, the output topic's ends, and whether each event may be there only once.

    `proofs`: the record that each partition's position remembers as the last one.
    """

    spans: Mapping[Partition, Span]
    proofs: Mapping[Partition, LastRecord]
    output: Mapping[Partition, LogEnds]
    exactly_once: bool

    @property
    def records(self) -> int:
        """How many records there are to read, at most: some offsets have none."""
        inputs = sum(span.end - span.first for span in self.spans.values())
        return inputs + sum(ends.high - ends.low for ends in self.output.values())

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


class _Told(NamedTuple):
    place: str
    record: Record
    event: _Event
    document: tuple[str, ...]


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
        return told_from_us

    def _note(self, chunk: Chunk) -> None:
        told = [
            _Told(f"{key.topic}/{key.partition}/{offset_of(record)}", record, event, _document(event))
            for key, records in chunk.items()
            for record in records
            if not _has_header(record, REPLAYED) and (event := self._event(record)) is not None
        ]
        self._report.announced += len(told)
        last = self._book.last_offsets(one.document for one in told)
        for place, record, event, document in told:
            offset, behind = event.origin.offset, last.get(document, -1)
            if offset >= behind:
                last[document] = offset
            elif self._scope.exactly_once and not _has_header(record, REPAIRED):
                about, detail = f"{event.reference_type} {event.reference_name}", f"behind that of offset {behind}"
                self._report.add(Difference(Kind.OUT_OF_ORDER, place, about, detail, event.id), SHOWN)
        self._book.note_offsets(last)
        self._book.announce((one.event.id, one.place, digest_of(one.record.value())) for one in told)

    def _event(self, record: Record) -> _Event | None:
        """An announcement of what is audited; None for all others."""
        try:
            event = self._decode(record.value() or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        span = self._by_id.get((event.origin.topic_id, event.origin.partition))
        return event if span is not None and span.holds(event.origin.offset) else None


def digest_of(value: bytes | None) -> bytes:
    """Sixteen bytes for the value of an announcement."""
    return blake2b(value or b"", digest_size=16).digest()


def _document(event: _Event) -> tuple[str, ...]:
    """Announcements of one document from one partition come in order of its offsets."""
    origin = event.origin
    return (event.reference_type, event.reference_name, origin.topic_id, str(origin.partition))


def _has_header(record: Record, wanted: str) -> bool:
    return wanted in [name for name, value in all_headers_of(record) if value is not None]
