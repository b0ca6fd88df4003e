"""Flattened records (Debezium's ExtractNewRecordState): the row alone, and metadata under a prefix or in headers.

https://debezium.io/documentation/reference/stable/transformations/event-flattening.html. What is not configured in the
connector is not there: without `add.fields=op` a record is taken for an update whose old value is not known.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from consumer.core.records import Record, headers_of
from consumer.core.values import Encoding
from consumer.errors import MalformedRecord
from consumer.formats.debezium_json import skipped_op
from consumer.formats.row_change import KINDS, OLD_KEY, RowChange
from consumer.formats.rows import Row, RowReader
from consumer.formats.source_block import Source, Transaction

_SOURCE_FIELDS = ("ts_ms", "ts_us", "table", "server_id", "gtid", "file", "pos", "row", "txId", "lsn")
_DELETED = "__deleted"  # Whatever the prefix.
_OF_THE_ENVELOPE = ("ts_ms", "ts_us")


class _Wrapped(msgspec.Struct):
    payload: str | int | bool | None


class Metadata:
    """The names that metadata has under a prefix, and what they say."""

    def __init__(self, prefix: str) -> None:
        self._sources = {f"{prefix}source_{name}": name for name in _SOURCE_FIELDS}
        self._sources |= {f"{prefix}{name}": name for name in _SOURCE_FIELDS if name not in _OF_THE_ENVELOPE}
        self.op, self._ts_ms = f"{prefix}op", f"{prefix}ts_ms"
        self._order, self._transaction = f"{prefix}transaction_total_order", f"{prefix}transaction_id"
        own = (self.op, _DELETED, self._ts_ms, self._order, self._transaction)
        self.names = frozenset({*self._sources, *own})

    def change(self, said: Mapping[str, object]) -> Flattened:
        """What metadata says.

        Raises:
            MalformedRecord: a field is not of its type.
        """
        source = {field: said[name] for name, field in self._sources.items() if said.get(name) not in (None, "")}
        transaction = None
        if said.get(self._order) is not None:
            transaction = {"id": said.get(self._transaction), "total_order": said[self._order]}
        op = "d" if str(said.get(_DELETED)).lower() == "true" else said.get(self.op)
        content = {"op": op, "ts_ms": said.get(self._ts_ms), "source": source, "transaction": transaction}
        try:
            return msgspec.convert(content, Flattened, strict=False)
        except msgspec.ValidationError as error:
            raise MalformedRecord(f"not Debezium's metadata of a flattened record: {error}") from error


class Flattened(msgspec.Struct, frozen=True):
    """The metadata of a flattened record."""

    op: str | None
    ts_ms: int | None
    source: Source
    transaction: Transaction | None

    def change(self, row: Row, reader: RowReader, encodings: Mapping[str, Encoding]) -> RowChange | str:
        """The change of the row; a kind if it is none.

        Raises:
            UnknownOperation: an op that Debezium does not document.
        """
        op = self.op or "u"
        if op not in KINDS:
            return skipped_op(op)
        before, after = (row, None) if op == "d" else (None, row)
        return RowChange(op, before, after, self.source, reader, encodings, self.transaction, self.ts_ms)


def said_in_headers(record: Record, metadata: Metadata) -> dict[str, object]:
    """Metadata from headers (`add.headers`), as the header converter wrote it: plain, or as JSON."""
    said: dict[str, object] = {}
    for name, value in headers_of(record):
        if name in metadata.names:
            said[name] = _header_text(name, value)
        elif name == OLD_KEY:
            # The new half of a rename is an insert, whether `__op` says so or nothing does.
            said.setdefault(metadata.op, "c")
    return said


def _header_text(name: str, value: bytes) -> str | None:
    """The text that a header converter wrote: plain, as JSON, or as JSON with its schema."""
    if value.startswith(b"{"):
        try:
            value = msgspec.json.encode(msgspec.json.decode(value, type=_Wrapped).payload)
        except msgspec.MsgspecError as error:
            raise MalformedRecord("a header that is neither a text nor what JsonConverter writes", name) from error
    text = value.decode("utf-8", "replace").strip('"')
    return None if text == "null" else text
