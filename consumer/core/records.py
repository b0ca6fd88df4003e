"""What is read from a partition, and how far: records, spans of offsets, the two watermarks."""

from __future__ import annotations

from bisect import bisect_left
from hashlib import blake2b
from operator import methodcaller
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, cast

import msgspec
from msgspec.structs import replace

from consumer.core.sight import Passed, Seen, Sight
from consumer.errors import MalformedRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from consumer.errors import Poison


class Record(Protocol):
    """A consumed Kafka record; the client's own message object satisfies it, so nothing is copied."""

    def topic(self) -> str | None: ...
    def partition(self) -> int | None: ...
    def offset(self) -> int | None: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def headers(self) -> object: ...
    def timestamp(self) -> tuple[int, int]: ...


class Partition(NamedTuple):
    """A partition of a topic by name, as Kafka's clients address it."""

    topic: str
    partition: int


class LastRecord(NamedTuple):
    """Tells the log that was read from another one: offset, time stamp in ms, hash of key and value."""

    offset: int
    timestamp: int
    hash: int


class Origin(NamedTuple):
    """Where a record stands. The topic's id, not its name: a topic made again is another one."""

    topic_id: str
    partition: int
    offset: int


class DeadLetter(msgspec.Struct, frozen=True):
    """The verdict on a record that cannot be evaluated: origin and reason, no payload."""

    origin: Origin
    topic: str
    error_class: str
    message: str
    field: str | None = None

    @classmethod
    def of(cls, error: Poison, origin: Origin, topic: str) -> DeadLetter:
        """The verdict for an error."""
        text = str(error).replace("\x00", "\\0").encode("utf-8", "replace").decode()[:1_000]
        return cls(origin, topic, type(error).__name__, text, error.field)


class Span(msgspec.Struct, frozen=True):
    """What one batch does to one partition.

    Offsets in `[published, next_offset)` are announced; those at or above `stored` are evaluated first.
    `last` is the last record read, None where only the position moved on. `published` counts batches in flight as
    published; `confirmed` is the offset that the group is known to have committed.
    """

    topic: str
    topic_id: str
    partition: int
    stored: int
    published: int
    next_offset: int
    last: LastRecord | None = None
    confirmed: int = 0

    @property
    def stored_after(self) -> int:
        """The watermark `stored` once the batch is committed; it never moves down."""
        return max(self.stored, self.next_offset)

    @property
    def published_after(self) -> int:
        """The watermark `published` once the batch is committed; it never moves down."""
        return max(self.published, self.next_offset)

    @property
    def stored_before(self) -> range:
        """The offsets that are announced but were stored by an earlier run: looked up, not evaluated again."""
        return range(self.published, min(self.stored, self.next_offset))


Chunk: TypeAlias = "Mapping[Partition, Sequence[Record]]"
"""Some records by their partitions, each partition's in order of their offsets."""


