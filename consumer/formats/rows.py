"""Rows of one table, as one format has them: what a change needs of them, and the JSON kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Any, Protocol, TypeAlias, cast

import msgspec
from msgspec import UNSET, Raw, UnsetType

from consumer.core.compiled import DocumentPlan
from consumer.core.values import TEXT, Encoding, typed
from consumer.errors import MalformedRecord, Poison
from consumer.formats.connect_json import canonical_json, placeholders_in_json, small_number

Row: TypeAlias = object | None
"""A row in the form of its reader; None for a null row."""

Cell: TypeAlias = object
"""The value of a column in the form of its reader; UNSET where the row does not have the column."""


class RowReader(Protocol):
    """Reads the rows of one table."""

    @property
    def plan(self) -> DocumentPlan: ...

    def unchanged(self, before: Row, after: Row) -> bool:
        """Whether every tracked column is there and the same: most updates end here."""

    def cell(self, row: Row, column: str) -> Cell:
        """A column of a row, UNSET if the row is null or has no such column."""

    def is_placeholder(self, cell: Cell) -> bool:
        """Whether this is Debezium's word for a column it did not see."""

    def text(self, cell: Cell, column: str, encoding: Encoding) -> str | None:
        """The canonical text; raises Poison naming the column."""

    def value(self, cell: Cell, column: str, encoding: Encoding) -> object:
        """The value as a condition has it: see `core.values.typed`; raises Poison naming the column."""


_SHORT = 64
"""Bytes. States and users are shorter, and there are few of them; what is longer is not worth remembering."""


@lru_cache(maxsize=4_096)
def _short_text(json: bytes) -> str | None:
    return canonical_json(Raw(json), "")


def columns_of(plan: DocumentPlan) -> tuple[str, ...]:
    """The columns that are read of a table, and no others."""
    return tuple(dict.fromkeys((*tracked_columns(plan), *plan.seen, *plan.key, plan.actor)))


def tracked_columns(plan: DocumentPlan) -> tuple[str, ...]:
    """The columns whose changes count."""
    return tuple(dict.fromkeys(column.name for column in plan.columns))


class JsonRows:
    """Rows that are JSON objects: only the columns that the plan names are read, each still JSON."""

    def __init__(self, plan: DocumentPlan, unavailable: str) -> None:
        self.plan = plan
        columns = columns_of(plan)
        self._attributes = {name: f"c{at}" for at, name in enumerate(columns)}
        tracked = [self._attributes[column] for column in tracked_columns(plan)]
        self.type = self._type(self._attributes.values(), UNSET)
        # Of `before` and `after`, with those columns whose changes count: what neither of them has is not equal.
        self.brief_types = self._type(tracked, UNSET), self._type(tracked, None)
        self.brief: Callable[[object], object] = attrgetter(*tracked)
        self._decode: Callable[[Raw | bytes], Row] = msgspec.json.Decoder(self.type | None).decode
        self._unavailable = frozenset(bytes(form) for form in placeholders_in_json(unavailable))
        # The first one twice: of one column alone it would be no tuple.
        self._tracked: Callable[[object], tuple[Cell, ...]] = attrgetter(tracked[0], *tracked)

    def _type(self, attributes: Iterable[str], absent: object) -> type[Any]:
        """Rows with these columns, and what stands for one that is not there."""
        return msgspec.defstruct(
            "Row",
            [(attribute, Raw | UnsetType, absent) for attribute in attributes],
            rename={attribute: name for name, attribute in self._attributes.items()},
            gc=False,
        )

    def row(self, text: Raw | bytes) -> Row:
        """The row.

        Raises:
            MalformedRecord: it is no object.
        """
        try:
            return self._decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise MalformedRecord(f"a row cannot be read: {error}") from error

    def unchanged(self, before: Row, after: Row) -> bool:
        """Whether every tracked column is there and byte for byte the same."""
        tracked = self._tracked
        new = tracked(after)
        return new == tracked(before) and UNSET not in new

    def cell(self, row: Row, column: str) -> Cell:
        """The column's JSON."""
        return UNSET if row is None else getattr(row, self._attributes[column])

    def is_placeholder(self, cell: Cell) -> bool:
        """Whether this is Debezium's word for a column it did not see, in any of its forms."""
        return isinstance(cell, Raw) and bytes(cell) in self._unavailable

    def text(self, cell: Cell, column: str, encoding: Encoding) -> str | None:
        """The canonical text; raises Poison naming the column."""
        if not isinstance(cell, Raw):
            return None
        if encoding is not TEXT or len(json := bytes(cell)) > _SHORT:
            return canonical_json(cell, column, encoding)
        try:
            return _short_text(json)
        except Poison as error:
            error.field = column
            raise

    def value(self, cell: Cell, column: str, encoding: Encoding) -> object:
        """The value as a condition has it; raises Poison naming the column."""
        raw = cast("Raw", cell)
        if encoding is TEXT and (number := small_number(raw)) is not None:
            return number
        text = canonical_json(raw, column, encoding)
        first = bytes(raw)[:1]
        bare = bool if first in (b"t", b"f") else str if first in (b'"', b"{", b"[") else float
        return typed(text, encoding, bare)
