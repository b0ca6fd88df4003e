"""The table `dead_letter`: reading the verdicts, and noting which of them were sent again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from consumer.core.letters import NotedLetter, Selection
from consumer.core.records import Origin
from consumer.errors import Fatal
from consumer.postgres.arrays import array
from consumer.postgres.connection import Connection, connect, translated
from consumer.postgres.migrate import check_schema
from consumer.postgres.statements import statements

_SQL = statements("dead_letters.sql")


def noted_letters(dsn: str, selection: Selection) -> list[NotedLetter]:
    """The dead letters of a selection, the newest first; `document` is not looked at, the table does not know it."""
    with connect(dsn) as connection, translated():
        check_schema(connection)
        return _selected(connection, selection)


class RedriveNotes:
    """What a redrive reads and notes; made by `redrive_notes`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def letters(self, selection: Selection) -> list[NotedLetter]:
        """As `noted_letters`."""
        with translated(), self._connection.transaction():
            return _selected(self._connection, selection)

    def followed_topics(self) -> set[str]:
        """The topics whose records this database takes."""
        with translated(), self._connection.transaction():
            return {str(topic) for (topic,) in self._connection.execute(_SQL["followed_topics"]).fetchall()}

    def note(self, sent: Mapping[Origin, Origin]) -> None:
        """Notes where dead letters were sent to, and commits."""
        places = list(sent.values())
        columns = {
            "topic_ids": array([origin.topic_id for origin in sent]),
            "partitions": array([origin.partition for origin in sent]),
            "offsets": array([origin.offset for origin in sent]),
            "to_topic_ids": array([place.topic_id for place in places]),
            "to_partitions": array([place.partition for place in places]),
            "to_offsets": array([place.offset for place in places]),
        }
        with translated(), self._connection.transaction():
            self._connection.execute(_SQL["note_redriven"], columns)


@contextmanager
def redrive_notes(dsn: str) -> Iterator[RedriveNotes]:
    """The notes, held by one redrive at a time.

    Raises:
        Fatal: another redrive is at work.
    """
    with connect(dsn, autocommit=True) as connection:
        with translated():
            check_schema(connection)
            row = connection.execute(_SQL["try_redrive_lock"]).fetchone()
        if row is None or not row[0]:
            raise Fatal("another redrive is at work on this database; wait until it has ended")
        yield RedriveNotes(connection)


def _selected(connection: Connection, selection: Selection) -> list[NotedLetter]:
    places = selection.places
    rows: list[Any] = connection.execute(
        _SQL["select_letters"],
        {
            "reasons": None if selection.reasons is None else array(list(selection.reasons)),
            "field": selection.field,
            "since": selection.since,
            "until": selection.until,
            "topic": selection.topic,
            "partition": selection.partition,
            "first_offset": selection.first_offset,
            "last_offset": selection.last_offset,
            "topics": None if places is None else array([place.topic for place in places]),
            "partitions": None if places is None else array([place.partition for place in places]),
            "offsets": None if places is None else array([place.offset for place in places]),
        },
    ).fetchall()
    return [_letter(row) for row in rows]


def _letter(row: Any) -> NotedLetter:
    topic_id, partition, offset, topic, error_class, message, field, recorded_at, status, times, *redriven = row
    at, by, *places = redriven
    return NotedLetter(
        origin=Origin(topic_id, partition, offset),
        topic=topic,
        error_class=error_class,
        message=message,
        field=field,
        recorded_at=recorded_at,
        status=status,
        times=times,
        redriven_at=at,
        redriven_by=by,
        redriven_to=_origin(places[:3]),
        redriven_from=_origin(places[3:]),
    )


def _origin(columns: Any) -> Origin | None:
    return None if columns[0] is None else Origin(*columns)
