"""Connections, and what each error of PostgreSQL means: by SQLSTATE, never by exception class."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any, LiteralString

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from consumer.errors import ConfigError, Fatal, MilestonesError, Refused, StoreDown
from consumer.tuning import answered

Connection = psycopg.Connection[tuple[object, ...]]

APPLICATION_NAME = "milestones"

_RETRY_CLASSES = frozenset({"08", "53"})
_RETRY = frozenset({"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "57P05", "57014", "25006", "25P03", "25P04"})
_REFUSED_CLASSES = frozenset({"22", "23", "54"})


class _Answered(psycopg.Connection[tuple[object, ...]]):
    """Others compute while the server does: see `answered`."""

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        """Of all that is asked of the server."""
        with answered():
            return super().wait(gen, *args, **kwargs)


def look_up(
    connection: Connection, statement: LiteralString, columns: Mapping[str, object], *, binary: bool = False
) -> list[Any]:
    """The rows that a table which grows has of what a batch names.

    Never prepared: a plan that was made while the table was small would read all of it for each batch when it has
    grown, until PostgreSQL counts its rows again. It takes a quarter of a millisecond.
    """
    return connection.execute(statement, columns, prepare=False, binary=binary).fetchall()


class SessionLimits:
    """How long PostgreSQL lets a worker hold locks: all below Kafka's session time-out.

    A worker that freezes inside its store transaction must be gone before another gets its partitions.
    """

    def __init__(self, session_timeout_s: float) -> None:
        self.idle_in_transaction_s = session_timeout_s / 3
        self.lock_s = session_timeout_s / 6
        self.transaction_s = session_timeout_s * 5 / 6

    def settings(self, server_version: int) -> dict[str, str]:
        """Session settings; transaction_timeout exists from PostgreSQL 17 on."""
        limits = {
            "idle_in_transaction_session_timeout": f"{self.idle_in_transaction_s * 1000:.0f}",
            "lock_timeout": f"{self.lock_s * 1000:.0f}",
            "idle_session_timeout": "0",
            "statement_timeout": f"{self.transaction_s * 1000:.0f}",
        }
        if server_version >= 17_00_00:
            limits["transaction_timeout"] = f"{self.transaction_s * 1000:.0f}"
        return limits


def connect(dsn: str, limits: SessionLimits | None = None, *, autocommit: bool = False) -> Connection:
    """A read-write connection; TLS is verified unless the server is on this machine or the DSN says otherwise.

    Raises:
        ConfigError: the DSN cannot be read.
        StoreDown: the server cannot be reached, or is read-only.
        Fatal: it refuses this user or database.
    """
    with translated():
        kind = psycopg.Connection[tuple[object, ...]] if limits is None else _Answered
        connection = kind.connect(_complete(dsn), autocommit=autocommit)
        if limits is not None:
            for name, value in limits.settings(connection.info.server_version).items():
                connection.execute("select set_config(%s, %s, false)", (name, value))
            connection.commit()
        return connection


def _complete(dsn: str) -> str:
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        raise ConfigError("postgres.dsn is not a PostgreSQL connection string; see docs/configuration.md") from error
    defaults: dict[str, str] = {
        "application_name": APPLICATION_NAME,
        "connect_timeout": "5",
        "target_session_attrs": "read-write",
        "keepalives_idle": "5",
        "keepalives_interval": "2",
        "keepalives_count": "3",
        "tcp_user_timeout": "10000",
    }
    host = str(
        given.get("hostaddr") or given.get("host") or os.environ.get("PGHOSTADDR") or os.environ.get("PGHOST", "")
    )
    if not _is_local(host) and "sslmode" not in given and "PGSSLMODE" not in os.environ:
        defaults["sslmode"] = "verify-full"
        if "sslrootcert" not in given:
            defaults["sslrootcert"] = "system"
    return make_conninfo("", **{**defaults, **{key: str(value) for key, value in given.items()}})


def _is_local(hosts: str) -> bool:
    """Whether all of them (several are separated by commas) are this machine."""
    return all(map(_is_this_machine, hosts.split(",")))


def _is_this_machine(host: str) -> bool:
    if host in ("", "localhost") or host.startswith("/"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def translated() -> Iterator[None]:
    """Turns what psycopg raises into the program's own errors."""
    try:
        yield
    except (psycopg.Error, UnicodeEncodeError) as error:
        raise meaning_of(error) from error


def meaning_of(error: psycopg.Error | UnicodeEncodeError) -> MilestonesError:
    """Retry, refuse this row, or stop."""
    state = getattr(error, "sqlstate", None)
    text = " ".join(str(error).split())
    if state is None:
        if isinstance(error, psycopg.DataError | UnicodeEncodeError):
            return Refused(f"PostgreSQL cannot store a text: {type(error).__name__}")
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return _unreachable(text)
        return Fatal(f"PostgreSQL: {text}")
    if state in _RETRY or state[:2] in _RETRY_CLASSES:
        return StoreDown(f"PostgreSQL ({state}): {text}")
    if state[:2] in _REFUSED_CLASSES:
        return Refused(f"PostgreSQL refused a value ({state})")
    return Fatal(f"PostgreSQL ({state}): {text}{_ADVICE.get(state, '')}")


_ADVICE = {
    "42501": "; grant milestones_consumer to this user (sql/roles.sql, then `milestones migrate`)",
    "42P01": "; run `milestones migrate`",
    "42703": "; run `milestones migrate`",
}


_REFUSALS = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "is not permitted to log in",
    "permission denied for database",
    "certificate",
    "SSL was required",
    "does not support SSL",
)
"""What a server says that will not change by itself. Without SQLSTATE: the client does not tell it while connecting."""


def _unreachable(text: str) -> MilestonesError:
    for sign in _REFUSALS:
        if sign in text:
            return Fatal(f"PostgreSQL refuses the connection: {text}; check postgres.dsn in config.yaml")
    return StoreDown(f"PostgreSQL cannot be reached: {text}")
