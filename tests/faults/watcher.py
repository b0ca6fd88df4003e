"""Looks on while a fault does its work: both watermarks, and what a read_committed subscriber sees, as it sees it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

import psycopg
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from tests.processes.readings import Event, ends, event_of

_PAUSE_S = 0.03
_STAYS_S = 8.0

Offsets = Mapping[int, int]


class Watcher:
    """Two threads; `violations` says what must never have been seen.

    Args:
        servers: Kafka's address, and PostgreSQL's DSN, both without links: what is seen is what is there.
        once: no event may come twice (exactly_once); else one that does must be the same.
        remember: keep every event, to tell one that comes twice; without it their order tells.
        forgiving: of a coordinator that has just begun: what it tells of `published` may be old for a moment, and is
            counted in `stale`.
    """

    def __init__(
        self,
        servers: tuple[str, str],
        group: str,
        topics: tuple[str, str],
        *,
        once: bool,
        remember: bool = True,
        forgiving: bool = False,
    ) -> None:
        self._forgiving = forgiving
        self.stale = 0
        self._back: dict[int, tuple[int, float]] = {}
        self._kafka, self._dsn = servers
        self._group, (self._input, self._reached) = group, topics
        self._once, self._remember = once, remember
        self.violations: list[str] = []
        self._stored: list[tuple[float, Offsets]] = []
        self._seen: dict[str, Event] = {}
        self._restored = False
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=f"watcher-{work.__name__}", daemon=True)
            for work in (self._watch_positions, self._subscribe)
        ]
        for thread in self._threads:
            thread.start()

    def restored(self) -> None:
        """From now on `stored` may go back, and be behind `published`."""
        self._restored = True

    @property
    def looks(self) -> int:
        """How often positions were seen."""
        return len(self._stored)

    def stop(self) -> None:
        """Looks no more."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(30.0)

    def stored_again(self, since: float, partitions: Collection[int]) -> float | None:
        """Seconds from `since` (monotonic) until all these partitions had moved on; None if they have not."""
        samples = list(self._stored)
        before: Offsets = {}
        for at, offsets in samples:
            if at <= since:
                before = offsets
        moved: dict[int, float] = {}
        for at, offsets in samples:
            if at > since:
                for partition in partitions:
                    if offsets.get(partition, 0) > before.get(partition, 0):
                        moved.setdefault(partition, at - since)
        return max(moved.values(), default=0.0) if len(moved) == len(set(partitions)) else None

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            self.violations.append(f"the watcher itself failed: {type(error).__name__}: {error}")

    def _watch_positions(self) -> None:
        """`stored` and `published` never go back, and `published` is never ahead of `stored`."""
        reader = Consumer({"bootstrap.servers": self._kafka, "group.id": self._group, "log_level": 0})
        highest: tuple[dict[int, int], dict[int, int]] = ({}, {})
        try:
            while not self._stopping.wait(_PAUSE_S):
                # Asked first: what is published now was stored before.
                published = self._published(reader)
                with suppress(psycopg.Error), psycopg.connect(self._dsn, connect_timeout=2) as connection:
                    query = "select partition, next_offset from stream_position"
                    stored: dict[int, int] = dict(connection.execute(query).fetchall())
                    self._stored.append((time.monotonic(), stored))
                    if not self._restored:
                        self._compare(stored, published, highest)
        finally:
            reader.close()

    def _compare(self, stored: Offsets, published: Offsets, highest: tuple[dict[int, int], dict[int, int]]) -> None:
        for name, offsets, before in zip(("stored", "published"), (stored, published), highest, strict=True):
            for partition, offset in offsets.items():
                if offset < before.get(partition, 0):
                    if name == "published" and not self._once:
                        # A commit whose connection was cut may reach the broker after a later one, and nothing fences
                        # it: then some events may come twice, which this guarantee allows.
                        self.stale += 1
                        continue
                    if name == "published" and self._forgiving:
                        self._doubt(partition, offset, before[partition])
                        continue
                    self._violated(f"{name} of {partition} went back from {before[partition]} to {offset}")
                before[partition] = offset
                if name == "published":
                    self._back.pop(partition, None)
        for partition, offset in published.items():
            if offset > stored.get(partition, 0):
                self._violated(f"{partition} is published to {offset}, stored to {stored.get(partition)}")

    def _doubt(self, partition: int, offset: int, before: int) -> None:
        """It is a violation if it stays so."""
        told, since_s = self._back.get(partition, (-1, 0.0))
        if told == -1:
            self.stale += 1
        if told != offset:
            self._back[partition] = (offset, time.monotonic())
        elif time.monotonic() - since_s > _STAYS_S:
            self._violated(f"published of {partition} went back from {before} to {offset}")

    def _published(self, reader: Consumer) -> dict[int, int]:
        partitions = self._partitions()
        try:
            answers = reader.committed([TopicPartition(self._input, number) for number in partitions], timeout=0.5)
        except KafkaException:
            return {}
        return {place.partition: place.offset for place in answers if place.offset >= 0}

    def _partitions(self) -> Sequence[int]:
        return sorted(self._stored[-1][1]) if self._stored else [0]

    def _subscribe(self) -> None:
        """Each event comes once, in order for its document, and its row is there when it comes."""
        consumer = Consumer(
            {
                "bootstrap.servers": self._kafka,
                "group.id": "none",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        consumer.assign([TopicPartition(self._reached, number, 0) for number in self._output_partitions()])
        newest: dict[tuple[str, str, str], int] = {}
        unproven: list[str] = []
        try:
            while not self._stopping.is_set():
                messages = [m for m in consumer.consume(500, 0.1) if m.error() is None]
                unproven += [event.id for message in messages if (event := self._take(message, newest)) is not None]
                if unproven:
                    unproven = self._prove(unproven)
        finally:
            consumer.close()

    def _output_partitions(self) -> list[int]:
        while not self._stopping.wait(_PAUSE_S):
            with suppress(KafkaException, KeyError):
                return list(ends(self._kafka, self._reached))
        return []

    def _take(self, message: Message, newest: dict[tuple[str, str, str], int]) -> Event | None:
        event = event_of(message)
        before = self._seen.get(event.id)
        if before is not None:
            if self._once:
                self._violated(f"event {event.id} was seen again: {event.reached}")
            elif before.content != event.content:
                self._violated(f"event {event.id} came again as another one")
            return None
        if self._remember:
            self._seen[event.id] = event
        reached = event.reached
        document = (reached.reference_type, reached.reference_name, event.tracker)
        if self._once and reached.occurrence <= newest.get(document, 0):
            self._violated(f"event {event.id} came after a later one of its document and tracker: {reached}")
        newest[document] = reached.occurrence
        return event

    def _prove(self, ids: list[str]) -> list[str]:
        """Ids that have no row yet are violations; those that cannot be asked for now are returned."""
        try:
            with psycopg.connect(self._dsn, connect_timeout=2) as connection:
                query = "select id::text from milestone where id = any(%s::uuid[])"
                there = {row[0] for row in connection.execute(query, (ids,)).fetchall()}
        except psycopg.Error:
            return ids
        for id_ in () if self._restored else set(ids) - there:
            self._violated(f"event {id_} was seen before its row was stored")
        return []

    def _violated(self, what: str) -> None:
        if len(self.violations) < 20:
            self.violations.append(what)
