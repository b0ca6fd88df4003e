"""PostgreSQL as a doctor sees it: version, migrations, rights, settings, connections, clock. Nothing is written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import LiteralString

from consumer.core.facts import DatabaseFacts
from consumer.core.positions import StoredPosition
from consumer.core.records import Partition
from consumer.core.trackers import Tracker
from consumer.errors import Fatal
from consumer.postgres.arrays import array
from consumer.postgres.connection import Connection, connect, translated
from consumer.postgres.migrate import check_schema
from consumer.postgres.positions import stored_positions
from consumer.postgres.statements import statements
from consumer.postgres.trackers import all_trackers

_RIGHTS = {
    "select": (
        "schema_migration", "milestone_tracker", "tracker_revision", "deleted_milestone", "milestone", "dead_letter",
        "tracker_revision_start", "document_state", "document_alias", "stream_position", "dead_letter_status",
    ),
    "insert": (
        "milestone", "dead_letter", "tracker_revision_start", "document_state", "document_alias", "stream_position",
        "milestone_tracker",
    ),
    "update": ("document_state", "document_alias", "stream_position", "milestone_tracker"),
    "delete": ("milestone_tracker",),
}  # fmt: skip
"""What sql/grants.sql grants to milestones_consumer, tables as a whole."""


def needed_rights() -> Iterator[tuple[str, str]]:
    """Relation and privilege of each right that a worker needs."""
    return ((relation, privilege) for privilege, relations in _RIGHTS.items() for relation in relations)


def database_facts(dsn: str) -> DatabaseFacts:
    """What the server and this program's tables in it are like.

    Raises:
        ConfigError: the DSN cannot be read.
        StoreDown: the server cannot be reached.
        Fatal: it refuses this user or database.
    """
    sql = statements("doctor.sql")
    with connect(dsn, autocommit=True) as connection, translated():
        before_s = time.time()
        version, number, role, is_superuser, is_read_only, encoding, database_s = _row(connection, sql["server"])
        here_s = (before_s + time.time()) / 2
        missing = _missing_rights(connection)
        return DatabaseFacts(
            version=str(version),
            version_number=int(str(number)),
            role=str(role),
            is_superuser=bool(is_superuser),
            is_read_only=bool(is_read_only),
            encoding=str(encoding),
            settings={str(name): str(value) for name, value in connection.execute(sql["settings"]).fetchall()},
            connections_free=int(str(_row(connection, sql["connections_free"])[0])),
            clock_ahead_s=float(str(database_s)) - here_s,
            schema_fault=None if "select on schema_migration" in missing else _schema_fault(connection),
            missing_rights=missing,
        )


def _missing_rights(connection: Connection) -> tuple[str, ...]:
    needed = list(needed_rights())
    asked = {"relations": array([relation for relation, _ in needed]), "privileges": array([one for _, one in needed])}
    rows = connection.execute(statements("doctor.sql")["missing_rights"], asked).fetchall()
    return tuple(str(right) for (right,) in rows)


def _row(connection: Connection, statement: LiteralString) -> tuple[object, ...]:
    row = connection.execute(statement).fetchone()
    return () if row is None else row


def _schema_fault(connection: Connection) -> str | None:
    try:
        check_schema(connection)
    except Fatal as fault:
        return str(fault)
    return None


def trackers_there(dsn: str) -> list[Tracker]:
    """The rows of `milestone_tracker`."""
    with connect(dsn) as connection, translated():
        return all_trackers(connection)


def positions_there(dsn: str) -> dict[Partition, StoredPosition]:
    """All positions, without the record that proves them."""
    return {
        Partition(row.topic, row.partition): StoredPosition(
            row.topic_id, row.consumer_group, row.next_offset, row.published_offset, None
        )
        for row in stored_positions(dsn)
    }
