"""The PostgreSQL side of the protocol: positions, store transactions, and what was stored but not yet published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from consumer.core.milestones import Milestone
from consumer.core.positions import StoredPosition
from consumer.core.records import DeadLetter, LastRecord, Origin, Partition, Span
from consumer.errors import MilestonesError, StoreDown, Superseded
from consumer.faults import fault_point
from consumer.postgres.arrays import array
from consumer.postgres.blockers import end_blockers
from consumer.postgres.connection import Connection, SessionLimits, connect, look_up, translated
from consumer.postgres.migrate import check_schema
from consumer.postgres.statements import statements
from consumer.postgres.transaction import StoreTransaction

_SQL = statements("store.sql")
_SLOTS = 10_000
_LOCK_NOT_AVAILABLE = "55P03"


class Store:
    """One worker's connection. Its slot, a session advisory lock of the group, is held as long as the connection.

    Args:
        dsn: connection string.
        group: the consumer group; another group's positions are never moved.
        session_timeout_s: Kafka's session time-out; locks are never held longer.
    """

    def __init__(self, dsn: str, group: str, session_timeout_s: float) -> None:
        self._dsn = dsn
        self._group = group
        self._limits = SessionLimits(session_timeout_s)
        self._connection: Connection | None = None
        self._slot = 0

    @property
    def slot(self) -> int:
        """The lowest number that no other worker of the group held when this connection was made; it names the
        transactional id. Read by the thread that publishes, after the thread that stores has connected."""
        return self._slot

    def connect(self) -> None:
        """Connects, if need be, and so takes a slot.

        Raises:
            StoreDown: PostgreSQL is away.
            Fatal: the schema is not this program's.
        """
        self._open()

    def _open(self) -> Connection:
        """The connection, made anew if the last one broke.

        Raises:
            StoreDown: PostgreSQL is away.
            Fatal: the schema is not this program's.
        """
        if self._connection is None or self._connection.closed:
            connection = connect(self._dsn, self._limits)
            try:
                with translated():
                    check_schema(connection)
                    self._slot = _take_slot(connection, self._group, self._slot)
                    connection.commit()
            except MilestonesError:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def close(self) -> None:
        """Ends the session, and with it the slot."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def positions(self, partitions: Sequence[Partition]) -> dict[Partition, StoredPosition]:
        """The stored positions of those partitions that have one."""
        with self._statement() as connection:
            rows: list[Any] = connection.execute(_SQL["read_positions"], _partitions(partitions)).fetchall()
        return {Partition(*row[:2]): _position(row[2:]) for row in rows}

    def last_slots(self, partitions: Sequence[Partition], *, ended: bool = False) -> set[int]:
        """The slots of the workers that stored these partitions last; only those that nobody holds now, if `ended`."""
        statement = _SQL["last_slots_ended" if ended else "last_slots"]
        with self._statement() as connection:
            rows: list[Any] = connection.execute(
                statement, {**_partitions(partitions), "group": self._group}
            ).fetchall()
        return {row[0] for row in rows}

    def create_positions(self, spans: Sequence[Span]) -> None:
        """Rows for partitions that are read for the first time."""
        with self._statement() as connection:
            connection.execute(
                _SQL["create_positions"],
                {
                    "consumer_group": self._group,
                    "topics": array([s.topic for s in spans]),
                    "partitions": array([s.partition for s in spans]),
                    "topic_ids": array([s.topic_id for s in spans]),
                    "next_offsets": array([s.stored for s in spans]),
                    "published_offsets": array([s.published for s in spans]),
                },
            )

    @contextmanager
    def transaction(self, spans: Mapping[Partition, Span]) -> Iterator[StoreTransaction]:
        """A store transaction: the compare-and-set is its first statement, COMMIT its last.

        Raises:
            Superseded: another instance was here.
            StoreDown: nothing is known to be committed; read `stored` again.
            Refused: PostgreSQL will not take a value of this batch.
        """
        connection = self._open()
        transaction = StoreTransaction(connection, self._group, self._slot)
        try:
            with translated():
                self._move(connection, transaction, spans)
                yield transaction
                fault_point("before-commit")
                connection.commit()
        except BaseException:
            self._roll_back(connection)
            raise
        fault_point("stored")

    def _move(self, connection: Connection, transaction: StoreTransaction, spans: Mapping[Partition, Span]) -> None:
        """The compare-and-set. Who blocks it is a former owner of these partitions, frozen: its session is ended."""
        try:
            transaction.move(spans)
        except psycopg.Error as error:
            if error.sqlstate != _LOCK_NOT_AVAILABLE:
                raise
            connection.rollback()
            with end_blockers(self._dsn, connection.info.backend_pid):
                transaction.move(spans)

    def _roll_back(self, connection: Connection) -> None:
        """A connection in doubt is closed: a COMMIT whose reply was lost is decided by reading `stored` again."""
        try:
            connection.rollback()
        except psycopg.Error:
            connection.close()

    def stored_verdicts(self, spans: Mapping[Partition, Span]) -> tuple[list[Milestone], list[DeadLetter]]:
        """What earlier runs stored for offsets that this batch announces.

        Raises:
            Superseded: the server does not hold what this worker remembers as stored.
        """
        todo = {key: span for key, span in spans.items() if span.stored_before}
        if not todo:
            return [], []
        columns = _ranges(list(todo.values()))
        with self._statement() as connection:
            rows = look_up(connection, _SQL["stored_milestones"], columns)
            letters = look_up(connection, _SQL["stored_dead_letters"], columns)
        for topic, partition, next_offset, *_ in rows:
            if next_offset != todo[Partition(topic, partition)].stored_after:
                raise Superseded(f"PostgreSQL holds {topic}-{partition} up to {next_offset}, not what was stored")
        return [_milestone(row[3:]) for row in rows if row[3] is not None], [_dead_letter(row) for row in letters]

    @contextmanager
    def _statement(self) -> Iterator[Connection]:
        connection = self._open()
        try:
            with translated():
                yield connection
                connection.commit()
        except BaseException:
            self._roll_back(connection)
            raise


