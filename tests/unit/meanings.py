"""What each kind of rule means, in the plainest words: slow, obvious, and without a line of the program's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

Row = Mapping[str, Any]

MODES: Final = ("every", "first", "after_return")


@dataclass(frozen=True)
class Meaning:
    """What a rule says, in the plainest words: the value of the field in a row, and whether it is one to reach."""

    value: Callable[[Row], Any]
    meets: Callable[[Row, Row | None], bool]

    def every(self, rows: Sequence[Row]) -> list[int]:
        """Each change to another value that is one to reach."""
        return [
            number
            for number, (before, row) in enumerate(zip([None, *rows], rows, strict=False))
            if self._changes(before, row) and self.meets(row, before)
        ]

    def first(self, rows: Sequence[Row]) -> list[int]:
        """The first of them."""
        return self.every(rows)[:1]

    def after_return(self, rows: Sequence[Row]) -> list[int]:
        """Those before which the document was elsewhere: at the last change of the value."""
        found: list[int] = []
        inside = False
        for number, (before, row) in enumerate(zip([None, *rows], rows, strict=False)):
            value = self.value(row)
            if before is not None and self.value(before) == value:
                continue
            meets = value is not None and self.meets(row, before)
            if meets and not inside:
                found.append(number)
            inside = meets
        return found

    def _changes(self, before: Row | None, row: Row) -> bool:
        value = self.value(row)
        return value is not None and (before is None or self.value(before) != value)


def text(column: str) -> Callable[[Row], Any]:
    return lambda row: row[column] or None


def number(row: Row) -> Decimal | None:
    return None if row["amount"] is None else Decimal(str(row["amount"]))


def filled(row: Row) -> str | None:
    return "filled" if row["a"] and row["b"] else None


def always(_: Row, __: Row | None) -> bool:
    return True


def large(row: Row, _: Row | None) -> bool:
    return (number(row) or 0) >= 100


def in_between(row: Row, _: Row | None) -> bool:
    return 5 <= (number(row) or 0) <= 100


def late(row: Row, _: Row | None) -> bool:
    return (row["due"] or "") >= "2026-06-30"


def billed(row: Row, _: Row | None) -> bool:
    return row["status"] in ("Billed", "Closed")


def from_open(row: Row, before: Row | None) -> bool:
    return billed(row, before) and before is not None and before["status"] == "Open"


def condition(row: Row, before: Row | None) -> bool:
    was = None if before is None else before["docstatus"]
    return row["docstatus"] == 1 and was != 1 and row["status"] != "Draft"


KINDS: Mapping[str, tuple[Mapping[str, object], Meaning]] = {
    "any value": ({"track_field": "status"}, Meaning(text("status"), always)),
    "values": ({"track_field": "status", "values": ["Billed", "Closed"]}, Meaning(text("status"), billed)),
    "at_least": ({"track_field": "amount", "at_least": 100, "as": "decimal"}, Meaning(number, large)),
    "between": (
        {"track_field": "amount", "at_least": 5, "at_most": 100.0, "as": "decimal"}, Meaning(number, in_between)
    ),
    "a date": ({"track_field": "due", "at_least": "2026-06-30"}, Meaning(text("due"), late)),
    "filled": ({"filled": ["a", "b"]}, Meaning(filled, always)),
    "docstatus": (
        {"docstatus": "submitted"}, Meaning(lambda row: row["docstatus"], lambda row, _: row["docstatus"] == 1)
    ),
    "when": (
        {"track_field": "status", "when": 'after.docstatus == 1 && before.docstatus != 1 && after.status != "Draft"'},
        Meaning(text("status"), condition),
    ),
}  # fmt: skip
