"""A PostgreSQL for tests, whatever form it comes in."""

import uuid
from abc import abstractmethod
from collections.abc import Mapping
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.services.service import Service, wait_until

IMAGE = "postgres:18"  # As in docker-compose.yml.


def server_settings(settings: Mapping[str, str], *, durable: bool) -> dict[str, str]:
    """The server's parameters; what the caller sets wins.

    synchronous_commit stays on even where fsync is off: a commit must outlive a SIGKILL of the server.
    """
    fast = {} if durable else {"fsync": "off", "full_page_writes": "off"}
    return {"max_connections": "200", "synchronous_commit": "on", **fast, **settings}


class PostgresService(Service):
    """A PostgreSQL in which tests make databases of their own."""

    @property
    @abstractmethod
    def admin_dsn(self) -> str:
        """The DSN of a database that is always there, as a role that may create databases and roles."""

    def dsn(self, dbname: str) -> str:
        """The DSN of another database of this server, the same after a restart."""
        return with_database(self.admin_dsn, dbname)

    def create_database(self) -> str:
        """Create an empty database with a name of its own; returns its DSN."""
        dbname = f"test_{uuid.uuid4().hex[:12]}"
        self._administer(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(dbname)))
        return self.dsn(dbname)

    def drop_database(self, dsn: str) -> None:
        """Drop the database that this DSN names, whoever is still connected to it."""
        dbname = str(conninfo_to_dict(dsn)["dbname"])
        self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(dbname)))

    def answers(self) -> bool:
        """Whether the server takes connections."""
        try:
            psycopg.connect(self.admin_dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _administer(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
            connection.execute(statement)


class GivenPostgres(PostgresService):
    """A PostgreSQL that somebody else runs; it is neither started nor stopped here."""

    def __init__(self, admin_dsn: str):
        self._admin_dsn = admin_dsn

    @property
    def admin_dsn(self) -> str:
        return self._admin_dsn

    def start(self) -> None:
        wait_until(self.answers, timeout_s=30.0, what="the PostgreSQL that was given answers")

    def stop(self) -> None:
        """Leave it running."""


def with_database(dsn: str, dbname: str) -> str:
    """The same server and role, another database; both forms of DSN stay what they are."""
    if "://" in dsn:
        return urlsplit(dsn)._replace(path=f"/{dbname}").geturl()
    return make_conninfo(dsn, dbname=dbname)
