"""Which rows are read, and by whom: tables of the trackers by the names that records give them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from consumer.core.compiled import DocumentPlan
from consumer.core.trackers import FOLLOWED_TYPE, OWN_TABLES
from consumer.formats.source_block import Source

_Rows = TypeVar("_Rows")

_NOT_IN_A_TOPIC = re.compile(r"[^a-zA-Z0-9._-]")
_NOT_IN_A_SCHEMA = re.compile(r"[^a-zA-Z0-9_]")


class Tables(Generic[_Rows]):
    """The reader of each tracked table.

    Args:
        plans: what is read of each table.
        make: makes a reader of a plan, once for each.
    """

    def __init__(self, plans: Mapping[str, DocumentPlan], make: Callable[[DocumentPlan], _Rows]) -> None:
        self._of: dict[str | None, _Rows] = {
            table: make(plan)
            for table, plan in plans.items()
            if table not in OWN_TABLES or plan.document_type == FOLLOWED_TYPE
        }
        self.of_table = self._of.get
        self._of_type = {plans[table].document_type: rows for table, rows in self._of.items() if table is not None}
        self._of_sanitised = {form: rows for table, rows in self._of.items() for form in _sanitised(table or "")}

    @property
    def none(self) -> bool:
        """Whether nobody tracks anything."""
        return not self._of

    def items(self) -> Iterator[tuple[str, _Rows]]:
        """The tracked tables, each with its reader."""
        return ((table, rows) for table, rows in self._of.items() if table is not None)

    @property
    def names(self) -> Iterator[str]:
        """The tracked tables."""
        return (table for table in self._of if table is not None)

    @property
    def document_types(self) -> Iterator[str]:
        """The tracked document types."""
        return iter(self._of_type)

    def of_type(self, source: Source) -> _Rows | None:
        """By the document type of a source that names no table."""
        return None if source.table else self._of_type.get(source.document_type or "")

    def of_source(self, source: Source) -> _Rows | None:
        """By what a source block says."""
        return self.of_table(source.table) or self.of_type(source)

    def of_name(self, name: str) -> _Rows | None:
        """By the last part of a topic's or a schema's name, in which Debezium replaced what is not allowed there."""
        last = name.rpartition(".")[2]
        return self._of.get(last) or self._of_sanitised.get(last) or self._with_a_dot(name, self._of_sanitised)

    def of_identifier(self, identifier: str) -> _Rows | None:
        """By a table's whole name, `<database or schema>.<table>`."""
        return self._of.get(identifier.rpartition(".")[2]) or self._with_a_dot(identifier, self._of)

    def _with_a_dot(self, name: str, forms: Mapping[Any, _Rows]) -> _Rows | None:
        """A table whose own name has a dot."""
        dotted = (rows for form, rows in forms.items() if form and "." in form and name.endswith(f".{form}"))
        return next(dotted, None)


def _sanitised(table: str) -> set[str]:
    return {_NOT_IN_A_TOPIC.sub("_", table), _NOT_IN_A_SCHEMA.sub("_", table)}