class Batch(msgspec.Struct, frozen=True):
    """Records in the order they were consumed, and the span of each partition they are from.

    `records` holds what was read in `[min(stored, published), next_offset)`. `group` is the consumer group's metadata
    as it was right after these records were consumed: what is published later is fenced by it. `refused` holds the
    verdict on a single record whose rows PostgreSQL will not take.

    With a `sight` they were looked at as they were consumed: all are `Seen`, and those that say nothing to the trackers
    of that sight are not there any more, but `passed`. `earlier`: how many of those that its records had passed over
    before them were counted with another batch, that was split off before. `large`: there was so much to be consumed
    that this is a backlog.
    """

    records: Sequence[Record]
    spans: Mapping[Partition, Span]
    group: object = None
    refused: tuple[DeadLetter, ...] = ()
    sight: Sight | None = None
    passed: Mapping[Partition, Passed] = {}
    earlier: Mapping[Partition, Passed] = {}
    large: bool = False

    @property
    def count(self) -> int:
        """How many records were consumed."""
        return len(self.records) + sum(map(sum, self.passed.values()))

    def to_store(self) -> dict[Partition, Span]:
        """The spans in which something is still to be evaluated, or the position moves."""
        return {key: span for key, span in self.spans.items() if span.next_offset > span.stored}

    def to_publish(self) -> dict[Partition, Span]:
        """The spans in which `published` moves."""
        return {key: span for key, span in self.spans.items() if span.next_offset > span.published}

    @property
    def published_before(self) -> dict[tuple[str, int], int]:
        """The offset below which each (topic id, partition) was published before."""
        return {(s.topic_id, s.partition): s.published for s in self.spans.values()}

    def origin(self, record: Record) -> Origin:
        """Where a record of this batch stands."""
        # A plain tuple finds a Partition, and is made in a fraction of the time.
        span = cast("Mapping[object, Span]", self.spans)[record.topic(), record.partition()]
        return Origin(span.topic_id, span.partition, offset_of(record))

    def records_at(self, origins: Set[Origin]) -> dict[Origin, Record]:
        """The records with these origins; those that the log no longer has are missing."""
        offsets = {origin.offset for origin in origins}
        found = {self.origin(record): record for record in self.records if offset_of(record) in offsets}
        return {origin: record for origin, record in found.items() if origin in origins}

    def halves(self) -> tuple[Batch, Batch]:
        """Two batches that do the same one after the other."""
        middle = len(self.records) // 2
        first, second = self.records[:middle], self.records[middle:]
        early = {partition_of(record): record for record in first}
        spans = {
            key: replace(self.spans[key], next_offset=next_offset_of(r), last=fingerprint(r))
            for key, r in early.items()
        }
        later = {
            key: replace(span, stored=s.stored_after, published=s.published_after)
            if (s := spans.get(key)) is not None
            else span
            for key, span in self.spans.items()
        }
        passed_early = {key: self._passed_before(key, record) for key, record in early.items() if key in self.passed}
        passed_later = {key: passed.without(passed_early.get(key, Passed())) for key, passed in self.passed.items()}
        earlier = {key: self.earlier.get(key, Passed()).plus(some) for key, some in passed_early.items()}
        return (
            replace(self, records=first, spans=spans, passed=passed_early),
            replace(self, records=second, spans=later, passed=passed_later, earlier={**self.earlier, **earlier}),
        )

    def before(self, offsets: Mapping[Partition, int]) -> Batch:
        """What comes before these offsets, at which records stand; a partition of which nothing does is left out."""
        records = [r for r in self.records if (at := offsets.get(partition_of(r))) is None or offset_of(r) < at]
        last = {partition_of(record): record for record in records}
        at_ends = {key: r for r in self.records if (key := partition_of(r)) in offsets and offset_of(r) == offsets[key]}
        ends = {key: self._passed_before(key, r) for key, r in at_ends.items() if key in self.passed}
        passed = {key: some for key, all_ in self.passed.items() if any(some := ends.get(key, all_))}
        spans = {
            key: span
            if key not in offsets
            else replace(span, next_offset=offsets[key], last=fingerprint(last[key]) if key in last else None)
            for key, span in self.spans.items()
            if key not in offsets or key in last or key in passed
        }
        return replace(self, records=records, spans=spans, passed=passed)

    def passed_before(self, record: Record) -> tuple[int, int]:
        """How many were passed over before a record of this batch: of its partition, and of all partitions."""
        if self.sight is None:
            return 0, 0
        of_all = cast("Seen", record).passed_of_all - sum(map(sum, self.earlier.values()))
        return sum(self._passed_before(partition_of(record), record)), of_all

    def _passed_before(self, key: Partition, record: Record) -> Passed:
        return Passed(*cast("Seen", record).passed).without(self.earlier.get(key, Passed()))

    def unevaluated(self) -> Sequence[Record]:
        """The records that have no verdict yet and are to be evaluated."""
        return () if self.refused else self.without_verdict()

    def without_verdict(self) -> Sequence[Record]:
        """The records at or above `stored`."""
        floors = {key: span.stored for key, span in self.spans.items() if span.published < span.stored}
        if not floors:
            return self.records
        return [r for r in self.records if offset_of(r) >= floors.get(partition_of(r), 0)]


def partition_of(record: Record) -> Partition:
    """The partition a record was read from."""
    return Partition(record.topic() or "", record.partition() or 0)


def offset_of(record: Record) -> int:
    """The offset a record was read at."""
    return record.offset() or 0


def place_of(records: Sequence[Record], offset: int) -> int:
    """How many of a partition's records, in order of their offsets, stand before an offset."""
    return bisect_left(records, offset, key=offset_of)


def next_offset_of(record: Record) -> int:
    """The offset to commit once this record is done; the one place that adds 1."""
    return offset_of(record) + 1


def headers_of(record: Record) -> list[tuple[str, bytes]]:
    """A record's headers in order; null values are left out."""
    headers = all_headers_of(record)
    return [(name, value) for name, value in headers if value is not None] if headers else []


# Not called by name: where Python calls it often it would do so without a look at what the client raised, and what the
# client gave beside that is no list to be read.
_headers = methodcaller("headers")


def all_headers_of(record: Record) -> list[tuple[str, bytes | None]]:
    """A record's headers in order, as they came.

    Raises:
        MalformedRecord: Kafka's client cannot read them: the name of one is not UTF-8.
    """
    try:
        headers = cast("list[tuple[str, bytes | str | None]] | None", _headers(record))
    except (SystemError, UnicodeDecodeError) as error:
        raise MalformedRecord(
            "the name of a header is not UTF-8, so none of the record's headers can be read"
        ) from error
    if not headers:
        return []
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in headers]


def fingerprint(record: Record) -> LastRecord:
    """Offset, time stamp and a 64-bit hash (BLAKE2b of key and value) of a record."""
    digest = blake2b(record.key() or b"", digest_size=8)
    digest.update(b"\x00" if record.value() is None else b"\x01")
    digest.update(record.value() or b"")
    return LastRecord(offset_of(record), record.timestamp()[1], int.from_bytes(digest.digest(), "big", signed=True))
