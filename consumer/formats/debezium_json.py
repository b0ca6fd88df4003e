"""Debezium's envelope as JSON, with and without the schema wrapper, of MariaDB, MySQL and PostgreSQL connectors.

https://debezium.io/documentation/reference/stable/connectors/ ("Data change events"). One pass over the bytes tells
the table; rows are read only for tables that are tracked, and of them only what trackers need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import UNSET, Raw, UnsetType

from consumer.core.events import ChangeEvent, Decoded, FieldChange, Kind
from consumer.core.records import Batch, DeadLetter, Record, headers_of
from consumer.core.trackers import OWN_TABLES, DocumentPlan, Rules
from consumer.core.values import TEXT, UNAVAILABLE, Encoding
from consumer.errors import BadValue, MalformedRecord, MissingKey, Poison, UnknownOperation
from consumer.formats.connect_json import SchemaReader, canonical_json, key_text, placeholders, storable
from consumer.formats.source_block import Source, Transaction, checked_time, identity_of

LONGEST_REFERENCE_NAME = 1_000
"""Bytes of UTF-8. A longer one fits no index of PostgreSQL together with its type and field."""

_KINDS = {"c": Kind.CREATE, "u": Kind.UPDATE, "r": Kind.SNAPSHOT, "d": Kind.DELETE}
_SKIPPED_OPS = {"t": "truncate", "m": "message"}
_NULL = Raw(b"null")
_NO_ENCODINGS: Mapping[str, Encoding] = {}

Row = object | None
"""A struct made for one table: its attributes are pieces of JSON. None for a null row."""


class Envelope(msgspec.Struct, gc=False):
    """What is read of every record, in Debezium's order: then each key is found at the first look. Rows stay bytes."""

    before: Raw = _NULL
    after: Raw = _NULL
    source: Source | None = None
    transaction: Transaction | None = None
    op: str | None = None
    ts_ms: int | None = None
    payload: Raw | UnsetType = UNSET
    schema: Raw | UnsetType = UNSET
    status: Raw | UnsetType = UNSET
    ddl: Raw | UnsetType = UNSET


class RowReader:
    """Reads a row of one table: only the columns that the plan names, each still JSON."""

    def __init__(self, plan: DocumentPlan, unavailable: str) -> None:
        self.plan = plan
        self.columns = tuple(dict.fromkeys((*(f.name for f in plan.fields), *plan.key, plan.actor)))
        self._attributes = {name: f"c{at}" for at, name in enumerate(self.columns)}
        row = msgspec.defstruct(
            "Row",
            [(attribute, Raw | UnsetType, UNSET) for attribute in self._attributes.values()],
            rename={attribute: name for name, attribute in self._attributes.items()},
            gc=False,
        )
        self._decode: Callable[[Raw], Row] = msgspec.json.Decoder(row | None).decode
        self._unavailable = placeholders(unavailable)
        self._tracked_attributes = tuple(self._attributes[f.name] for f in plan.fields)
        self.tracked = tuple((f.name, self._attributes[f.name], f.encoding) for f in plan.fields)

    def rows(self, envelope: Envelope) -> tuple[Row, Row]:
        """The rows before and after.

        Raises:
            MalformedRecord: a row is no object, or `after` is missing where there must be one.
        """
        try:
            before, after = self._decode(envelope.before), self._decode(envelope.after)
        except (msgspec.DecodeError, RecursionError) as error:
            raise MalformedRecord(f"a row cannot be read: {error}") from error
        if after is None and envelope.op != "d":
            raise MalformedRecord(f"op {envelope.op} without `after`", "after")
        return before, after

    def unchanged(self, before: Row, after: Row) -> bool:
        """Whether every tracked column is there and byte for byte the same: most updates end here."""
        for attribute in self._tracked_attributes:
            new = getattr(after, attribute)
            if new is UNSET or new != getattr(before, attribute):
                return False
        return True

    def column(self, row: Row, name: str) -> Raw | None:
        """A column of a row; None if the row, or the column in it, is absent or not available."""
        return None if row is None else self.available(getattr(row, self._attributes[name]))

    def available(self, raw: Raw | UnsetType) -> Raw | None:
        """The value, unless it is absent or Debezium's placeholder for a column it did not see."""
        return None if raw is UNSET or raw in self._unavailable else raw


