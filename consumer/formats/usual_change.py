"""Changes in which everything is as it usually is: compiled code read all that their events need.

What `RowChange` says of the same record is what counts (tests/native): here it is said with less of everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from consumer.core.compiled import DocumentPlan
from consumer.core.events import ChangeEvent, FieldChange, Kind, SourceIdentity
from consumer.core.records import Batch, Record, headers_of
from consumer.core.redrive import as_redriven
from consumer.core.values import TEXT
from consumer.formats.connect_json import placeholders
from consumer.formats.glance import WholeChange
from consumer.formats.row_change import Reading, RowChange, checked_name
from consumer.formats.rows import tracked_columns
from consumer.native import Facts, TableColumns


class UsualTable:
    """A tracked table: which of its changes are usual, and all others.

    Args:
        unavailable: Debezium's word for a column that it did not see.
    """

    def __init__(self, table: str, whole: WholeChange, unavailable: str) -> None:
        plan, tracked = whole.rows.plan, tracked_columns(whole.rows.plan)
        self.plan, self._whole = plan, whole
        self.fields = tracked
        beside = () if plan.actor in tracked else (plan.actor,)
        self.actor = (*tracked, *beside).index(plan.actor)
        self.columns: TableColumns = (table.encode(), _named(tracked), _named(beside) if _is_simple(plan) else None)
        self._placeholders = frozenset(form for form in placeholders(unavailable) if isinstance(form, str))

    def change(self, facts: Facts | None, value: bytes, name: str | None = None) -> RowChange | UsualChange | None:
        """The change that a record of this table seems to be; None for all that is not so simple.

        Args:
            facts: what compiled code read of it; None where something is unusual.
            name: what it read of the key, of a record without headers; None where it read none.
        """
        if facts is None:
            return self._whole.read(value)
        before, after = facts[:2]
        if self._placeholders.isdisjoint(after) and (before is None or self._placeholders.isdisjoint(before)):
            return UsualChange(self, facts, name)
        return self._whole.read(value)

    def in_full(self, record: Record) -> RowChange:
        """A change that is usual, with all that it says."""
        return cast("RowChange", self._whole.read(record.value() or b""))


class UsualChange(msgspec.Struct, gc=False):
    """An update of a row that is known, or a new row: its tracked columns are texts or empty."""

    table: UsualTable
    facts: Facts
    name: str | None

    def event(self, record: Record, batch: Batch, reading: Reading) -> ChangeEvent | str:
        """The event, or `unchanged`: see `RowChange`.

        Raises:
            Poison: the name cannot be taken, or what a header says.
        """
        before, after, identity, reached_at, identity_ms = self.facts
        if before is None:
            if self.name is None and headers_of(record):  # One of them may make it half of a rename.
                return self.table.in_full(record).event(record, batch, reading)
            kind, fields = Kind.CREATE, _filled(self.table.fields, after)
        else:
            kind, fields = Kind.UPDATE, _changed(self.table.fields, before, after)
            if not fields:
                return "unchanged"
        plan, origin = self.table.plan, batch.origin(record)
        name = self.name or checked_name(reading.keys.name(record, ()))
        event = ChangeEvent(
            kind, plan.document_type, name, fields, reached_at, identity_ms, after[self.table.actor],
            SourceIdentity(*identity), origin,
        )  # fmt: skip
        return event if self.name else as_redriven(event, record)


def _changed(
    names: Sequence[str], before: Sequence[str | None], after: Sequence[str | None]
) -> tuple[FieldChange, ...]:
    # Behind the tracked columns `after` has another: the actor.
    pairs = zip(names, before, after, strict=False)
    return tuple([FieldChange(name, old, True, new) for name, old, new in pairs if old != new])


def _filled(names: Sequence[str], after: Sequence[str | None]) -> tuple[FieldChange, ...]:
    return tuple([FieldChange(name, None, True, new) for name, new in zip(names, after, strict=False)])


def _is_simple(plan: DocumentPlan) -> bool:
    """Whether an event needs nothing of a row but texts: no condition sees it, and the key names the document."""
    return not (plan.seen or plan.key) and all(not field.of and field.encoding in (None, TEXT) for field in plan.fields)


def _named(columns: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(column.encode() for column in columns)
