"""Writing milestones that an audit found missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from consumer.core.milestones import Milestone
from consumer.errors import Fatal
from consumer.postgres.columns import milestone_columns
from consumer.postgres.connection import Connection, connect, look_up, translated
from consumer.postgres.migrate import check_schema
from consumer.postgres.statements import statements

_AUDIT, _STORE = statements("audit.sql"), statements("store.sql")
_RECORD_WHAT_IS_MISSING = _STORE["record_milestones"].removesuffix(";") + " on conflict (id) do nothing"


class RepairedTables:
    """Adds rows, and never changes or removes one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, milestones: Sequence[Milestone]) -> list[Milestone]:
        """Those that were really written, as they now stand; what somebody deleted stays deleted. All or nothing."""
        with translated():
            written = self._written(milestones)
            self._connection.commit()
        return written

    def _written(self, milestones: Sequence[Milestone]) -> list[Milestone]:
        recorded_at = self._now()
        by_revision: defaultdict[str, list[Milestone]] = defaultdict(list)
        for milestone in milestones:
            recorded = msgspec.structs.replace(milestone, recorded_at=recorded_at)
            by_revision[milestone.tracker_revision].append(recorded)
        return [one for some in by_revision.values() for one in self._insert(some)]

    def _now(self) -> int:
        row: Any = self._connection.execute(_AUDIT["now"]).fetchone()
        return int(row[0])

    def _insert(self, milestones: Sequence[Milestone]) -> list[Milestone]:
        columns = milestone_columns(milestones)
        if self._connection.execute(_RECORD_WHAT_IS_MISSING, columns).rowcount == len(milestones):
            return [*milestones]
        rows = look_up(self._connection, _STORE["recorded_before"], {"ids": columns["ids"]})
        before = {row[0] for row in rows}
        return [milestone for milestone in milestones if milestone.id not in before]


@contextmanager
def repaired_tables(dsn: str) -> Iterator[RepairedTables]:
    """The tables, for one repair at a time.

    Raises:
        StoreDown: PostgreSQL is away.
        Fatal: another repair runs; or the schema is not this program's.
    """
    with connect(dsn) as connection:
        take_repair_lock(connection)
        yield RepairedTables(connection)


def take_repair_lock(connection: Connection) -> None:
    """For one repair or replay at a time; held until the connection ends.

    Raises:
        StoreDown: PostgreSQL is away.
        Fatal: another one runs; or the schema is not this program's.
    """
    with translated():
        check_schema(connection)
        row: Any = connection.execute(_AUDIT["try_repair_lock"]).fetchone()
        connection.commit()
    if not row[0]:
        raise Fatal("another repair or replay is running on this database; start again when it has ended")
