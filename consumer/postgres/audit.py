"""What an audit reads of PostgreSQL, all of it as it stood at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg.sql import SQL, Literal

from consumer.core.audit import RevisionStart, SilentRow
from consumer.core.milestones import Milestone
from consumer.core.positions import StoredPosition
from consumer.core.records import LastRecord, Partition
from consumer.postgres.arrays import array
from consumer.postgres.connection import Connection, connect, translated
from consumer.postgres.migrate import check_schema
from consumer.postgres.statements import statements

_SQL = statements("audit.sql")
_ROWS_AT_ONCE = 2_000


class AuditedTables:
    """One read-only transaction: what workers store meanwhile is not seen."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def positions(self) -> dict[Partition, StoredPosition]:
        """All positions."""
        rows: list[Any] = self._connection.execute(_SQL["positions"]).fetchall()
        return {Partition(row[0], row[2]): _position(row) for row in rows}

    def snapshot(self) -> str:
        """The name under which another session sees the same, as long as this transaction is open."""
        row: Any = self._connection.execute(_SQL["snapshot"]).fetchone()
        return str(row[0])

    def revision_starts(self) -> list[RevisionStart]:
        """Where each revision of the trackers began."""
        rows: list[Any] = self._connection.execute(_SQL["revision_starts"]).fetchall()
        return [RevisionStart(*row) for row in rows]

    def trackers(self) -> dict[str, str]:
        """The trackers (JSON) of each revision that was ever evaluated with."""
        rows: list[Any] = self._connection.execute(_SQL["trackers_of_revisions"]).fetchall()
        return dict(rows)

    def dead_letters(self, topic_id: str, partition: int, first: int, last: int) -> set[int]:
        """The offsets between two, both included, that are dead letters."""
        return dead_letters_between(self._connection, topic_id, partition, (first, last))

    def milestones(self, topic_ids: Sequence[str]) -> Iterator[Milestone]:
        """All milestones that records of these topics made, in order of their ids."""
        return milestones_of(self._connection, "milestones_by_id", {"topic_ids": array(list(topic_ids))})

    def silent(self, topic_ids: Sequence[str]) -> Iterator[SilentRow]:
        """The silent rows that records of these topics made: of which document and field, by which revision, where."""
        with self._connection.cursor("silent") as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            cursor.execute(_SQL["silent_rows"], {"topic_ids": array(list(topic_ids))})
            rows: Iterator[Any] = iter(cursor)
            yield from (SilentRow(*row) for row in rows)

    def deleted(self, ids: Sequence[str]) -> set[str]:
        """Those of these milestones that somebody deleted."""
        rows: list[Any] = self._connection.execute(_SQL["deleted_among"], {"ids": array(list(ids))}).fetchall()
        return {row[0] for row in rows}


@contextmanager
def audited_tables(dsn: str, snapshot: str | None = None) -> Iterator[AuditedTables]:
    """The tables as they are now, or as another transaction that is still open sees them.

    Raises:
        StoreDown: PostgreSQL is away.
        Fatal: the schema is not this program's.
    """
    with connect(dsn) as connection, translated():
        check_schema(connection)
        connection.rollback()
        connection.execute("set transaction isolation level repeatable read, read only")
        if snapshot is not None:
            connection.execute(SQL("set transaction snapshot {}").format(Literal(snapshot)))
        yield AuditedTables(connection)


def milestones_of(connection: Connection, statement: str, values: Mapping[str, object]) -> Iterator[Milestone]:
    """The milestones that a statement of `audit.sql` finds; not more than a few at a time are in memory."""
    with connection.cursor("milestones") as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        cursor.execute(_SQL[statement], values)
        rows: Iterator[Any] = iter(cursor)
        for row in rows:
            yield Milestone(**dict(zip(Milestone.__struct_fields__, row, strict=True)))


def dead_letters_between(connection: Connection, topic_id: str, partition: int, offsets: tuple[int, int]) -> set[int]:
    """The offsets between two, both included, that are dead letters."""
    columns = {"topic_id": topic_id, "partition": partition, "first": offsets[0], "last": offsets[1]}
    rows: list[Any] = connection.execute(_SQL["dead_letters_between"], columns).fetchall()
    return {row[0] for row in rows}


def _position(row: Any) -> StoredPosition:
    last = None if row[6] is None else LastRecord(row[6], row[7], row[8])
    return StoredPosition(row[1], row[3], row[4], row[5], last)
