"""Debezium's envelope as JSON, with and without the schema wrapper, and the minimal change event in the same shape.

https://debezium.io/documentation/reference/stable/connectors/ ("Data change events"); docs/producing.md. Rows are
read only for tables that are tracked, and of them only what trackers need. Most envelopes never come here: glance.py.
"""

from __future__ import annotations

from collections.abc import Mapping

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


class DebeziumJson:
    """Reads envelopes of tracked tables."""

    def __init__(self, tables: Tables[JsonRows], schemas: SchemaReader) -> None:
        self._tables = tables
        self._of_table = tables.of_table
        self._schemas = schemas
        self._decode = msgspec.json.Decoder(Envelope).decode

    def change(self, value: bytes | Raw) -> RowChange | str | None:
        """The change of a tracked row, or the kind of record that is none; None for an object that is no envelope.

        Raises:
            MalformedRecord: an envelope that does not say its table, or a row that cannot be read.
            UnknownOperation: an `op` that Debezium does not document.
            msgspec.DecodeError, RecursionError: not JSON, or not of these types.
        """
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
