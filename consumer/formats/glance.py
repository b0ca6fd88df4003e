"""Debezium's envelopes in few passes: what most records of most streams are.

Nothing that the bytes seem to say is believed before it was read, and what is not so simple is left to a closer look
(`JsonRecords`), which says the same of every record (tests/unit/test_glance.py). Where it was compiled, `native_glance`
says the same in a fraction of the time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from consumer.core.values import Encoding
from consumer.formats.row_change import KINDS, RowChange
from consumer.formats.rows import JsonRows
from consumer.formats.source_block import Source, Transaction
from consumer.formats.tables import Tables

if TYPE_CHECKING:
    from consumer.core.events import ChangeEvent
    from consumer.core.records import Batch, Record
    from consumer.formats.row_change import Reading

_TABLE, _WRAPPER = b'"table":"', b'{"schema":'
_NAME = len(_TABLE)
_OPEN, _CLOSE = b"{}"
_TOGETHER = 32
"""Values that are decoded in one call: not so many that they would not stay in the processor's cache."""

_Seen = RowChange | str | None
"""The change of a tracked row, `unchanged` or `untracked`; None for all that is not so simple."""

_NO_ENCODINGS: Mapping[str, Encoding] = {}
_CANNOT_BE_READ = (UnicodeDecodeError, msgspec.DecodeError, RecursionError)


class Change(Protocol):
    """A change of a tracked row."""

    def event(self, record: Record, batch: Batch, reading: Reading) -> ChangeEvent | str:
        """The event, or `unchanged`; raises Poison."""


class Glanced(NamedTuple):
    """What some records say: of tables that nobody tracks, or no change of what anybody tracks.

    `others`: by its place among the records, the change of a tracked row; None for all that is not so simple.
    """

    untracked: int
    unchanged: int
    others: Sequence[tuple[int, Change | None]]


class _NamedSource(msgspec.Struct, gc=False):
    table: str | None = None


class _Named(msgspec.Struct, gc=False):
    """What is read of a record whose table nobody seems to track."""

    source: _NamedSource | None = None
    op: str | None = None


class WholeChange:
    """Reads envelopes of one table in full."""

    def __init__(self, rows: JsonRows) -> None:
        self.rows = rows
        self._decoder = _decoder(Source, rows.type, rows.type)

    def read(self, text: bytes) -> RowChange | None:
        """The change, of a record that is of this table; None for all that is not so simple."""
        full = _alone(self._decoder, text)
        if full is None or (full.after is None and full.op != "d"):
            return None
        return RowChange(
            full.op, full.before, full.after, full.source, self.rows, _NO_ENCODINGS, full.transaction, full.ts_ms
        )


class _Tracked(NamedTuple):
    """How rows of a tracked table are read: for the columns whose changes count, and in full."""

    rows: JsonRows
    briefly: msgspec.json.Decoder[Any]
    whole: WholeChange


class Glance:
    """Reads envelopes by the table that their bytes seem to name."""

    def __init__(self, tables: Tables[JsonRows]) -> None:
        self._of_table = tables.of_table
        self._named = msgspec.json.Decoder(_Named)
        self._tracked = {
            msgspec.json.encode(table)[1:-1]: _Tracked(
                rows, _decoder(_NamedSource, *rows.brief_types), WholeChange(rows)
            )
            for table, rows in tables.items()
        }

    def look(self, values: Sequence[bytes | None]) -> Glanced:
        """What some records say."""
        seen = self._see(values)
        others = [(place, one) for place, one in enumerate(seen) if not isinstance(one, str)]
        untracked = seen.count("untracked")
        return Glanced(untracked, len(seen) - untracked - len(others), others)

    def _see(self, values: Sequence[bytes | None]) -> list[_Seen]:
        seen: list[_Seen] = [None] * len(values)
        if next((value for value in values if value is not None), b"").startswith(_WRAPPER):
            return seen  # They are wrapped all alike, mostly.
        for table, places in self._by_table(values).items():
            tracked = self._tracked.get(table)
            for start in range(0, len(places), _TOGETHER):
                some = places[start : start + _TOGETHER]
                texts = [values[place] or b"" for place in some]
                if tracked is None:
                    self._see_untracked(texts, some, seen)
                else:
                    self._see_changes(texts, some, seen, tracked)
        return seen

    def _by_table(self, values: Iterable[bytes | None]) -> Mapping[bytes, list[int]]:
        """Where the envelopes of each tracked table seem to be, and under no name those of all others."""
        places: defaultdict[bytes, list[int]] = defaultdict(list)
        known = self._tracked
        for place, value in enumerate(values):
            if value is None or (found := value.rfind(_TABLE)) < 0 or value[0] != _OPEN or value[-1] != _CLOSE:
                continue
            name = found + _NAME
            table = value[name : value.find(b'"', name)]
            places[table if table in known else b""].append(place)
        return places

    def _see_untracked(self, texts: Sequence[bytes], places: Sequence[int], seen: list[_Seen]) -> None:
        of_table = self._of_table
        for place, named in zip(places, _decoded(self._named, texts), strict=True):
            source = None if named is None else named.source
            if source is not None and source.table and named.op in KINDS and of_table(source.table) is None:
                seen[place] = "untracked"

    def _see_changes(self, texts: Sequence[bytes], places: Sequence[int], seen: list[_Seen], tracked: _Tracked) -> None:
        """Most updates change no tracked column: they are read for that alone, and the others once more."""
        rows, of_table = tracked.rows, self._of_table
        columns = rows.brief
        for at, brief in enumerate(_decoded(tracked.briefly, texts)):
            if brief is None or brief.source is None or of_table(brief.source.table) is not rows:
                continue
            op, before, after = brief.op, brief.before, brief.after
            if op == "u" and before is not None and after is not None and columns(before) == columns(after):
                seen[places[at]] = "unchanged"
            elif op in KINDS:
                seen[places[at]] = tracked.whole.read(texts[at])


def _decoded(decoder: msgspec.json.Decoder[Any], texts: Sequence[bytes]) -> Sequence[Any]:
    """Each of some texts that begin with `{` and end with `}`; None for those that cannot be read.

    A line's end between two braces is never inside of a value: so there are as many values as texts, or more, and
    where there are as many, each is one text's.
    """
    lines = b"\n".join(texts)
    try:
        if not lines.isascii():
            lines.decode()
        decoded: list[Any] = decoder.decode_lines(lines)
    except _CANNOT_BE_READ:
        decoded = []
    return decoded if len(decoded) == len(texts) else [_alone(decoder, text) for text in texts]


def _alone(decoder: msgspec.json.Decoder[Any], text: bytes) -> Any:  # noqa: ANN401 - a struct made for the table
    try:
        if not text.isascii():
            text.decode()
        return decoder.decode(text)
    except _CANNOT_BE_READ:
        return None


def _decoder(source: type[Any], before: type[Any], after: type[Any]) -> msgspec.json.Decoder[Any]:
    """Decodes envelopes with this much of their source and their rows."""
    rows = [("before", before | None, None), ("after", after | None, None)]
    rest = [("source", source | None, None), ("transaction", Transaction | None, None)]
    envelope = msgspec.defstruct(
        "Known", [*rows, *rest, ("op", str | None, None), ("ts_ms", int | None, None)], gc=False
    )
    return msgspec.json.Decoder(envelope)
