"""What a replay reads and writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from consumer.core.milestones import Milestone
from consumer.core.replay import Selection
from consumer.postgres.arrays import array
from consumer.postgres.audit import dead_letters_between, milestones_of
from consumer.postgres.connection import connect, translated
from consumer.postgres.repair import RepairedTables, take_repair_lock
from consumer.postgres.statements import statements

_SQL = statements("audit.sql")


class ReplayedTables(RepairedTables):
    """Adds rows and counts them in `document_state`; changes nothing else."""

    def dead_letters(self, topic_id: str, partition: int, first: int, last: int) -> set[int]:
        """The offsets between two, both included, that are dead letters."""
        with translated():
            found = dead_letters_between(self._connection, topic_id, partition, (first, last))
            self._connection.commit()
        return found

    def present(self, ids: Sequence[str]) -> set[str]:
        """Those of these milestones that are in the table, or were deleted there by a person."""
        with translated():
            rows: list[Any] = self._connection.execute(_SQL["present_among"], {"ids": array(list(ids))}).fetchall()
            self._connection.commit()
        return {row[0] for row in rows}

    def write_replayed(self, milestones: Sequence[Milestone]) -> int:
        """How many were really written. Later milestones of their documents go on counting behind them."""
        if not milestones:
            return 0
        with translated():
            written = self._written(milestones)
            documents = {
                "types": array([m.reference_type for m in written]),
                "names": array([m.reference_name for m in written]),
                "fields": array([m.track_field for m in written]),
            }
            # As workers do it: what is there is locked before anything is added. Of a field that nobody followed yet
            # there is no state to count in.
            self._connection.execute(_SQL["lock_documents"], documents)
            self._connection.execute(_SQL["add_missing_states"], documents)
            self._connection.execute(
                _SQL["count_occurrences"],
                {
                    **documents,
                    "trackers": array([m.milestone_tracker for m in written]),
                    "occurrences": array([m.occurrence for m in written]),
                },
            )
            self._connection.commit()
        return len(written)


def stored_milestones(dsn: str, selection: Selection) -> Iterator[Milestone]:
    """The milestones of a selection that records made, in order of the records."""
    s = selection
    values = {
        "trackers": None if s.trackers is None else array(sorted(s.trackers)),
        "ids": None if s.ids is None else array(sorted(s.ids)),
        "topic": s.topic,
        "partition": s.partition,
        "first": s.first_offset,
        "last": s.last_offset,
        "since": s.since,
        "until": s.until,
    }
    with connect(dsn) as connection, translated():
        yield from milestones_of(connection, "selected_milestones", values)


def stored_trackers(dsn: str) -> set[str]:
    """The trackers that have milestones, whether or not they still exist."""
    with connect(dsn) as connection, translated():
        rows: list[Any] = connection.execute(_SQL["trackers_with_milestones"]).fetchall()
    return {row[0] for row in rows}


@contextmanager
def replayed_tables(dsn: str) -> Iterator[ReplayedTables]:
    """The tables, for one replay or repair at a time.

    Raises:
        StoreDown: PostgreSQL is away.
        Fatal: another one runs; or the schema is not this program's.
    """
    with connect(dsn) as connection:
        take_repair_lock(connection)
        yield ReplayedTables(connection)
