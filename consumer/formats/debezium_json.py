"""Debezium's envelope as JSON, with and without the schema wrapper, and the minimal change event in the same shape.

https://debezium.io/documentation/reference/stable/connectors/ ("Data change events"); docs/producing.md. One pass over
the bytes tells the table; rows are read only for tables that are tracked, and of them only what trackers need.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from consumer.core.values import Encoding
from consumer.errors import MalformedRecord, UnknownOperation
from consumer.formats.connect_json import SchemaReader, is_object, is_wrapper
from consumer.formats.row_change import KINDS, RowChange
from consumer.formats.rows import JsonRows
from consumer.formats.shapes import NO_SOURCE
from consumer.formats.source_block import Source, Transaction
from consumer.formats.tables import Tables

SKIPPED_OPS = {"t": "truncate", "m": "message"}

_TIMES = frozenset({"ts_ms", "ts_us", "ts_ns"})
_TRANSACTION = _TIMES | {"status", "id", "event_count", "data_collections"}
_TRANSACTION_MARKERS = (Raw(b'"BEGIN"'), Raw(b'"END"'))
_SCHEMA_CHANGE = frozenset({"source", "databaseName", "ddl"})
_TABLE, _WRAPPER = b'"table":"', b'{"schema":'
_NULL = Raw(b"null")
_NO_ENCODINGS: Mapping[str, Encoding] = {}


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


class _NamedSource(msgspec.Struct, gc=False):
    table: str | None = None


class _Named(msgspec.Struct, gc=False):
    """What is read of a record whose table nobody seems to track."""

    source: _NamedSource | None = None
    op: str | None = None


class _Glance:
    """Reads an envelope in one pass, by the table that its bytes seem to name: nothing that they say is believed before
    it was read. `None` leaves it to a second, closer look.
    """

    def __init__(self, tables: Tables[JsonRows]) -> None:
        self._of_table = tables.of_table
        self._decode_named = msgspec.json.Decoder(_Named).decode
        self._readers = {
            msgspec.json.encode(table)[1:-1]: (reader, msgspec.json.Decoder(_envelope_of(reader)).decode)
            for table, reader in tables.items()
        }

    def change(self, value: bytes) -> RowChange | str | None:
        """The change of a tracked row, or `untracked`; None for all that is not so simple."""
        found = value.rfind(_TABLE)
        if found < 0 or value.startswith(_WRAPPER):
            return None
        name = found + len(_TABLE)
        known = self._readers.get(value[name : value.find(b'"', name)])
        try:
            if known is None:
                return self._untracked(value)
            reader, decode = known
            envelope = decode(value)
        except (msgspec.DecodeError, RecursionError):
            return None
        op, source, after = envelope.op, envelope.source, envelope.after
        if op not in KINDS or source is None or self._of_table(source.table) is not reader:
            return None
        if after is None and op != "d":
            return None
        before, transaction = envelope.before, envelope.transaction
        return RowChange(op, before, after, source, reader, _NO_ENCODINGS, transaction, envelope.ts_ms)

    def _untracked(self, value: bytes) -> str | None:
        named = self._decode_named(value)
        source = named.source
        if source is None or not source.table or named.op not in KINDS or self._of_table(source.table) is not None:
            return None
        return "untracked"


def _envelope_of(reader: JsonRows) -> type[Any]:
    """An envelope with the rows of one table."""
    rows = [("before", reader.type | None, None), ("after", reader.type | None, None)]
    rest = [("source", Source | None, None), ("transaction", Transaction | None, None)]
    return msgspec.defstruct("Known", [*rows, *rest, ("op", str | None, None), ("ts_ms", int | None, None)], gc=False)


class DebeziumJson:
    """Reads envelopes of tracked tables."""

    def __init__(self, tables: Tables[JsonRows], schemas: SchemaReader) -> None:
        self._tables = tables
        self._of_table = tables.of_table
        self._glance = _Glance(tables).change
        self._schemas = schemas
        self._decode = msgspec.json.Decoder(Envelope).decode

    def change(self, value: bytes | Raw) -> RowChange | str | None:
        """The change of a tracked row, or the kind of record that is none; None for an object that is no envelope.

        Raises:
            MalformedRecord: an envelope that does not say its table, or a row that cannot be read.
            UnknownOperation: an `op` that Debezium does not document.
            msgspec.DecodeError, RecursionError: not JSON, or not of these types.
        """
        seen = self._glance(bytes(value))
        return self.closely(value) if seen is None else seen

    def closely(self, value: bytes | Raw) -> RowChange | str | None:
        """The same, whatever it is, without guessing: in two passes."""
        envelope = self._decode(value)
        encodings = _NO_ENCODINGS
        payload, schema = envelope.payload, envelope.schema
        if envelope.op is None and payload is not UNSET and schema is not UNSET and is_wrapper(payload, schema):
            encodings = self._schemas.schema(schema).encodings
            envelope = self._decode(payload)
        op, source = envelope.op, envelope.source
        if op is None or source is None or (source.table is None and source.document_type is None):
            return None
        if op not in KINDS:
            return skipped_op(op)
        reader = self._of_table(source.table) or self._tables.of_type(source)
        if reader is None:
            return untracked(source)
        before, after = reader.row(envelope.before), reader.row(envelope.after)
        if after is None and op != "d":
            raise MalformedRecord(f"op {op} without `after`", "after")
        return RowChange(op, before, after, source, reader, encodings, envelope.transaction, envelope.ts_ms)


def accompanying(fields: Mapping[str, Raw]) -> str | None:
    """The kind of a record that accompanies changes, by what Debezium puts into it; None for one that does not."""
    names = fields.keys()
    if names <= _TIMES and "ts_ms" in names:
        return "heartbeat"
    if names <= _TRANSACTION and "id" in names and fields.get("status") in _TRANSACTION_MARKERS:
        return "transaction"
    return "schema change" if names >= _SCHEMA_CHANGE and is_object(fields["source"]) else None


def untracked(source: Source) -> str:
    """The kind of a change of a table that nobody tracks.

    Raises:
        MalformedRecord: it says neither table nor document type.
    """
    if not (source.table or source.document_type):
        raise MalformedRecord(NO_SOURCE, "source")
    return "untracked"


def skipped_op(op: str | None) -> str:
    """The kind of an op that changes no row.

    Raises:
        UnknownOperation: Debezium does not document it.
    """
    if op in SKIPPED_OPS:
        return SKIPPED_OPS[op]
    raise UnknownOperation("op is none of c, u, d, r, t, m", "op")
