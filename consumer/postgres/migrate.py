"""Migrations: numbered SQL files, each applied once under an advisory lock and remembered with its checksum."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import NamedTuple

from consumer.errors import Fatal
from consumer.packaged import packaged
from consumer.postgres.connection import Connection, connect, translated

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_LOCK = "select pg_advisory_xact_lock(hashtext('milestones.migrate'))"
_MADE_BY_OWNER = """
select pg_has_role(current_user, role.oid, 'member') and has_schema_privilege(role.oid, current_schema(), 'create')
    and coalesce(made.relowner = role.oid, true)
from pg_roles role
left join pg_class made on made.oid = to_regclass('schema_migration')
where role.rolname = 'milestones_owner'
"""
_TABLE = """
create table if not exists schema_migration (
    version     integer primary key,
    name        text not null,
    checksum    text not null,
    applied_at  timestamptz not null default now()
)"""


class Migration(NamedTuple):
    """One file of `sql/`."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file: an applied migration must not change."""
        return sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """The migrations of this program, in order."""
    found = []
    for path in sorted(packaged("sql").glob("*.sql")):
        match = _FILE.fullmatch(path.name)
        if match:
            found.append(Migration(int(match[1]), match[2], path.read_text(encoding="utf-8")))
    return found


def migrate(dsn: str, *, dry_run: bool = False) -> list[Migration]:
    """Applies what is missing, all in one transaction, and the grants of the roles that exist.

    Returns:
        What was applied, or would be.

    Raises:
        Fatal: the database is ahead of this program, or an applied file has changed.
    """
    with connect(dsn) as connection, translated():
        connection.execute(_LOCK)
        _own_what_is_made(connection)
        applied = _applied(connection)
        _check_history(applied)
        missing = [m for m in migrations() if m.version not in applied]
        if dry_run:
            connection.rollback()
            return missing
        connection.execute(_TABLE)
        for migration in missing:
            connection.execute(migration.sql.encode())
            connection.execute(
                "insert into schema_migration (version, name, checksum) values (%s, %s, %s)",
                (migration.version, migration.name, migration.checksum),
            )
        connection.execute((packaged("sql") / "grants.sql").read_bytes())
        return missing


def check_schema(connection: Connection) -> None:
    """Refuses a database that is behind or ahead of this program.

    Raises:
        Fatal: says which, and what to run.
    """
    applied = _applied(connection)
    _check_history(applied)
    missing = [m for m in migrations() if m.version not in applied]
    if missing:
        names = ", ".join(f"{m.version:04d}_{m.name}" for m in missing)
        raise Fatal(f"the database is behind this program: {names} missing; run `milestones migrate`")


def _own_what_is_made(connection: Connection) -> None:
    """Tables belong to milestones_owner where that role exists, may create here, and this user is a member of it;
    later ones to it only if the first do."""
    row = connection.execute(_MADE_BY_OWNER).fetchone()
    if row is not None and row[0]:
        connection.execute("set local role milestones_owner")


def _table_exists(connection: Connection) -> bool:
    row = connection.execute("select to_regclass('schema_migration') is not null").fetchone()
    return bool(row and row[0])


def _applied(connection: Connection) -> dict[int, str]:
    if not _table_exists(connection):
        return {}
    rows = connection.execute("select version, checksum from schema_migration").fetchall()
    return {int(str(version)): str(checksum) for version, checksum in rows}


def _check_history(applied: dict[int, str]) -> None:
    known = {m.version: m for m in migrations()}
    ahead = sorted(set(applied) - set(known))
    if ahead:
        raise Fatal(f"the database is ahead of this program: it has migration {ahead[-1]:04d}; update the program")
    for version, checksum in applied.items():
        if known[version].checksum != checksum:
            name = f"{version:04d}_{known[version].name}.sql"
            raise Fatal(f"{name} differs from what was applied to this database; restore the file, add a new migration")
