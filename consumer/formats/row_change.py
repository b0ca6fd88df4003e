"""One change of a row of a tracked table, whatever format told it, on its way to a change event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

import msgspec
from msgspec import UNSET

from consumer.core.compiled import TrackedField
from consumer.core.events import WITH_VALUES, ChangeEvent, FieldChange, Kind, Rows, SourceIdentity
from consumer.core.records import Batch, Origin, Record, headers_of
from consumer.core.redrive import as_redriven
from consumer.core.trackers import FILLED
from consumer.core.values import TEXT, Encoding
from consumer.errors import BadValue, MissingKey
from consumer.formats.connect_json import storable
from consumer.formats.rows import Cell, Row, RowReader
from consumer.formats.source_block import Source, Transaction, identity_of, times_of

LONGEST_REFERENCE_NAME = 1_000
"""Bytes of UTF-8. A longer one fits no index of PostgreSQL together with its type and field."""

OLD_KEY, NEW_KEY = "__debezium.oldkey", "__debezium.newkey"
"""Headers of the two halves of a changed key, each with the key of the other half."""

KINDS = {"c": Kind.CREATE, "u": Kind.UPDATE, "r": Kind.SNAPSHOT, "d": Kind.DELETE}


class Keys(Protocol):
    """Reads document names from record keys."""

    def name(self, record: Record, columns: tuple[str, ...]) -> str:
        """The name in a record's key; raises Poison."""

    def name_in_header(self, value: bytes, columns: tuple[str, ...]) -> str:
        """The name in a header that holds another record's key; raises Poison."""


class Reading(msgspec.Struct, frozen=True):
    """What turning rows into events needs beside the rows."""

    keys: Keys
    id_headers: tuple[str, ...]
    absent: Counter[tuple[str, str]]