def _take_slot(connection: Connection, group: str, preferred: int) -> int:
    """The slot held before if it is still free, so that its producer goes on; else the lowest free one."""
    slots: list[int] = [preferred, *range(_SLOTS)]
    for slot in slots:
        row: Any = connection.execute("select pg_try_advisory_lock(hashtext(%s), %s)", (group, slot)).fetchone()
        if row is not None and row[0]:
            return slot
    raise StoreDown(f"all {_SLOTS} slots of group {group} are taken")


def _partitions(partitions: Sequence[Partition]) -> dict[str, object]:
    topics, numbers = [key.topic for key in partitions], [key.partition for key in partitions]
    return {"topics": array(topics), "partitions": array(numbers)}


def _position(row: Any) -> StoredPosition:
    topic_id, group, next_offset, published_offset, offset, timestamp, hash_ = row
    last = None if offset is None else LastRecord(offset, timestamp, hash_)
    return StoredPosition(topic_id, group, next_offset, published_offset, last)


def _ranges(spans: Sequence[Span]) -> dict[str, object]:
    return {
        "topics": array([s.topic for s in spans]),
        "topic_ids": array([s.topic_id for s in spans]),
        "partitions": array([s.partition for s in spans]),
        "first_offsets": array([s.stored_before.start for s in spans]),
        "next_offsets": array([s.stored_before.stop for s in spans]),
    }


def _milestone(row: Any) -> Milestone:
    return Milestone(**dict(zip(Milestone.__struct_fields__, row, strict=True)))


def _dead_letter(row: Any) -> DeadLetter:
    topic, topic_id, partition, offset, error_class, message, field = row
    return DeadLetter(Origin(topic_id, partition, offset), topic, error_class, message, field)
