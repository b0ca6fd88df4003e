"""A MariaDB with a row-based binlog for tests, whatever form it comes in."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql
from pymysql.connections import Connection

from tests.services.service import Service, wait_until

IMAGE = "mariadb:10.11"

SERVER_SETTINGS: Mapping[str, str] = {
    "server-id": "1",
    "log-bin": "binlog",
    "binlog-format": "ROW",
    "binlog-row-image": "FULL",
    "gtid-strict-mode": "ON",
    "gtid-domain-id": "0",
    # As Frappe's own set-up.
    "character-set-server": "utf8mb4",
    "collation-server": "utf8mb4_unicode_ci",
    # A commit outlives a SIGKILL of the server; a crash of the machine is nobody's concern in a test.
    "innodb-flush-log-at-trx-commit": "2",
    "sync-binlog": "0",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and a user that may do anything there."""

    host: str
    port: int
    user: str
    password: str

    @classmethod
    def of(cls, url: str) -> "Address":
        """From `mysql://user:password@host:port`."""
        parts = urlsplit(url)
        user, password = unquote(parts.username or "root"), unquote(parts.password or "")
        return cls(parts.hostname or "127.0.0.1", parts.port or 3306, user, password)


class MariaDBService(Service):
    """A MariaDB in which tests make databases of their own."""

    @property
    @abstractmethod
    def address(self) -> Address:
        """Host, port and user, the same after a restart."""

    def connect(self, database: str | None = None, **settings: Any) -> "Connection[Any]":  # noqa: ANN401 (PyMySQL's own)
        """A session, in autocommit mode unless told otherwise. Raises pymysql.OperationalError."""
        at = self.address
        return pymysql.connect(
            host=at.host, port=at.port, user=at.user, password=at.password, database=database,
            **{"autocommit": True, "charset": "utf8mb4", **settings},
        )  # fmt: skip

    def create_database(self, name: str) -> None:
        """Create an empty database of this name."""
        self._administer(f"CREATE DATABASE `{name}`")

    def drop_database(self, name: str) -> None:
        """Drop this database."""
        self._administer(f"DROP DATABASE `{name}`")

    def answers(self) -> bool:
        """Whether the server takes connections."""
        try:
            self.connect(connect_timeout=2).close()
        except pymysql.OperationalError:
            return False
        return True

    def _administer(self, statement: str) -> None:
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)


class GivenMariaDB(MariaDBService):
    """A MariaDB that somebody else runs; it is neither started nor stopped here."""

    def __init__(self, url: str):
        self._address = Address.of(url)

    @property
    def address(self) -> Address:
        return self._address

    def start(self) -> None:
        wait_until(self.answers, timeout_s=30.0, what="the MariaDB that was given answers")

    def stop(self) -> None:
        """Leave it running."""
