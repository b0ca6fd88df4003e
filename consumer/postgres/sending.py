"""A statement that is sent, and waited for when the next one's columns are made: meanwhile the server executes it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import LiteralString, Self

import psycopg
from psycopg.abc import PQGen

from consumer.postgres.connection import Connection


class Sending:
    """Statements of a transaction that has begun, as if each were waited for: it is sent when the last one succeeded.

    The last one is waited for by the end of the block; what a cursor holds counts from there on.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sent: PQGen[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __call__(self, statement: LiteralString, columns: Mapping[str, object]) -> psycopg.Cursor[tuple[object, ...]]:
        """Sends a statement, once the one before has its answer.

        Raises:
            psycopg.Error: what became of either.
        """
        self._wait()
        cursor = self._connection.cursor()
        # What `Cursor.execute` waits for to its end; the driver has no public way to begin it only.
        self._sent = cursor._execute_gen(statement, columns)  # noqa: SLF001
        next(self._sent, None)
        return cursor

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._wait()
        else:  # Something else went wrong: that counts, and the session is made free for a ROLLBACK.
            with suppress(psycopg.Error):
                self._wait()

    def _wait(self) -> None:
        if self._sent is not None:
            sent, self._sent = self._sent, None
            self._connection.wait(sent)
