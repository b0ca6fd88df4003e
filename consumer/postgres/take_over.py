"""`milestones take-over`: moves a database's positions to another group or topic id, once and on purpose."""

from __future__ import annotations

from consumer.errors import ConfigError
from consumer.postgres.connection import connect, translated
from consumer.postgres.positions import stored_positions
from consumer.postgres.statements import statements


def take_over(dsn: str, topic: str, topic_id: str, group: str, *, dry_run: bool) -> list[str]:
    """Sets group and topic id of all positions of a topic; with another topic id they begin at 0 again.

    Returns:
        One line for each position as it stood before.

    Raises:
        ConfigError: this database never read that topic.
    """
    rows = stored_positions(dsn, topic)
    if not rows:
        raise ConfigError(f"this database has no positions of topic {topic!r}; check --topic and postgres.dsn")
    if not dry_run:
        with connect(dsn) as connection, translated():
            connection.execute(
                statements("store.sql")["take_over_positions"],
                {"topic": topic, "topic_id": topic_id, "consumer_group": group},
            )
    return [
        f"partition {row.partition}: group {row.consumer_group}, topic id {row.topic_id}, stored {row.next_offset}"
        for row in rows
    ]
