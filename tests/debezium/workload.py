"""A seeded workload of SQL on Frappe-shaped documents, as transactions; it knows which documents there are."""

# ruff: noqa: S608 - SQL of names and literals of this file.

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

from tests.debezium.documents import Dialect

Transaction = Sequence[str]

_STATES = ("Draft", "Open", "Working", "On Hold", "Completed", "completed", "Überfällig")
_DAYS = ("2024-02-29", "1969-12-31", "2031-01-01")


class Workload:
    """Transactions in an order that the seed decides; each must be committed before the next is asked for."""

    def __init__(self, dialect: Dialect, seed: int) -> None:
        self._dialect = dialect
        self._draw = Random(seed)
        self._names: dict[str, list[str]] = {"Sales Order": [], "Task": []}
        self._deleted: dict[str, list[str]] = {"Sales Order": [], "Task": []}
        self._made = 0
        self._kinds: Sequence[tuple[int, Callable[[str], Transaction]]] = (
            (12, self._create),
            (30, self._change),
            (10, self._several_changes),
            (8, self._save_without_change),
            (6, self._bulk),
            (6, self._rolled_back),
            (5, self._rename),
            (3, self._rename_and_change),
            (5, self._delete),
            (3, self._come_back),
        )

    def documents(self, count: int) -> Iterator[Transaction]:
        """New documents of both types, one a transaction."""
        for _ in range(count):
            for document_type in self._names:
                yield self._create(document_type)

    def transactions(self, count: int) -> Iterator[Transaction]:
        """So many transactions of all kinds; a transaction that ends with ROLLBACK leaves nothing."""
        weights = [weight for weight, _ in self._kinds]
        for _ in range(count):
            (_, make), document_type = self._draw.choices(self._kinds, weights)[0], self._draw.choice([*self._names])
            yield [self._dialect.sql(statement) for statement in make(document_type)]

    def _create(self, document_type: str) -> Transaction:
        self._made += 1
        return self._insert(document_type, f"{document_type[:1]}-{self._made:04}")

    def _insert(self, document_type: str, name: str) -> Transaction:
        self._names[document_type].append(name)
        columns = dict.fromkeys(("name", "modified_by", *_fields(document_type)))
        values = {**columns, "name": f"'{name}'", "modified_by": "'Administrator'"}
        values.update({field: self._value(field) for field in _fields(document_type)})
        listed = ", ".join(str(value) for value in values.values())
        return [self._dialect.sql(f"INSERT INTO «tab{document_type}» ({', '.join(values)}) VALUES ({listed})")]

    def _change(self, document_type: str) -> Transaction:
        return [self._update(document_type, self._any(document_type))]

    def _several_changes(self, document_type: str) -> Transaction:
        """Of one document, and of others in between."""
        name = self._any(document_type)
        names = [name, self._any(document_type), name, self._any(document_type), name]
        return [self._update(document_type, each) for each in names]

    def _save_without_change(self, document_type: str) -> Transaction:
        where = f"WHERE name = '{self._any(document_type)}'"
        return [f"UPDATE «tab{document_type}» SET modified_by = 'user-{self._draw.randrange(1_000)}' {where}"]

    def _bulk(self, document_type: str) -> Transaction:
        """Many documents by one statement."""
        before, after = self._draw.sample(_STATES, 2)
        return [f"UPDATE «tab{document_type}» SET status = '{after}' WHERE status = '{before}'"]

    def _rolled_back(self, document_type: str) -> Transaction:
        lost = self._any(document_type)
        return [
            self._update(document_type, lost),
            f"INSERT INTO «tab{document_type}» (name, status) VALUES ('never-{self._draw.randrange(10**9)}', 'Open')",
            f"DELETE FROM «tab{document_type}» WHERE name = '{lost}'",
            "ROLLBACK",
        ]

    def _rename(self, document_type: str) -> Transaction:
        old = self._any(document_type)
        self._made += 1
        new = f"{old.split('/')[0]}/{self._made}"
        self._names[document_type].remove(old)
        self._names[document_type].append(new)
        return [f"UPDATE «tab{document_type}» SET name = '{new}' WHERE name = '{old}'"]

    def _rename_and_change(self, document_type: str) -> Transaction:
        """The document changes under its new name in the same transaction."""
        renamed = self._rename(document_type)
        return [*renamed, self._update(document_type, self._names[document_type][-1])]

    def _delete(self, document_type: str) -> Transaction:
        name = self._any(document_type)
        self._names[document_type].remove(name)
        if "/" not in name:
            self._deleted[document_type].append(name)
        return [f"DELETE FROM «tab{document_type}» WHERE name = '{name}'"]

    def _come_back(self, document_type: str) -> Transaction:
        """A deleted document's name is used again; a renamed one's never is."""
        if not self._deleted[document_type]:
            return self._create(document_type)
        return self._insert(document_type, self._deleted[document_type].pop())

    def _any(self, document_type: str) -> str:
        if len(self._names[document_type]) < 5:
            raise RuntimeError(f"too few documents of {document_type} are left; begin with more")
        return self._draw.choice(self._names[document_type])

    def _update(self, document_type: str, name: str) -> str:
        fields = self._draw.sample(_fields(document_type), self._draw.choice((1, 1, 2)))
        changed = ", ".join(f"{field} = {self._value(field)}" for field in fields)
        return f"UPDATE «tab{document_type}» SET {changed} WHERE name = '{name}'"

    def _value(self, field: str) -> str:
        draw = self._draw
        if field != "grand_total" and draw.random() < 0.1:
            return draw.choice(("NULL", "NULL" if field == "exp_end_date" else "''"))
        match field:
            case "status":
                return f"'{draw.choice(_STATES)}'"
            case "grand_total":
                return draw.choice(("0", "1.5", "1.50", "-0.000000001", "999999999999.999999999", "1200"))
            case "exp_end_date":
                return f"'{draw.choice(_DAYS)}'"
            case _:  # Long enough to be kept out of the row.
                return f"repeat('{draw.choice('abc')}-0123456789', 300)"


def _fields(document_type: str) -> tuple[str, ...]:
    return {
        "Sales Order": ("status", "grand_total", "terms"),
        "Task": ("status", "exp_end_date", "description"),
    }[document_type]
