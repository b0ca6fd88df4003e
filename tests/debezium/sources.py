"""The two databases that streams are captured from, behind one face: statements in, the database's own text out."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from tests.debezium.connectors import Config, mariadb_connector, postgres_connector
from tests.debezium.truth import Truth, mariadb_rows, postgres_rows
from tests.services import KafkaService, MariaDBService, PostgresService

# A connector poses as a replica, and a server takes no two replicas with one id.
_SERVER_IDS = itertools.count(5000)


class Source(ABC):
    """One database of its own, with a table `marker` whose rows say how far a stream is."""

    connector: str

    @abstractmethod
    def run(self, statements: Iterable[str | Sequence[str]]) -> None:
        """Run SQL; a statement commits by itself, a sequence of statements is one transaction."""

    @abstractmethod
    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows that a query gives."""

    @abstractmethod
    def note(self, truth: Truth, tables: Iterable[str]) -> None:
        """Add these tables' rows as they are now to the truth."""

    @abstractmethod
    def config(self, prefix: str) -> Config:
        """A connector that reads this database and has not read it before."""

    def mark(self, word: str) -> None:
        """Let this word be the last that a stream says so far."""
        self.run([f"INSERT INTO marker (word) VALUES ('{word}')"])  # noqa: S608 (a word of this program)


def _transaction(statement: str | Sequence[str]) -> Sequence[str]:
    """Statements to send one by one. A transaction whose last statement is ROLLBACK leaves nothing."""
    return [statement] if isinstance(statement, str) else ["BEGIN", *statement, "COMMIT"]


class MariaDBSource(Source):
    """A new database on this MariaDB."""

    connector = "mariadb"

    def __init__(self, server: MariaDBService, kafka: KafkaService, database: str) -> None:
        self._server, self._kafka, self._database = server, kafka, database
        server.create_database(database)
        self.run(["CREATE TABLE marker (word varchar(40) PRIMARY KEY)"])

    def run(self, statements: Iterable[str | Sequence[str]]) -> None:
        # Without STRICT_TRANS_TABLES, zero dates get in as on the servers of old.
        connection = self._server.connect(self._database, sql_mode="ALLOW_INVALID_DATES")
        with connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            for statement in statements:
                for one in _transaction(statement):
                    cursor.execute(one)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self._server.connect(self._database) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def note(self, truth: Truth, tables: Iterable[str]) -> None:
        with self._server.connect(self._database) as connection:
            for table in tables:
                truth.note(table, *mariadb_rows(connection, table))

    def config(self, prefix: str) -> Config:
        return mariadb_connector(self._server, self._kafka, self._database, prefix, next(_SERVER_IDS))


class PostgresSource(Source):
    """A new database on this PostgreSQL, which must have wal_level=logical."""

    connector = "postgres"

    def __init__(self, server: PostgresService) -> None:
        self.dsn = server.create_database()
        self.run(["CREATE TABLE marker (word varchar(40) PRIMARY KEY)"])

    def run(self, statements: Iterable[str | Sequence[str]]) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SET timezone = 'UTC'")
            for statement in statements:
                for one in _transaction(statement):
                    connection.execute(one.encode())

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query.encode()).fetchall()

    def note(self, truth: Truth, tables: Iterable[str]) -> None:
        with psycopg.connect(self.dsn) as connection:
            for table in tables:
                truth.note(table, *postgres_rows(connection, table))

    def config(self, prefix: str) -> Config:
        return postgres_connector(self.dsn, prefix)
