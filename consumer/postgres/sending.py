"""Statements that are sent one behind another: while the server executes one, the next one's columns are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import LiteralString

import psycopg

from consumer.postgres.connection import Connection

Send = Callable[[LiteralString, Mapping[str, object]], psycopg.Cursor[tuple[object, ...]]]
"""Sends a statement with its columns; what the cursor says counts from the end of `sending` on."""


@contextmanager
def sending(connection: Connection) -> Iterator[Send]:
    """Within a transaction. The first error is raised, by the end of the block or before.

    Behind each statement goes a Sync of its own: whenever the server has done what it was sent, it is idle in its
    transaction, and not busy with a pipeline. So `idle_in_transaction_session_timeout` ends whoever freezes here, as it
    does elsewhere.
    """
    with connection.pipeline() as pipeline:

        def send(statement: LiteralString, columns: Mapping[str, object]) -> psycopg.Cursor[tuple[object, ...]]:
            cursor = connection.execute(statement, columns)
            connection.pgconn.pipeline_sync()
            pipeline.result_queue.append(None)
            return cursor

        yield send