class RowChange(msgspec.Struct, gc=False):
    """What a record says of one row. `encodings` are those that its own schema tells, by column."""

    op: str
    before: Row
    after: Row
    source: Source
    reader: RowReader
    encodings: Mapping[str, Encoding]
    transaction: Transaction | None = None
    ts_ms: int | None = None

    @property
    def unchanged(self) -> bool:
        """Whether it can be told at a glance that no tracked column changed."""
        return self.op == "u" and self.before is not None and self.reader.unchanged(self.before, self.after)

    def event(self, record: Record, batch: Batch, reading: Reading) -> ChangeEvent | str:
        """The event, or `unchanged`.

        Raises:
            Poison: a value, the name, or the time cannot be taken.
        """
        kind, other = self._kind(record, reading.keys)
        name = None
        if other is not None:
            name = self.name(record, reading.keys)
            if name == other:
                # Another column of the key changed: the document stays what it is, and the other half says its values.
                if kind is Kind.RENAMED_AWAY:
                    return "unchanged"
                kind, other = Kind.UPDATE, None
        fields = self._fields(kind, reading.absent)
        if not fields:
            return "unchanged"
        plan, origin = self.reader.plan, batch.origin(record)
        if name is None:
            name = self.name(record, reading.keys)
        reached_at, identity_ms = times_of(self.source, self.ts_ms, record)
        identity = self._identity(kind, record, origin, reading)
        rows = self._rows(kind) if plan.seen and kind in WITH_VALUES else None
        event = ChangeEvent(
            kind, plan.document_type, name, fields, reached_at, identity_ms, self.actor(), identity, origin, other,
            rows=rows,
        )  # fmt: skip
        return as_redriven(event, record)

    def _identity(self, kind: Kind, record: Record, origin: Origin, reading: Reading) -> SourceIdentity:
        source, transaction = self.source, self.transaction
        if kind is Kind.SNAPSHOT:
            # The gtid beside an incremental snapshot's reads is that of some change read just before.
            source, transaction = msgspec.structs.replace(source, gtid=None), None
        return identity_of(source, transaction, record, origin, reading.id_headers)

    def _kind(self, record: Record, keys: Keys) -> tuple[Kind, str | None]:
        """A create or delete with a key header is one half of a rename."""
        kind = KINDS[self.op]
        if kind in (Kind.CREATE, Kind.DELETE):
            header = OLD_KEY if kind is Kind.CREATE else NEW_KEY
            for name, value in headers_of(record):
                if name == header:
                    other = checked_name(keys.name_in_header(value, self.reader.plan.key))
                    return (Kind.RENAMED_HERE if kind is Kind.CREATE else Kind.RENAMED_AWAY), other
        return kind, None

    def _fields(self, kind: Kind, absent: Counter[tuple[str, str]]) -> tuple[FieldChange, ...]:
        reader, plan = self.reader, self.reader.plan
        if kind in (Kind.DELETE, Kind.RENAMED_AWAY):
            return tuple(FieldChange(field.name, None, False, None) for field in plan.fields)
        changes = []
        for field in plan.fields:
            if field.of:
                changes += self._set(kind, field, absent)
                continue
            new = reader.cell(self.after, field.name)
            if new is UNSET:
                absent[plan.document_type, field.name] += 1
            elif kind is Kind.UPDATE and new == reader.cell(self.before, field.name):
                continue
            encoding = self.encodings.get(field.name) or field.encoding or TEXT
            change = self._field(kind, field.name, new, encoding)
            if change is not None:
                changes.append(change)
        return tuple(changes)

    def _field(self, kind: Kind, name: str, new: Cell, encoding: Encoding) -> FieldChange | None:
        """The change of one field; None if it did not change or cannot be told."""
        reader = self.reader
        if new is UNSET or reader.is_placeholder(new):
            return FieldChange(name, None, False, None, after_known=False) if kind is Kind.RENAMED_HERE else None
        value = reader.text(new, name, encoding)
        if kind is not Kind.UPDATE:
            return FieldChange(name, None, kind is Kind.CREATE, value)
        old = reader.cell(self.before, name)
        if old is UNSET or reader.is_placeholder(old):
            return FieldChange(name, None, False, value)
        old_value = reader.text(old, name, encoding)
        return None if old_value == value else FieldChange(name, old_value, True, value)

    def _set(self, kind: Kind, field: TrackedField, absent: Counter[tuple[str, str]]) -> list[FieldChange]:
        """The change of a set of columns, which has a value while all are filled; none if it stayed as it was."""
        for column in field.of:
            if self.reader.cell(self.after, column) is UNSET:
                absent[self.reader.plan.document_type, column] += 1
        value, known = self._filled(self.after, field)
        if not known:
            change = FieldChange(field.name, None, False, None, after_known=False)
            return [change] if kind is Kind.RENAMED_HERE else []
        if kind is not Kind.UPDATE:
            return [FieldChange(field.name, None, kind is Kind.CREATE, value)]
        before, before_known = self._filled(self.before, field)
        return [] if before_known and before == value else [FieldChange(field.name, before, before_known, value)]

    def _filled(self, row: Row, field: TrackedField) -> tuple[str | None, bool]:
        """Whether all columns of a set are filled, and whether the row tells: one that is empty suffices."""
        known = True
        for column in field.of:
            cell = self.reader.cell(row, column)
            if cell is UNSET:
                known = False
            # What was too large to be sent again is not empty.
            elif not self.reader.is_placeholder(cell) and self._text(cell, column) is None:
                return None, True
        return (FILLED, True) if known else (None, False)

    def _rows(self, kind: Kind) -> Rows:
        """What conditions see: of a new document everything was empty before, of one that was read nobody knows."""
        after = self._seen(self.after, self.before)
        if kind is Kind.CREATE:
            return Rows(dict.fromkeys(after), after)
        return Rows(None if self.before is None or kind is Kind.SNAPSHOT else self._seen(self.before, None), after)

    def _seen(self, row: Row, other: Row) -> dict[str, object]:
        """The columns that conditions name; one that was too large to be sent again is what the other row says."""
        reader, plan = self.reader, self.reader.plan
        seen: dict[str, object] = {}
        for column in plan.seen:
            cell = reader.cell(row, column)
            if reader.is_placeholder(cell):
                cell = reader.cell(other, column)
            if cell is not UNSET and not reader.is_placeholder(cell):
                # What cannot be read is not there: a condition that needs it cannot tell, and the others go on.
                with suppress(BadValue):
                    seen[column] = reader.value(cell, column, self._encoding(column))
        return seen

    def _encoding(self, column: str) -> Encoding:
        return self.encodings.get(column) or self.reader.plan.encodings.get(column) or TEXT

    def _text(self, cell: Cell, column: str) -> str | None:
        return self.reader.text(cell, column, self.encodings.get(column) or TEXT)

    def actor(self) -> str | None:
        """Who made it, if the row says."""
        column = self.reader.plan.actor
        cell = self.reader.cell(self.after, column)
        return None if cell is UNSET or self.reader.is_placeholder(cell) else self.reader.text(cell, column, TEXT)

    def name(self, record: Record, keys: Keys) -> str:
        """The document's name: from the configured columns of the row, else from the record key.

        Raises:
            Poison: neither has it.
        """
        columns, row = self.reader.plan.key, self.after if self.after is not None else self.before
        if not columns or row is None:
            return checked_name(keys.name(record, columns))
        cells = [(column, self.reader.cell(row, column)) for column in columns]
        texts = [
            None
            if cell is UNSET or self.reader.is_placeholder(cell)
            else self.reader.text(cell, column, self.encodings.get(column) or TEXT)
            for column, cell in cells
        ]
        if None in texts:
            raise MissingKey(f"the row lacks a key column: {', '.join(columns)}")
        return checked_name("|".join(text for text in texts if text is not None))


def checked_name(name: str) -> str:
    """The name itself, if it can be stored.

    Raises:
        BadValue: it is too long, or holds a NUL.
    """
    if len(name) * 4 > LONGEST_REFERENCE_NAME and len(name.encode()) > LONGEST_REFERENCE_NAME:
        raise BadValue(f"the document's name is longer than {LONGEST_REFERENCE_NAME:,} bytes", "key")
    storable(name, "key")
    return name
