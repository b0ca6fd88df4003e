"""Debezium's envelopes at a glance: what most records of most streams are.

Each is parsed whole, so what is damaged is found, whatever table it is of; but objects are made only of the few words
that tell what it is. What is not so simple is left to a closer look (`JsonRecords`), which says the same of every
record (tests/unit/test_glance.py). Of a name that stands twice in one object the first counts here and the last there:
RFC 8259 leaves that open, and no converter writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from simdjson import Parser

from consumer.core.values import Encoding
from consumer.formats.row_change import KINDS, RowChange
from consumer.formats.rows import JsonRows, tracked_columns
from consumer.formats.source_block import Source, Transaction
from consumer.formats.tables import Tables

_SOURCE, _TABLE, _OP, _BEFORE, _AFTER = b"source", b"table", b"op", b"before", b"after"
_WRAPPER = b'{"schema":'
_LONGEST = 1 << 20
"""Bytes of a value: the parser takes ten times as much memory."""
_TRIES = 32

Seen = RowChange | str | None
"""The change of a tracked row, `unchanged` or `untracked`; None for all that is not so simple."""

_NO_ENCODINGS: Mapping[str, Encoding] = {}
_EXACT = frozenset({str, int, bool, type(None)})
"""Of these, equal values are written alike; of decimals, 1.0 and 1.00 are not."""
_CANNOT_BE_READ = (UnicodeDecodeError, msgspec.DecodeError, RecursionError)
_NOT_SO_SIMPLE = (ValueError, LookupError, TypeError, RuntimeError)


class _Tracked(NamedTuple):
    """How rows of a tracked table are read: the columns whose changes count, and the whole change."""

    rows: JsonRows
    columns: tuple[bytes, ...]
    fully: msgspec.json.Decoder[Any]


class Glance:
    """Reads envelopes by the table that they name."""

    def __init__(self, tables: Tables[JsonRows]) -> None:
        self._tracked = {
            table: _Tracked(rows, tuple(column.encode() for column in tracked_columns(rows.plan)), _decoder(rows.type))
            for table, rows in tables.items()
        }

    def look(self, values: Sequence[bytes | None]) -> list[Seen]:
        """What each of some records says."""
        parse, seen_at_once = Parser(_LONGEST).parse, self._seen
        seen: list[Seen] = []
        unread = _TRIES
        for value in values:
            if value is None:
                seen.append(None)
                continue
            what = seen_at_once(value, parse)
            seen.append(what)
            if what is None:
                unread -= 1
                # Most are something else, and will be so.
                if not unread:
                    break
        return seen + [None] * (len(values) - len(seen))

    def _seen(self, value: bytes, parse: Callable[[bytes], Any]) -> Seen:
        try:
            envelope = parse(value)
            table, op = envelope[_SOURCE][_TABLE], envelope[_OP]
            if op not in KINDS or not isinstance(table, str):
                return None
            tracked = self._tracked.get(table)
            if tracked is None:
                return "untracked" if table else None
            if op == "u" and _unchanged(envelope, tracked.columns):
                return "unchanged"
        except _NOT_SO_SIMPLE:
            return None
        return _change(value, table, tracked)


def _unchanged(envelope: Any, columns: Sequence[bytes]) -> bool:  # noqa: ANN401 - the parser's own
    """Whether it is plain that all columns are there and are what they were."""
    try:
        before, after = envelope[_BEFORE], envelope[_AFTER]
        for column in columns:
            new, old = after[column], before[column]
            if new != old or type(new) is not type(old) or type(new) not in _EXACT:
                return False
    except (KeyError, TypeError):
        return False
    return True


def _change(value: bytes, table: str, tracked: _Tracked) -> Seen:
    try:
        full = tracked.fully.decode(value)
    except _CANNOT_BE_READ:
        return None
    if full.source is None or full.source.table != table or full.op not in KINDS:
        return None
    if full.after is None and full.op != "d":
        return None
    return RowChange(
        full.op, full.before, full.after, full.source, tracked.rows, _NO_ENCODINGS, full.transaction, full.ts_ms
    )


def _decoder(row: type[Any]) -> msgspec.json.Decoder[Any]:
    """Decodes envelopes with rows of this type."""
    rows = [("before", row | None, None), ("after", row | None, None)]
    rest = [("source", Source | None, None), ("transaction", Transaction | None, None)]
    envelope = msgspec.defstruct(
        "Known", [*rows, *rest, ("op", str | None, None), ("ts_ms", int | None, None)], gc=False
    )
    return msgspec.json.Decoder(envelope)
