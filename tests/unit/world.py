"""A small world for `batch.py`: a topic's records, a store in memory, an output topic, and crashes on demand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from consumer.batch import Topics, Verdicts, publish_batch, read_batch, store_batch
from consumer.core.milestones import Event
from consumer.core.records import Batch, Partition, Span, fingerprint, next_offset_of, offset_of, partition_of
from consumer.core.trackers import DocumentType, Tracker, Trackers
from consumer.formats.decoder import ChangeDecoder
from consumer.tracking import Tracking
from tests.store.memory import Database, MemoryStore
from tests.unit.samples import TOPIC, TOPIC_ID, FakeRecord, envelope, mariadb_source, record, tracker

OUTPUTS = Topics("milestone-reached", "document-changes.dead-letter")


class Crash(BaseException):
    """The process dies here."""


class Outbox:
    """Events of one publish transaction."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Event]] = []

    def publish(self, topic: str, events: Iterable[Event]) -> None:
        self.events += [(topic, event) for event in events]


class Kafka:
    """What read_committed subscribers see, and the group's committed offsets."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Event]] = []
        self.committed: dict[Partition, int] = {}
        self.crash = False

    def prepare(self) -> None:
        """Nothing was left open."""

    @contextmanager
    def transaction(self, batch: Batch) -> Iterator[Outbox]:
        outbox = Outbox()
        yield outbox
        if self.crash:
            self.crash = False
            raise Crash
        self.seen += outbox.events
        self.committed |= {key: span.published_after for key, span in batch.spans.items()}


class World:
    """One worker after another on the same records, tables and topics."""

    def __init__(self, *trackers: Tracker) -> None:
        self.database = Database()
        self.database.tables.follow(*(trackers or (tracker(),)))
        self.kafka = Kafka()
        self.restart()

    def restart(self) -> None:
        """Another process: what it knows is what the tables say."""
        tables = self.database.tables
        self.tracking = Tracking(
            Trackers(tables.revision, tables.trackers), {"Note": DocumentType("Note")}, ChangeDecoder
        )
        self.store = MemoryStore(self.database)

    def batch(self, records: Sequence[FakeRecord], ends: dict[Partition, int] | None = None) -> Batch:
        """What is read from the lower watermark of each partition on; the log is all of `records`."""
        spans: dict[Partition, Span] = {}
        wanted: list[FakeRecord] = []
        for one in records:
            key = partition_of(one)
            row = self.store.positions([key]).get(key)
            stored = 0 if row is None else row.next_offset
            published = self.kafka.committed.get(key, 0)
            if row is None:
                self.store.create_positions([Span(TOPIC, TOPIC_ID, key.partition, 0, published, 0)])
            if offset_of(one) >= min(stored, published):
                wanted.append(one)
                end = max(next_offset_of(one), (ends or {}).get(key, 0))
                spans[key] = Span(TOPIC, TOPIC_ID, key.partition, stored, published, end, fingerprint(one))
        return Batch(wanted, spans, "metadata")

    def run(self, records: Sequence[FakeRecord]) -> Verdicts:
        """One batch, from top to bottom."""
        batch = self.batch(records)
        verdicts = store_batch(read_batch(batch, self.tracking), self.tracking, self.store)
        publish_batch(batch, verdicts, self.kafka, OUTPUTS)
        return verdicts

    def values(self) -> list[str]:
        """The values stored, in order of origin."""
        rows = self.database.tables.milestones.values()
        return [m.value for m in sorted(rows, key=lambda m: (m.origin_partition, m.origin_offset))]

    def announced(self, topic: str = OUTPUTS.reached) -> list[bytes]:
        """The values of the events that subscribers saw."""
        return [event.value or b"" for name, event in self.kafka.seen if name == topic]


def change(offset: int, after: str, before: str | None = None, *, partition: int = 0, name: str = "SO-1") -> FakeRecord:
    """An update of a Sales Order's status, each its own change."""
    source = mariadb_source(gtid=f"0-1-{partition}{offset}", pos=1_000 * partition + offset)
    value = envelope("u", {"status": before}, {"status": after}, source=source)
    return record(value, partition=partition, offset=offset, key={"name": name})


def snapshot_read(offset: int, value: str, *, partition: int = 0, name: str = "SO-1") -> FakeRecord:
    """A Sales Order's status, as an incremental snapshot read it at this offset."""
    source = mariadb_source(snapshot="incremental", pos=1_000 * partition + offset)
    return record(
        envelope("r", None, {"status": value}, source=source), partition=partition, offset=offset, key={"name": name}
    )


def poison(offset: int, *, partition: int = 0) -> FakeRecord:
    """A record that nobody can read."""
    return record(b"{", partition=partition, offset=offset)