class DebeziumJson:
    """Decodes batches under one revision of the trackers.

    Args:
        rules: says which tables are tracked, and which of their columns.
        event_id_headers: headers that carry a change's id where the source block does not identify it.
        unavailable: the connector's `unavailable.value.placeholder`.
    """

    def __init__(
        self, rules: Rules, event_id_headers: Sequence[str] = ("ce_id", "event-id"), unavailable: str = UNAVAILABLE
    ) -> None:
        plans = {table: plan for table, plan in rules.plans.items() if table not in OWN_TABLES}
        self._readers: dict[str | None, RowReader] = {
            table: RowReader(plan, unavailable) for table, plan in plans.items()
        }
        self._decode_envelope = msgspec.json.Decoder(Envelope).decode
        self._schemas = SchemaReader()
        self._event_id_headers = event_id_headers

    def decode(self, batch: Batch) -> Decoded:
        """What became of each record at or above `stored`: an event, a dead letter, or a count by kind."""
        events: list[ChangeEvent] = []
        poison: list[DeadLetter] = []
        kinds: list[str] = []
        absent: Counter[tuple[str, str]] = Counter()
        event_of = self._event
        for record in batch.unevaluated():
            try:
                event = event_of(record, batch, absent)
            except Poison as error:
                poison.append(DeadLetter.of(error, batch.origin(record), record.topic() or ""))
                continue
            if isinstance(event, str):
                kinds.append(event)
            else:
                events.append(event)
        return Decoded(events, poison, Counter(kinds), absent)

    def _event(self, record: Record, batch: Batch, absent: Counter[tuple[str, str]]) -> ChangeEvent | str:
        """The event, or the kind of record that makes none."""
        value = record.value()
        if value is None:
            return "tombstone"
        envelope, encodings = self._envelope(value)
        if envelope.op not in _KINDS:
            return _skipped_kind(envelope)
        source = envelope.source
        reader = None if source is None else self._readers.get(source.table)
        if reader is None or source is None:
            return "untracked"
        before, after = reader.rows(envelope)
        if before is not None and envelope.op == "u" and reader.unchanged(before, after):
            return "unchanged"
        change = _Change(record, envelope, source, reader, encodings)
        return change.event(before, after, batch, self._event_id_headers, absent)

    def _envelope(self, value: bytes) -> tuple[Envelope, Mapping[str, Encoding]]:
        try:
            if not value.isascii():
                value.decode()
            envelope = self._decode_envelope(value)
            if envelope.payload is UNSET or envelope.op is not None:
                return envelope, _NO_ENCODINGS
            encodings = self._schemas.encodings(_NULL if envelope.schema is UNSET else envelope.schema)
            return self._decode_envelope(envelope.payload), encodings
        except UnicodeDecodeError as error:
            raise MalformedRecord(f"not UTF-8: byte {error.start}") from error
        except msgspec.ValidationError as error:
            raise MalformedRecord(f"not a Debezium envelope: {error}") from error
        except msgspec.DecodeError as error:
            raise MalformedRecord(f"not JSON: {error}" if value else "empty value: not JSON") from error
        except RecursionError as error:
            raise MalformedRecord("nested too deep") from error


