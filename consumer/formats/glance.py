"""Debezium's envelopes in one pass: what most records of most streams are.

Nothing that the bytes seem to say is believed before it was read, and what is not so simple is left to a closer look
(`JsonRecords`), which says the same of every record (tests/unit/test_glance.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from consumer.core.values import Encoding
from consumer.formats.row_change import KINDS, RowChange
from consumer.formats.rows import JsonRows
from consumer.formats.source_block import Source, Transaction
from consumer.formats.tables import Tables

_TABLE, _WRAPPER = b'"table":"', b'{"schema":'
_Decode = Callable[[bytes], Any]
_NO_ENCODINGS: Mapping[str, Encoding] = {}


class _NamedSource(msgspec.Struct, gc=False):
    table: str | None = None


class _Named(msgspec.Struct, gc=False):
    """What is read of a record whose table nobody seems to track."""

    source: _NamedSource | None = None
    op: str | None = None


class Glance:
    """Reads an envelope by the table that its bytes seem to name."""

    def __init__(self, tables: Tables[JsonRows]) -> None:
        self._of_table = tables.of_table
        self._decode_named = msgspec.json.Decoder(_Named).decode
        self._readers = {
            msgspec.json.encode(table)[1:-1]: (
                reader,
                _decoder(_NamedSource, reader.tracked_type),
                _decoder(Source, reader.type),
            )
            for table, reader in tables.items()
        }

    def change(self, value: bytes) -> RowChange | str | None:
        """The change of a tracked row, `unchanged` or `untracked`; None for all that is not so simple."""
        found = value.rfind(_TABLE)
        if found < 0 or value[:1] != b"{" or value.startswith(_WRAPPER):
            return None
        name = found + len(_TABLE)
        known = self._readers.get(value[name : value.find(b'"', name)])
        try:
            if not value.isascii():
                value.decode()
            return self._untracked(value) if known is None else self._tracked(value, *known)
        except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
            return None

    def _tracked(self, value: bytes, reader: JsonRows, briefly: _Decode, fully: _Decode) -> RowChange | str | None:
        """Most updates change no tracked column: they are read for that alone, and the others once more."""
        brief = briefly(value)
        op, source, before = brief.op, brief.source, brief.before
        if op not in KINDS or source is None or self._of_table(source.table) is not reader:
            return None
        if op == "u" and before is not None and brief.after is not None and reader.unchanged(before, brief.after):
            return "unchanged"
        full = fully(value)
        if full.after is None and op != "d":
            return None
        return RowChange(op, full.before, full.after, full.source, reader, _NO_ENCODINGS, full.transaction, full.ts_ms)

    def _untracked(self, value: bytes) -> str | None:
        named = self._decode_named(value)
        source = named.source
        if source is None or not source.table or named.op not in KINDS or self._of_table(source.table) is not None:
            return None
        return "untracked"


def _decoder(source: type[Any], row: type[Any]) -> _Decode:
    """Decodes envelopes with this much of their rows and their source."""
    rows = [("before", row | None, None), ("after", row | None, None)]
    rest = [("source", source | None, None), ("transaction", Transaction | None, None)]
    envelope = msgspec.defstruct(
        "Known", [*rows, *rest, ("op", str | None, None), ("ts_ms", int | None, None)], gc=False
    )
    return msgspec.json.Decoder(envelope).decode
