"""Audits: the input read again, what it gives, and how that differs from the tables and the output topic.

Memory does not grow with the stream: what is remembered goes into a scratch file, and both sides are compared in order
of the milestones' ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from hashlib import blake2b
from typing import NamedTuple, Protocol

import msgspec

from consumer.core.audit import Announced, Difference, Expected, Kind, Report, Span, is_certain, unlike
from consumer.core.milestones import Milestone, announcement
from consumer.core.positions import LogEnds
from consumer.core.records import LastRecord, Partition, Record, fingerprint, headers_of, offset_of, partition_of
from consumer.recomputing import Recomputation

_IN_FULL = 1_000
_NEAR_US = 60_000_000
"""How far the clocks of a broker and of PostgreSQL may be apart."""
_REPLAYED = "replayed"
_OF_A_STATE = "rests on a state that the audited records do not tell"


class Tables(Protocol):
    """PostgreSQL at one moment."""

    def dead_letters(self, topic_id: str, partition: int, first: int, last: int) -> set[int]: ...
    def milestones(self, topic_ids: Sequence[str]) -> Iterator[Milestone]: ...
    def deleted(self, ids: Sequence[str]) -> set[str]: ...


class Log(Protocol):
    """Kafka."""

    def chunks(self, ends: Mapping[Partition, LogEnds]) -> Iterator[Sequence[Record]]: ...


class Book(Protocol):
    """What an audit remembers beside what its recomputation does."""

    def announce(self, events: Iterable[tuple[str, str, bytes]]) -> None: ...
    def last_offsets(self, documents: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], int]: ...
    def note_offsets(self, last: Mapping[tuple[str, ...], int]) -> None: ...
    def expected(self) -> Iterator[Expected]: ...
    def announced(self) -> Iterator[tuple[str, Announced]]: ...
    def is_loose(self, milestone: Milestone) -> bool: ...


class Scope(NamedTuple):
    """What is audited: stretches of the input, the output topic's ends, and whether each event may be there only once.

    `proofs`: the record that each partition's position remembers as the last one.
    """

    spans: Mapping[Partition, Span]
    proofs: Mapping[Partition, LastRecord]
    output: Mapping[Partition, LogEnds]
    exactly_once: bool


class _Origin(msgspec.Struct):
    topic_id: str
    partition: int
    offset: int


class _Event(msgspec.Struct):
    id: str
    reference_type: str
    reference_name: str
    origin: _Origin


class Audit:
    """One audit.

    Args:
        progress: called with the number of records read since the last call.
    """

    def __init__(
        self,
        scope: Scope,
        sources: tuple[Log, Tables],
        book: Book,
        recomputation: Recomputation,
        progress: Callable[[int], None],
    ) -> None:
        self._scope, self._book, self._recomputation, self._progress = scope, book, recomputation, progress
        self._log, self._tables = sources
        self._by_id = {(span.topic_id, span.partition): span for span in scope.spans.values()}
        self._decode_event = msgspec.json.Decoder(_Event).decode
        self._report = Report()
        self._told_from_us = 0

    def run(self) -> Report:
        """Reads everything and compares.

        Raises:
            MilestonesError: a server does not answer, or refuses.
        """
        self._check_watermarks()
        self._read_input()
        self._read_output()
        self._compare()
        return self._report

    def _differs(self, kind: Kind, place: str, about: str, detail: str = "", id_: str | None = None) -> None:
        self._report.add(Difference(kind, place, about, detail, id_), _IN_FULL)

    def _check_watermarks(self) -> None:
        for key, span in sorted(self._scope.spans.items()):
            if span.published > span.end:
                place = f"{key.topic}/{key.partition}/{span.end}"
                detail = f"published up to {span.published}, stored up to {span.end}: PostgreSQL was restored"
                self._differs(Kind.WATERMARK, place, "stored", detail)

    def _read_input(self) -> None:
        ends = {key: LogEnds(span.first, span.end) for key, span in self._scope.spans.items()}
        for records in self._log.chunks(ends):
            self._report.records += len(records)
            for letter in self._recomputation.take(records, self._verdicts(records)):
                place = f"{letter.topic}/{letter.origin.partition}/{letter.origin.offset}"
                self._differs(Kind.DEAD_LETTER_MISSING, place, letter.error_class, letter.message)
            self._check_proofs(records)
            self._progress(len(records))

    def _verdicts(self, records: Sequence[Record]) -> dict[Partition, Set[int]]:
        """The offsets among these records that are dead letters."""
        offsets: defaultdict[Partition, list[int]] = defaultdict(list)
        for record in records:
            offsets[partition_of(record)].append(offset_of(record))
        return {
            key: self._tables.dead_letters(self._scope.spans[key].topic_id, key.partition, some[0], some[-1])
            for key, some in offsets.items()
        }

    def _check_proofs(self, records: Sequence[Record]) -> None:
        for record in records:
            proof = self._scope.proofs.get(partition_of(record))
            if proof is not None and proof.offset == offset_of(record) and fingerprint(record) != proof:
                place = "{}/{}/{}".format(*partition_of(record), proof.offset)
                self._differs(Kind.WATERMARK, place, "the last record", "the log holds another one than was stored")

    def _read_output(self) -> None:
        low = {key for key, end in self._scope.output.items() if end.low > 0}
        for records in self._log.chunks(self._scope.output):
            self._note_announcements([r for r in records if not _is_replayed(r)])
            for record in records:
                if partition_of(record) in low:
                    low.discard(partition_of(record))
                    self._told_from_us = max(self._told_from_us, record.timestamp()[1] * 1_000 + _NEAR_US)
            self._progress(len(records))

    def _note_announcements(self, records: Sequence[Record]) -> None:
        events = [(record, event) for record in records if (event := self._event(record)) is not None]
        self._report.announced += len(events)
        last = self._book.last_offsets(_document(event) for _, event in events)
        for record, event in events:
            document, offset = _document(event), event.origin.offset
            behind = last.get(document, -1)
            if offset < behind and self._scope.exactly_once:
                about = f"{event.reference_type} {event.reference_name}"
                self._differs(Kind.OUT_OF_ORDER, _place(record), about, f"behind that of offset {behind}", event.id)
            last[document] = max(behind, offset)
        self._book.note_offsets(last)
        self._book.announce((event.id, _place(record), digest_of(record.value())) for record, event in events)

    def _event(self, record: Record) -> _Event | None:
        """An announcement of what is audited; None for all others."""
        try:
            event = self._decode_event(record.value() or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        span = self._by_id.get((event.origin.topic_id, event.origin.partition))
        return event if span is not None and span.holds(event.origin.offset) else None

    def _compare(self) -> None:
        """One pass over what is expected, stored and announced, side by side in order of the ids."""
        topic_ids = sorted({span.topic_id for span in self._scope.spans.values()})
        expected = ((one.milestone.id, one) for one in self._book.expected())
        stored = ((one.id, one) for one in self._tables.milestones(topic_ids))
        absent: list[tuple[str, Expected | None, Announced | None]] = []
        for id_, (wanted, found, announced) in side_by_side(expected, stored, self._book.announced()):
            self._report.expected += wanted is not None
            if found is not None:
                self._stored(wanted, found, announced)
                continue
            absent.append((id_, wanted, announced))
            if len(absent) == _IN_FULL:
                self._absent(absent)
                absent.clear()
        self._absent(absent)

    def _stored(self, wanted: Expected | None, found: Milestone, announced: Announced | None) -> None:
        span = self._by_id.get((found.origin_topic_id, found.origin_partition))
        if span is None or (wanted is None and found.origin_offset < span.first):
            return
        self._report.found += 1
        place, about = f"{span.topic}/{span.partition}/{found.origin_offset}", _about(found)
        if found.origin_offset >= span.end:
            self._differs(Kind.BEYOND, place, about, f"stored up to {span.end}", found.id)
        elif wanted is not None:
            wrong = unlike(wanted, found)
            if wrong:
                self._differs(Kind.DIFFERENT, place, about, "; ".join(wrong), found.id)
        elif found.from_value_known != "observed" and (not span.whole or self._book.is_loose(found)):
            self._report.untold[_OF_A_STATE] += 1
        else:
            self._differs(Kind.EXTRA, place, about, "the input does not give it", found.id)
        if span.holds(found.origin_offset):
            self._check_announcement(span, found, announced)

    def _check_announcement(self, span: Span, found: Milestone, announced: Announced | None) -> None:
        place, about = f"{span.topic}/{span.partition}/{found.origin_offset}", _about(found)
        if announced is None:
            if not found.announce or found.silent or found.origin_offset >= span.published:
                return
            if found.recorded_at < self._told_from_us:
                self._report.untold["announced before what the output topic still has"] += 1
            else:
                self._differs(Kind.NOT_ANNOUNCED, place, about, id_=found.id)
        elif announced.times > 1 and self._scope.exactly_once:
            self._differs(Kind.DOUBLED, announced.place, about, f"{announced.times} times", found.id)
        elif not found.silent and announced.digest != digest_of(announcement(found).value):
            self._differs(Kind.ANNOUNCED_DIFFERENT, announced.place, about, "not as the stored row says", found.id)

    def _absent(self, some: Sequence[tuple[str, Expected | None, Announced | None]]) -> None:
        """Milestones that are not in the table, unless somebody deleted them there."""
        deleted = self._tables.deleted([id_ for id_, _, _ in some])
        for id_, wanted, announced in some:
            if id_ in deleted:
                self._report.untold["deleted by hand"] += 1
                continue
            if wanted is not None:
                self._missing(wanted)
            if announced is not None:
                self._differs(Kind.NOT_STORED, announced.place, id_, id_=id_)

    def _missing(self, wanted: Expected) -> None:
        milestone = wanted.milestone
        span = self._by_id[milestone.origin_topic_id, milestone.origin_partition]
        if is_certain(wanted):
            place = f"{span.topic}/{span.partition}/{milestone.origin_offset}"
            self._differs(Kind.MISSING, place, _about(milestone), id_=milestone.id)
        else:
            self._report.untold[_OF_A_STATE] += 1


def side_by_side(
    expected: Iterator[tuple[str, Expected]],
    stored: Iterator[tuple[str, Milestone]],
    announced: Iterator[tuple[str, Announced]],
) -> Iterator[tuple[str, tuple[Expected | None, Milestone | None, Announced | None]]]:
    """Three streams in order of their ids as one: what each has of every id."""
    one, two, three = next(expected, None), next(stored, None), next(announced, None)
    while one is not None or two is not None or three is not None:
        id_ = min(head[0] for head in (one, two, three) if head is not None)
        wanted = found = told = None
        if one is not None and one[0] == id_:
            wanted, one = one[1], next(expected, None)
        if two is not None and two[0] == id_:
            found, two = two[1], next(stored, None)
        if three is not None and three[0] == id_:
            told, three = three[1], next(announced, None)
        yield id_, (wanted, found, told)


def digest_of(value: bytes | None) -> bytes:
    """Sixteen bytes for the value of an announcement."""
    return blake2b(value or b"", digest_size=16).digest()


def _about(milestone: Milestone) -> str:
    m = milestone
    return f"{m.reference_type} {m.reference_name}: {m.track_field} reached {m.value!r} ({m.milestone_tracker})"


def _document(event: _Event) -> tuple[str, ...]:
    """Announcements of one document from one partition come in order of its offsets."""
    origin = event.origin
    return (event.reference_type, event.reference_name, origin.topic_id, str(origin.partition))


def _place(record: Record) -> str:
    return "{}/{}/{}".format(*partition_of(record), offset_of(record))


def _is_replayed(record: Record) -> bool:
    return any(name == _REPLAYED for name, _ in headers_of(record))