class _Change:
    """One record of a tracked table, on its way to an event."""

    __slots__ = ("_encodings", "_envelope", "_reader", "_record", "_source")

    def __init__(
        self, record: Record, envelope: Envelope, source: Source, reader: RowReader, encodings: Mapping[str, Encoding]
    ) -> None:
        self._record, self._envelope, self._source = record, envelope, source
        self._reader, self._encodings = reader, encodings

    def event(
        self, before: Row, after: Row, batch: Batch, id_headers: Sequence[str], absent: Counter[tuple[str, str]]
    ) -> ChangeEvent | str:
        """The event, or `unchanged`."""
        kind, other = self._kind()
        fields = self._fields(kind, before, after, absent)
        if not fields:
            return "unchanged"
        reader, plan, origin = self._reader, self._reader.plan, batch.origin(self._record)
        name = self._name(after if after is not None else before)
        actor = reader.column(after, plan.actor)
        reached_at, identity_ms = self._times()
        return ChangeEvent(
            kind, plan.document_type, name, fields, reached_at, identity_ms,
            None if actor is None else canonical_json(actor, plan.actor),
            identity_of(self._source, self._envelope.transaction, self._record, origin, id_headers),
            origin, other,
        )  # fmt: skip

    def _kind(self) -> tuple[Kind, str | None]:
        """A create or delete with a key header is one half of a rename."""
        kind = _KINDS[self._envelope.op or ""]
        if kind in (Kind.CREATE, Kind.DELETE):
            header = "__debezium.oldkey" if kind is Kind.CREATE else "__debezium.newkey"
            for name, value in headers_of(self._record):
                if name == header:
                    other = key_text(value, self._reader.plan.key)
                    return (Kind.RENAMED_HERE if kind is Kind.CREATE else Kind.RENAMED_AWAY), _checked_name(other)
        return kind, None

    def _fields(self, kind: Kind, before: Row, after: Row, absent: Counter[tuple[str, str]]) -> tuple[FieldChange, ...]:
        if kind in (Kind.DELETE, Kind.RENAMED_AWAY):
            return tuple(FieldChange(name, None, False, None) for name, _, _ in self._reader.tracked)
        changes = []
        for name, attribute, encoding in self._reader.tracked:
            new = getattr(after, attribute)
            if kind is Kind.UPDATE and before is not None and new == getattr(before, attribute) and new is not UNSET:
                continue
            if new is UNSET:
                absent[self._reader.plan.document_type, name] += 1
            change = self._field(kind, name, before, self._reader.available(new), encoding)
            if change is not None:
                changes.append(change)
        return tuple(changes)

    def _field(
        self, kind: Kind, name: str, before: Row, new: Raw | None, configured: Encoding | None
    ) -> FieldChange | None:
        """The change of one field; None if it did not change or cannot be told."""
        if new is None:
            return FieldChange(name, None, False, None, after_known=False) if kind is Kind.RENAMED_HERE else None
        encoding = self._encodings.get(name) or configured or TEXT
        value = canonical_json(new, name, encoding)
        if kind is not Kind.UPDATE:
            return FieldChange(name, None, kind is Kind.CREATE, value)
        old = self._reader.column(before, name)
        if old is None:
            return FieldChange(name, None, False, value)
        old_value = canonical_json(old, name, encoding)
        return None if old_value == value else FieldChange(name, old_value, True, value)

    def _name(self, row: Row) -> str:
        """The document's name: from the configured columns of the row, else the record key, else the row's `name`."""
        key = self._reader.plan.key
        if not key or row is None:
            return _checked_name(key_text(self._record.key(), key))
        columns = [(name, self._reader.column(row, name)) for name in key]
        texts = [None if raw is None else canonical_json(raw, name) for name, raw in columns]
        if None in texts:
            raise MissingKey(f"the row lacks a key column: {', '.join(key)}")
        return _checked_name("|".join(text for text in texts if text is not None))

    def _times(self) -> tuple[int, int]:
        """When it happened (µs), and the time inside the milestone's id (ms): the source's, so that both are the same
        for a change delivered twice."""
        source, envelope = self._source, self._envelope
        if source.ts_ms is None:
            reached_ms = envelope.ts_ms if envelope.ts_ms is not None else self._record.timestamp()[1]
            return checked_time(reached_ms) * 1_000, 0
        reached_ms = checked_time(source.ts_ms)
        if source.ts_us is not None and source.ts_us // 1_000 == reached_ms:
            return source.ts_us, reached_ms
        return reached_ms * 1_000, reached_ms


def _checked_name(name: str) -> str:
    if len(name) * 4 > LONGEST_REFERENCE_NAME and len(name.encode()) > LONGEST_REFERENCE_NAME:
        raise BadValue(f"the document's name is longer than {LONGEST_REFERENCE_NAME:,} bytes", "key")
    storable(name, "key")
    return name


def _skipped_kind(envelope: Envelope) -> str:
    """Why a record without a row change is passed over.

    Raises:
        UnknownOperation: an `op` that Debezium does not document.
        MalformedRecord: an object that is no envelope and nothing that accompanies one.
    """
    if envelope.op is not None:
        if envelope.op in _SKIPPED_OPS:
            return _SKIPPED_OPS[envelope.op]
        raise UnknownOperation("op is none of c, u, d, r, t, m", "op")
    if envelope.ddl is not UNSET:
        return "schema change"
    if envelope.status is not UNSET:
        return "transaction"
    if envelope.ts_ms is not None and envelope.source is None:
        return "heartbeat"
    raise MalformedRecord("not a Debezium envelope: it has no `op`", "op")
