"""Tables with a column of every type: their SQL, and the rows that a capture writes into them.

The SQL is of literals because it is the literals that are on trial, and none comes from outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_NULL = "NULL"


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name, its declared type, and SQL literals to store in it; a row takes one of them in turn."""

    name: str
    declared: str
    literals: tuple[str, ...]
    must_have: bool = False
    """NOT NULL: the row of NULLs leaves it to its default."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows are told apart by `id` and whose versions of a row by `rev`."""

    name: str
    columns: tuple[Column, ...]
    quote: str

    @property
    def quoted(self) -> str:
        """The name as SQL takes it."""
        return self._quoted(self.name)

    def create(self) -> str:
        """The CREATE TABLE statement."""
        columns = [f"{self._quoted(column.name)} {column.declared}" for column in self.columns]
        parts = ["id int not null primary key", "rev int not null", *columns]
        return f"CREATE TABLE {self.quoted} ({', '.join(parts)})"

    def count(self) -> int:
        """How many rows hold each literal at least once; one more row holds the NULLs."""
        return max(len(column.literals) for column in self.columns)

    def inserts(self, first_id: int) -> Iterator[str]:
        """One row for each literal, and one of NULLs; ids count up from `first_id`."""
        for at in range(self.count() + 1):
            names, literals = zip(*self._row(at), strict=True)
            columns = ", ".join(["id", "rev", *map(self._quoted, names)])
            yield f"INSERT INTO {self.quoted} ({columns}) VALUES ({first_id + at}, 1, {', '.join(literals)})"  # noqa: S608

    def updates(self, first_id: int) -> Iterator[str]:
        """Each of these rows takes the values of the next one, so that NULLs come and go."""
        rows = self.count() + 1
        for at in range(rows):
            changed = ", ".join(f"{self._quoted(name)} = {literal}" for name, literal in self._row((at + 1) % rows))
            yield f"UPDATE {self.quoted} SET rev = 2, {changed} WHERE id = {first_id + at}"  # noqa: S608

    def delete(self, id_: int) -> str:
        """The DELETE of one row."""
        return f"DELETE FROM {self.quoted} WHERE id = {id_}"  # noqa: S608

    def _row(self, at: int) -> Sequence[tuple[str, str]]:
        if at == self.count():
            return [(column.name, _NULL) for column in self.columns if not column.must_have]
        return [(column.name, column.literals[at % len(column.literals)]) for column in self.columns]

    def _quoted(self, name: str) -> str:
        return f"{self.quote}{name}{self.quote}"
