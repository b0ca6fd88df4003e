"""What a change of a row says of every tracked field, also of those that it tells no change of: for explanations."""

from __future__ import annotations

from msgspec import UNSET

from consumer.core.compiled import TrackedField
from consumer.core.events import ChangeEvent
from consumer.core.records import Batch, Record
from consumer.core.told import NO_COLUMN, PLACEHOLDER, SAME, SAME_NORMALISED, Told
from consumer.formats.row_change import KINDS, Reading, RowChange
from consumer.formats.source_block import times_of


def told_by(change: RowChange, record: Record, batch: Batch, reading: Reading) -> Told:
    """The event of a change if it makes one, and why fields did not change.

    Raises:
        Poison: a value, the name, or the time cannot be taken.
    """
    event = change.event(record, batch, reading)
    plan = change.reader.plan
    if isinstance(event, ChangeEvent):
        name, kind, there = event.reference_name, event.kind.value, {one.track_field for one in event.fields}
        event_or_none: ChangeEvent | None = event
    else:
        name, kind, there, event_or_none = change.name(record, reading.keys), KINDS[change.op].value, set(), None
    unchanged = {field.name: _why(change, field) for field in plan.fields if field.name not in there}
    at, _ = times_of(change.source, change.ts_ms, record)
    return Told(kind, plan.document_type, name, event_or_none, at, change.actor(), unchanged)


def _why(change: RowChange, field: TrackedField) -> str:
    """Why a record tells no change of a field. Of a set of columns, the first reason that is not `unchanged`."""
    reasons = [_why_column(change, column) for column in field.of or (field.name,)]
    return next((reason for reason in reasons if reason != SAME), SAME)


def _why_column(change: RowChange, column: str) -> str:
    reader = change.reader
    new, old = reader.cell(change.after, column), reader.cell(change.before, column)
    if new is UNSET:
        return NO_COLUMN
    if reader.is_placeholder(new):
        return PLACEHOLDER
    return SAME if new == old else SAME_NORMALISED
