"""From "assigned" to "being read": both watermarks are read, compared, and the partition goes on from the lower one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from consumer.core.positions import LogEnds, Owner, Start, StoredPosition, start_of
from consumer.core.records import Partition, Span
from consumer.errors import Fatal, PublishDown


class Source(Protocol):
    """What is asked of the consumer."""

    @property
    def waiting(self) -> set[Partition]: ...
    def committed(self, partitions: Sequence[Partition]) -> dict[Partition, int | None]: ...
    def start(self, start: Start) -> None: ...


class Topics(Protocol):
    """What is asked of the cluster."""

    def partitions(self) -> dict[str, int]: ...
    def topic_id(self, topic: str) -> str: ...
    def ask_topic_id(self, topic: str) -> Callable[[], str]: ...
    def ends(self, partitions: Sequence[Partition]) -> dict[Partition, LogEnds]: ...


class Positions(Protocol):
    """What is asked of PostgreSQL."""

    def positions(self, topic: str, partitions: Sequence[int]) -> dict[int, StoredPosition]: ...
    def last_slots(self, topic: str, partitions: Sequence[int]) -> set[int]: ...
    def create_positions(self, spans: Sequence[Span]) -> None: ...


Fence = Callable[[set[int]], None]
"""Ends the open transactions of the workers in these slots."""


class Assignment:
    """Starts the partitions that wait.

    Partitions that were added to a topic whose others are read already stay paused until those reach the ends they
    had then: keys move to new partitions, and a document's earlier changes come first.
    """

    def __init__(
        self,
        topic: str,
        outputs: Sequence[str],
        group: str,
        parts: tuple[Source, Topics, Positions, Fence],
        *,
        allow_gap: bool,
    ) -> None:
        self._topic, self._outputs, self._group = topic, outputs, group
        self._source, self._topics, self._store, self._fence = parts
        self._allow_gap = allow_gap
        self._topic_id = ""
        self._ends_before: dict[Partition, LogEnds] | None = None

    def start_waiting(self) -> None:
        """Starts what can be started.

        Raises:
            Transient: Kafka or PostgreSQL did not answer; ask again later.
            Fatal: going on would skip or mix up records.
        """
        waiting = sorted(self._source.waiting)
        if not waiting:
            return
        owner = Owner(self._topic, self.check_topic(), self._group)
        rows = self._rows(owner)
        ready = [key for key in waiting if key.partition in rows]
        fresh = [key for key in waiting if key.partition not in rows]
        if not fresh:
            self._ends_before = None
        elif self._others_caught_up(rows):
            self._store.create_positions([s.span for s in self._starts(owner, fresh, {})])
            ready = waiting
        for start in self._starts(owner, ready, self._store.positions(self._topic, [key.partition for key in ready])):
            self._source.start(start)

    def check_topic(self) -> str:
        """The topic's id; a stop if it is not the one that was read until now."""
        return self._checked(self._topics.topic_id(self._topic))

    def ask_topic(self) -> Callable[[], object]:
        """Asks for the topic's id, right after records were consumed; the answer is checked when they are stored.

        If it is still the same then, the records cannot be those of a topic that was made anew.
        """
        answer = self._topics.ask_topic_id(self._topic)
        return lambda: self._checked(answer())

    def _checked(self, topic_id: str) -> str:
        if self._topic_id and topic_id != self._topic_id:
            raise Fatal(
                f"{self._topic}: the topic was deleted and made again (id {topic_id}, before {self._topic_id}); "
                f"to follow the new one from its beginning run `milestones take-over --topic {self._topic}`"
            )
        self._topic_id = topic_id
        return topic_id

    def reached(self, ends: Mapping[Partition, int]) -> bool:
        """Whether both watermarks of partitions that others may read have reached these ends.

        Raises:
            Transient: Kafka or PostgreSQL did not answer.
        """
        if not ends:
            return True
        rows = self._store.positions(self._topic, [key.partition for key in ends])
        if any(key.partition not in rows or rows[key.partition].next_offset < end for key, end in ends.items()):
            return False
        for key, offset in self._source.committed(list(ends)).items():
            published = rows[key.partition].published_offset if offset is None else offset
            if published < ends[key]:
                return False
        return True

    def all_partitions(self) -> list[Partition]:
        """Every partition of the topic, whoever reads it.

        Raises:
            Fatal: a topic that is published to does not exist any more.
        """
        topics = self._topics.partitions()
        missing = [name for name in self._outputs if name not in topics]
        if missing:
            names = ", ".join(missing)
            raise Fatal(f"missing topics: {names}; create them, or set input.create_topics: true and start again")
        count = topics.get(self._topic, 0)
        return [Partition(self._topic, number) for number in range(count)]

    def _rows(self, owner: Owner) -> dict[int, StoredPosition]:
        """All stored positions of the topic. On the first run they are made for all its partitions at once."""
        everything = self.all_partitions()
        numbers = [key.partition for key in everything]
        rows = self._store.positions(self._topic, numbers)
        if not rows:
            self._store.create_positions([start.span for start in self._starts(owner, everything, {})])
            rows = self._store.positions(self._topic, numbers)
        return rows

    def _starts(self, owner: Owner, keys: Sequence[Partition], rows: Mapping[int, StoredPosition]) -> list[Start]:
        if not keys:
            return []
        committed, ends = self._committed(keys), self._topics.ends(keys)
        return [
            start_of(owner, k.partition, rows.get(k.partition), committed[k], ends[k], allow_gap=self._allow_gap)
            for k in keys
        ]

    def _committed(self, keys: Sequence[Partition]) -> dict[Partition, int | None]:
        """The group's offsets. If an open transaction keeps them back, its owner is frozen or gone, and is fenced."""
        try:
            return self._source.committed(keys)
        except PublishDown:
            self._fence(self._store.last_slots(self._topic, [key.partition for key in keys]))
            return self._source.committed(keys)

    def _others_caught_up(self, rows: Mapping[int, StoredPosition]) -> bool:
        if self._ends_before is None:
            self._ends_before = self._topics.ends([Partition(self._topic, number) for number in rows])
        # Published, too: events of one document stay in order though its key moved.
        if not self.reached({key: ends.high for key, ends in self._ends_before.items()}):
            return False
        self._ends_before = None
        return True
