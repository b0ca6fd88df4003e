"""Debezium's envelope as JSON, with and without the schema wrapper, and the minimal change event in the same shape.

https://debezium.io/documentation/reference/stable/connectors/ ("Data change events"); docs/producing.md. One pass over
the bytes tells the table; rows are read only for tables that are tracked, and of them only what trackers need.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Raw, UnsetType

from consumer.core.values import Encoding
from consumer.errors import MalformedRecord, UnknownOperation
from consumer.formats.connect_json import SchemaReader
from consumer.formats.row_change import KINDS, RowChange
from consumer.formats.rows import JsonRows
from consumer.formats.source_block import Source, Transaction
from consumer.formats.tables import Tables

SKIPPED_OPS = {"t": "truncate", "m": "message"}

_TRANSACTION_MARKERS = (Raw(b'"BEGIN"'), Raw(b'"END"'))
_HEARTBEAT = frozenset({"ts_ms", "ts_us", "ts_ns"})
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
    status: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET
    ddl: Raw | UnsetType = UNSET


class DebeziumJson:
    """Reads envelopes of tracked tables."""

    def __init__(self, tables: Tables[JsonRows], schemas: SchemaReader) -> None:
        self._tables = tables
        self._of_table = tables.of_table
        self._schemas = schemas
        self._decode = msgspec.json.Decoder(Envelope).decode
        self._decode_any = msgspec.json.Decoder(dict[str, Raw]).decode

    def change(self, value: bytes | Raw) -> RowChange | str | None:
        """The change of a tracked row, or the kind of record that is none; None for an object that is no envelope.

        Raises:
            MalformedRecord: JSON, but nothing of Debezium's, or a row that cannot be read.
            UnknownOperation: an `op` that Debezium does not document.
            msgspec.DecodeError, RecursionError: not JSON, or not of these types.
        """
        envelope = self._decode(value)
        encodings = _NO_ENCODINGS
        if envelope.op is None and envelope.payload is not UNSET:
            encodings = self._schemas.schema(_NULL if envelope.schema is UNSET else envelope.schema).encodings
            value = envelope.payload
            envelope = self._decode(value)
        op, source = envelope.op, envelope.source
        if op not in KINDS or op is None:
            return self._skipped_kind(envelope, value)
        if source is None:
            return "untracked"
        reader = self._of_table(source.table) or self._tables.of_type(source)
        if reader is None:
            return "untracked"
        before, after = reader.row(envelope.before), reader.row(envelope.after)
        if after is None and op != "d":
            raise MalformedRecord(f"op {op} without `after`", "after")
        return RowChange(op, before, after, source, reader, encodings, envelope.transaction, envelope.ts_ms)

    def kind(self, value: bytes | Raw) -> str | None:
        """The kind of record that accompanies changes; None for one that does not."""
        try:
            envelope = self._decode(value)
        except msgspec.ValidationError:
            return None
        return self._skipped_kind(envelope, value) if envelope.op is None else SKIPPED_OPS.get(envelope.op)

    def _skipped_kind(self, envelope: Envelope, value: bytes | Raw) -> str | None:
        """Why a record without a row change is passed over; None for what may be a row alone."""
        if envelope.op is not None:
            return skipped_op(envelope.op)
        if envelope.ts_ms is None:
            return None
        if envelope.ddl is not UNSET and envelope.source is not None:
            return "schema change"
        if envelope.status in _TRANSACTION_MARKERS and envelope.id is not UNSET:
            return "transaction"
        return "heartbeat" if envelope.source is None and self._decode_any(value).keys() <= _HEARTBEAT else None


def skipped_op(op: str | None) -> str:
    """The kind of an op that changes no row.

    Raises:
        UnknownOperation: Debezium does not document it.
    """
    if op in SKIPPED_OPS:
        return SKIPPED_OPS[op]
    raise UnknownOperation("op is none of c, u, d, r, t, m", "op")
