"""Rows that were decoded from Avro."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import cast

from msgspec import UNSET

from consumer.core.compiled import DocumentPlan
from consumer.core.values import Encoding, Scalar, canonical, typed
from consumer.errors import Poison
from consumer.formats.connect_json import placeholders, storable
from consumer.formats.rows import Cell, Row, tracked_columns


class AvroRows:
    """Rows that are dictionaries of values."""

    def __init__(self, plan: DocumentPlan, unavailable: str) -> None:
        self.plan = plan
        self._unavailable = placeholders(unavailable)
        self.tracked = tracked_columns(plan)

    def unchanged(self, before: Row, after: Row) -> bool:
        """Whether every tracked column is there and has the same value."""
        old, new = cast("Mapping[str, object]", before), cast("Mapping[str, object]", after)
        for name in self.tracked:  # noqa: SIM110 - a generator would take most of the time.
            if name not in new or name not in old or new[name] != old[name]:
                return False
        return True

    def cell(self, row: Row, column: str) -> Cell:
        """The column's value."""
        return UNSET if row is None else cast("Mapping[str, object]", row).get(column, UNSET)

    def is_placeholder(self, cell: Cell) -> bool:
        """Whether this is Debezium's word for a column it did not see, in any of its forms."""
        return cell in self._unavailable

    def text(self, cell: Cell, column: str, encoding: Encoding) -> str | None:
        """The canonical text; raises Poison naming the column."""
        try:
            return storable(canonical(cast("Scalar", cell), encoding), column)
        except Poison as error:
            error.field = error.field or column
            raise

    def value(self, cell: Cell, column: str, encoding: Encoding) -> object:
        """The value as a condition has it; raises Poison naming the column."""
        bare = bool if isinstance(cell, bool) else float if isinstance(cell, int | float | Decimal) else str
        return typed(self.text(cell, column, encoding), encoding, bare)
