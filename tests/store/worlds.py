"""The two worlds that the contract of `ports.Store` holds in: memory, and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import psycopg

from consumer.core.milestones import Milestone
from consumer.core.positions import StoredPosition
from consumer.core.records import DeadLetter, Partition, Span
from consumer.core.trackers import Tracker
from consumer.ports import StoreTransaction
from consumer.postgres.store import Store
from consumer.postgres.trackers import apply_trackers
from tests.store.memory import Database, MemoryStore


class WholeStore(Protocol):
    """What a worker and its assignment ask of PostgreSQL."""

    def positions(self, partitions: Sequence[Partition]) -> dict[Partition, StoredPosition]: ...
    def create_positions(self, spans: Sequence[Span]) -> None: ...
    def transaction(self, spans: Mapping[Partition, Span]) -> AbstractContextManager[StoreTransaction]: ...
    def stored_verdicts(self, spans: Mapping[Partition, Span]) -> tuple[list[Milestone], list[DeadLetter]]: ...


class World(Protocol):
    """A database, and stores that share it."""

    def store(self, group: str = "milestones") -> WholeStore: ...
    def delete_by_hand(self, milestone_id: str) -> None: ...
    def follow(self, *trackers: Tracker) -> None: ...
    def revision_starts(self) -> set[tuple[str, str, int, int]]: ...


class InMemory:
    """The fake."""

    def __init__(self) -> None:
        self._database = Database()

    def store(self, group: str = "milestones") -> WholeStore:
        return MemoryStore(self._database, group)

    def delete_by_hand(self, milestone_id: str) -> None:
        del self._database.tables.milestones[milestone_id]
        self._database.tables.deleted.add(milestone_id)

    def follow(self, *trackers: Tracker) -> None:
        self._database.tables.follow(*trackers)

    def revision_starts(self) -> set[tuple[str, str, int, int]]:
        return {(*key, offset) for key, offset in self._database.tables.starts.items()}

    def close(self) -> None:
        """Nothing is open."""


class InPostgres:
    """The real one."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._stores: list[Store] = []

    def store(self, group: str = "milestones") -> Store:
        self._stores.append(Store(self._dsn, group, session_timeout_s=30.0))
        return self._stores[-1]

    def delete_by_hand(self, milestone_id: str) -> None:
        with psycopg.connect(self._dsn) as connection:
            assert connection.execute("delete from milestone where id = %s", (milestone_id,)).rowcount == 1

    def follow(self, *trackers: Tracker) -> None:
        apply_trackers(self._dsn, trackers)

    def revision_starts(self) -> set[tuple[str, str, int, int]]:
        with psycopg.connect(self._dsn) as connection:
            return {
                (str(revision), topic_id, partition, offset)
                for revision, topic_id, partition, offset in connection.execute(
                    "select revision, topic_id, partition, first_offset from tracker_revision_start"
                ).fetchall()
            }

    def close(self) -> None:
        """Ends the sessions of all stores."""
        for store in self._stores:
            store.close()
