"""What unit tests are made of: records as Debezium writes them, change events, trackers, batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import msgspec

from consumer.core.compiled import Rules, compile_rules
from consumer.core.evaluation import Context
from consumer.core.events import ChangeEvent, FieldChange, Kind, SourceIdentity
from consumer.core.matching import Candidate, match
from consumer.core.milestones import Milestone
from consumer.core.records import Batch, Origin, Partition, Record, Span, fingerprint, next_offset_of, partition_of
from consumer.core.states import StateKey
from consumer.core.trackers import DocumentType, Rule, Tracker, Trackers

DATA = Path(__file__).parents[1] / "data"

REVISION = "00000000-0000-4000-8000-000000000001"
TOPIC = "document-changes"
TOPIC_ID = "topic-id"
NOW_US = 1_795_377_900_000_000
AT_MS = 1_795_377_835_000


@dataclass(frozen=True, slots=True)
class FakeRecord:
    """A consumed record: the part of the client's message that `core.records.Record` asks for."""

    in_topic: str | None = TOPIC
    in_partition: int | None = 0
    at: int | None = 0
    with_key: bytes | None = b'{"name":"SO-1"}'
    with_value: bytes | None = None
    with_headers: object = None
    at_ms: int = AT_MS

    def topic(self) -> str | None:
        return self.in_topic

    def partition(self) -> int | None:
        return self.in_partition

    def offset(self) -> int | None:
        return self.at

    def key(self) -> bytes | None:
        return self.with_key

    def value(self) -> bytes | None:
        return self.with_value

    def headers(self) -> object:
        return self.with_headers

    def timestamp(self) -> tuple[int, int]:
        return 1, self.at_ms


def tracker(document_type: object = "Sales Order", track_field: object = "status", **said: object) -> Tracker:
    """A tracker; `values`, `from_values`, `as`, `scale` and `snapshot` go into its rule."""
    rule = {key: said.pop(key) for key in Rule.__struct_encode_fields__ if key in said}
    written = {"document_type": document_type, "track_field": track_field, "rule": rule, **said}
    return msgspec.convert({"name": f"{document_type}-{track_field}", **written}, Tracker)


def rules_of(*trackers: Tracker, documents: Mapping[str, DocumentType] | None = None) -> Rules:
    """Compiled rules; without trackers, those of one Sales Order tracker on `status`."""
    return compile_rules(Trackers(REVISION, trackers or (tracker(),)), documents or {})


_BINLOG: Mapping[str, object] = {"server_id": 1, "gtid": "0-1-7", "file": "binlog.000001", "pos": 4242, "row": 0}
_LSN: Mapping[str, object] = {"lsn": 26481480, "txId": 729, "schema": "public"}


def mariadb_source(table: object = "tabSales Order", **block: object) -> dict[str, object]:
    """A `source` block of the MariaDB connector."""
    return {"connector": "mariadb", "ts_ms": AT_MS, "table": table, **_BINLOG, **block}


def postgres_source(table: object = "tabSales Order", **block: object) -> dict[str, object]:
    """A `source` block of the PostgreSQL connector."""
    return {"connector": "postgresql", "ts_ms": AT_MS, "table": table, **_LSN, **block}


def envelope(op: str, before: object = None, after: object = None, **more: object) -> dict[str, object]:
    """An envelope; `source` and `transaction` are MariaDB's unless given."""
    return {"before": before, "after": after, "source": mariadb_source(), "transaction": None, "op": op, **more}


def record(value: object = None, *, partition: int = 0, offset: int = 0, **more: object) -> FakeRecord:
    """A record of the input topic; `value` is bytes as they are, or what becomes JSON."""
    as_bytes = value if value is None or isinstance(value, bytes) else msgspec.json.encode(value)
    key = more.pop("key", b'{"name":"SO-1"}')
    as_key = key if key is None or isinstance(key, bytes) else msgspec.json.encode(key)
    return FakeRecord(TOPIC, partition, offset, as_key, as_bytes, more.pop("headers", None))


def batch_of(*records: Record, stored: int = 0, published: int = 0, next_offset: int | None = None) -> Batch:
    """A batch of these records, with one span a partition that ends behind its last record."""
    spans: dict[Partition, Span] = {}
    for one in records:
        key = partition_of(one)
        end = next_offset_of(one) if next_offset is None else next_offset
        spans[key] = Span(key.topic, TOPIC_ID, key.partition, stored, published, end, fingerprint(one))
    return Batch(records, spans, "group metadata")


@dataclass(slots=True)
class Change:
    """One change of a document's field, for evaluation without any format."""

    kind: Kind = Kind.UPDATE
    name: str = "SO-1"
    after: str | None = None
    before: str | None = None
    before_known: bool = False
    after_known: bool = True
    identity: str = ""
    partition: int = 0
    offset: int = -1
    other_name: str | None = None
    at_us: int = NOW_US
    fields: Sequence[str] = ("status",)
    transaction: str | None = None
    log: str | None = None
    renaming: str = ""


_offsets = count(1_000_000)


def event_of(change: Change) -> ChangeEvent:
    """The event; identity and offset are new for each change that does not name them."""
    offset = change.offset if change.offset >= 0 else next(_offsets)
    identity = change.identity or f"change {offset}"
    source = SourceIdentity("gtid", identity, change.transaction, change.log, change.renaming or identity)
    fields = tuple(
        FieldChange(name, change.before, change.before_known, change.after, change.after_known)
        for name in change.fields
    )
    return ChangeEvent(
        change.kind, "Sales Order", change.name, fields, change.at_us, change.at_us // 1_000, "erp@example.org",
        source, Origin(TOPIC_ID, change.partition, offset), change.other_name,
    )  # fmt: skip


def candidates_of(rules: Rules, *changes: Change) -> list[Candidate]:
    """The candidates that these changes make."""
    return match([event_of(change) for change in changes], rules)


def context(published: Mapping[tuple[str, int], int] | None = None, recorded: frozenset[str] = frozenset()) -> Context:
    """What evaluation is told about the world."""
    return Context(NOW_US, REVISION, published or {}, recorded)


def key_of(name: str = "SO-1", track_field: str = "status") -> StateKey:
    """The key of a Sales Order's state."""
    return StateKey("Sales Order", name, track_field)


def milestone(**said: object) -> Milestone:
    """A milestone with everything set; `said` replaces."""
    whole: dict[str, object] = {
        "id": "01a204db-87d9-8b83-ae0d-a38625af7ee0", "reference_type": "Sales Order", "reference_name": "SO-1",
        "track_field": "status", "value": "To Bill", "milestone_tracker": "Sales Order-status", "from_value": "Draft",
        "from_value_known": "observed", "tracker_revision": REVISION, "occurrence": 1, "reached_at": AT_MS * 1_000,
        "recorded_at": NOW_US, "actor": "erp@example.org", "source_identity": "0-1-7#1",
        "source_identity_kind": "gtid", "origin_topic_id": TOPIC_ID, "origin_partition": 0, "origin_offset": 7,
        "announce": True, "silent": False,
    }  # fmt: skip
    return msgspec.convert({**whole, **said}, Milestone)
