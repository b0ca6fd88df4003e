"""The positions as people ask for them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, cast

from consumer.postgres.arrays import array
from consumer.postgres.connection import connect, translated
from consumer.postgres.statements import statements


class Position(NamedTuple):
    """How far one partition is stored."""

    topic: str
    partition: int
    consumer_group: str
    topic_id: str
    next_offset: int
    published_offset: int
    updated_at: datetime


def stored_positions(dsn: str, *topics: str) -> list[Position]:
    """All positions of these topics, or of all topics if none is named, by topic and partition."""
    with connect(dsn) as connection, translated():
        rows = connection.execute(
            statements("store.sql")["positions_of_topics"], {"topics": array(list(topics))}
        ).fetchall()
    return [Position(*cast("tuple[str, int, str, str, int, int, datetime]", row)) for row in rows]
