"""The positions as people ask for them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, cast

from consumer.postgres.connection import connect, translated
from consumer.postgres.statements import statements


class Position(NamedTuple):
    """How far one partition is stored."""

    partition: int
    consumer_group: str
    topic_id: str
    next_offset: int
    published_offset: int
    updated_at: datetime


def stored_positions(dsn: str, topic: str) -> list[Position]:
    """All positions of a topic, by partition."""
    with connect(dsn) as connection, translated():
        rows = connection.execute(statements("store.sql")["positions_of_topic"], {"topic": topic}).fetchall()
    return [Position(*cast("tuple[int, str, str, int, int, datetime]", row)) for row in rows]
