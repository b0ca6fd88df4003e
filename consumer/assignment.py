"""From "assigned" to "being read": both watermarks are read, compared, and the partition goes on from the lower one."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from typing import NoReturn, Protocol

import structlog

from consumer.core.inputs import Inputs
from consumer.core.positions import LogEnds, Owner, Start, StoredPosition, start_of
from consumer.core.records import Partition, Span
from consumer.errors import Fatal, PublishDown, Transient

log = structlog.get_logger(__name__)

_HEARD_OF_WITHIN_S = 5.0
"""What was just made is in every broker's metadata by then."""
_LEFT_OUT_S = 90.0
"""Longer than any rebalance takes: max.poll.interval.ms, and a session time-out."""
_SURE_S = 10.0
"""For so long the group's offsets have to stay the same, where they are behind what was published."""
_SOON_S = 0.5
"""A transaction that is about to be committed takes no longer, unless the broker is slow."""


class Source(Protocol):
    """What is asked of the consumer."""

    @property
    def waiting(self) -> set[Partition]: ...
    def committed(self, partitions: Sequence[Partition], timeout_s: float = ...) -> dict[Partition, int | None]: ...
    def start(self, start: Start) -> None: ...


class Topics(Protocol):
    """What is asked of the cluster."""

    def partitions(self) -> dict[str, int]: ...
    def ask_topic_ids(self, topics: Collection[str]) -> Callable[[], dict[str, str | None]]: ...
    def ask_members(self, group: str) -> Callable[[], frozenset[str] | None]: ...
    def ends(self, partitions: Sequence[Partition]) -> dict[Partition, LogEnds]: ...


class Positions(Protocol):
    """What is asked of PostgreSQL."""

    def positions(self, partitions: Sequence[Partition]) -> dict[Partition, StoredPosition]: ...
    def last_slots(self, partitions: Sequence[Partition], *, ended: bool = False) -> set[int]: ...
    def create_positions(self, spans: Sequence[Span]) -> None: ...


Fence = Callable[[set[int]], None]
"""Ends the open transactions of the workers in these slots."""


class Assignment:
    """Starts the partitions that wait.

    Partitions that were added to a topic whose others are read already stay paused until those reach the ends they
    had then: keys move to new partitions, and a document's earlier changes come first. A topic of which nothing is
    stored has no such others: it begins with all its partitions.
    """

    def __init__(
        self,
        inputs: Inputs,
        outputs: Sequence[str],
        group: str,
        parts: tuple[Source, Topics, Positions, Fence],
        *,
        allow_gap: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inputs, self._outputs, self._group = inputs, outputs, group
        self._source, self._topics, self._store, self._fence = parts
        self._allow_gap, self._clock = allow_gap, clock
        self._missed_since_s: dict[str, float] = {}
        self._topic_ids: dict[str, str] = {}
        self._gone: set[str] = set()
        self._ends_before: dict[str, dict[Partition, LogEnds]] = {}
        self._doubted: dict[Partition, tuple[int, float]] = {}
        self._members: Callable[[], frozenset[str] | None] = _nobody_asked
        self._left_out_since_s: float | None = None

    def start_waiting(self) -> None:
        """Starts what can be started.

        Raises:
            Transient: Kafka or PostgreSQL did not answer; ask again later.
            Fatal: going on would skip or mix up records.
        """
        ids = self._existing({key.topic for key in self._source.waiting})
        if not ids:
            return
        owners = {topic: Owner(topic, topic_id, self._group) for topic, topic_id in ids.items()}
        everything = self._all_partitions(owners)
        rows = self._rows(owners, everything)
        # A broker that has not heard yet of a new partition, or topic, will have within a moment.
        waiting = sorted(self._source.waiting & set(everything))
        begun = self._begin({key for key in waiting if key not in rows}, owners, rows)
        ready = [key for key in waiting if key in rows or key in begun]
        for start in self._starts(owners, ready, self._store.positions(ready)):
            self._source.start(start)

    def is_left_out(self, member_id: str) -> bool:
        """Whether the group's coordinator has long known nothing of this worker: its client has lost its way there.

        Looks at what was answered to the question before, and asks anew: nobody waits.
        """
        members, self._members = self._members(), self._topics.ask_members(self._group)
        if members is None:
            return False
        if member_id in members:
            self._left_out_since_s = None
            return False
        now_s = self._clock()
        if self._left_out_since_s is None:
            self._left_out_since_s = now_s
        if now_s - self._left_out_since_s < _LEFT_OUT_S:
            return False
        self._left_out_since_s = None
        return True

    def check_topics(self, assigned: Iterable[str]) -> None:
        """A stop if a topic is not the one that was read until now, or if one that config.yaml names is gone."""
        # Those read until now, too: of a topic that was deleted, Kafka may have taken the partitions away before.
        self._existing({*self._inputs.names, *assigned, *self._topic_ids})

    def ask_topics(self, topics: Set[str]) -> Callable[[], None]:
        """Asks for the ids of a batch's topics, right after its records were consumed; to be checked when it is stored.

        If they are still the same then, the records cannot be those of a topic that was made anew.
        """
        answer = self._topics.ask_topic_ids(topics)

        def check() -> None:
            gone = topics - self._checked(answer()).keys()
            if gone:
                raise Transient(f"{', '.join(sorted(gone))}: the topic was deleted")

        return check

    def reached(self, ends: Mapping[Partition, int]) -> bool:
        """Whether both watermarks of partitions that others may read have reached these ends.

        Raises:
            Transient: Kafka or PostgreSQL did not answer.
        """
        if self._inputs.pattern is not None and ends:
            there = self._topics.partitions()
            ends = {key: end for key, end in ends.items() if key.topic in there}
        if not ends:
            return True
        rows = self._store.positions(list(ends))
        if any(key not in rows or rows[key].next_offset < end for key, end in ends.items()):
            return False
        for key, offset in self._source.committed(list(ends)).items():
            published = rows[key].published_offset if offset is None else offset
            if published < ends[key]:
                return False
        return True

    def _existing(self, topics: Set[str]) -> dict[str, str]:
        """Those of these topics that exist, with their ids. One that a pattern found may go, which is told once."""
        ids = self._checked(self._topics.ask_topic_ids(topics)())
        self._gone -= ids.keys()
        for topic in sorted((topics & self._topic_ids.keys()) - ids.keys() - self._gone):
            log.warning(
                "an input topic was deleted: what was not read of it is lost, what was not announced stays so",
                topic=topic,
            )
            self._gone.add(topic)
        return ids

    def _checked(self, answer: Mapping[str, str | None]) -> dict[str, str]:
        for topic, topic_id in answer.items():
            known = self._topic_ids.get(topic, topic_id)
            if topic_id is None and self._inputs.pattern is None:
                words = f"restore it, or make it anew and run `milestones take-over --topic {topic}`"
                gone = f"topic {topic} does not exist any more: {words}"
                self._miss(topic, gone, at_once=topic in self._topic_ids)
            self._missed_since_s.pop(topic, None)
            if topic_id is not None and topic_id != known:
                raise Fatal(
                    f"{topic}: the topic was deleted and made again (id {topic_id}, before {known}); "
                    f"to follow the new one from its beginning run `milestones take-over --topic {topic}`"
                )
        ids = {topic: topic_id for topic, topic_id in answer.items() if topic_id is not None}
        self._topic_ids |= ids
        return ids

    def _miss(self, what: str, words: str, *, at_once: bool = False) -> NoReturn:
        """A stop; but what the broker never told of may be new, and is asked for again for a moment."""
        now_s = self._clock()
        if not at_once and now_s - self._missed_since_s.setdefault(what, now_s) < _HEARD_OF_WITHIN_S:
            raise Transient(f"{words}; or the broker has not heard of it yet")
        raise Fatal(words)

    def _all_partitions(self, topics: Iterable[str]) -> list[Partition]:
        """Every partition of these topics, whoever reads it.

        Raises:
            Fatal: a topic that is published to does not exist any more.
        """
        counts = self._topics.partitions()
        missing = ", ".join(name for name in self._outputs if name not in counts)
        if missing:
            words = "create them, or set input.create_topics: true and start again"
            self._miss("outputs", f"missing topics: {missing}; {words}")
        self._missed_since_s.pop("outputs", None)
        return [Partition(topic, number) for topic in topics for number in range(counts.get(topic, 0))]

    def _rows(self, owners: Mapping[str, Owner], everything: Sequence[Partition]) -> dict[Partition, StoredPosition]:
        """All stored positions of these topics. On a topic's first run they are made for all its partitions at once."""
        rows = self._store.positions(everything)
        known = {key.topic for key in rows}
        first = [key for key in everything if key.topic not in known]
        if first:
            self._store.create_positions([start.span for start in self._starts(owners, first, {})])
            rows |= self._store.positions(first)
        return rows

    def _starts(
        self, owners: Mapping[str, Owner], keys: Sequence[Partition], rows: Mapping[Partition, StoredPosition]
    ) -> list[Start]:
        if not keys:
            return []
        committed, ends = self._committed(keys), self._topics.ends(keys)
        keys = [key for key in keys if self._is_sure(key, committed[key], rows.get(key))]
        return [
            start_of(owners[k.topic], k.partition, rows.get(k), committed[k], ends[k], allow_gap=self._allow_gap)
            for k in keys
        ]

    def _is_sure(self, key: Partition, committed: int | None, row: StoredPosition | None) -> bool:
        """Whether the group's offset can be believed. One behind what was published would announce all since once more.

        Somebody may have set it back. But a coordinator that has just begun was seen to tell offsets of long ago for a
        moment: what is so, it tells again.
        """
        if row is None or committed is None or committed >= row.published_offset:
            self._doubted.pop(key, None)
            return True
        now_s = self._clock()
        told, since_s = self._doubted.get(key, (-1, now_s))
        if told != committed:
            place = f"{key.topic}-{key.partition}"
            words = "the group's offset is behind what was published, it is asked for again until it stays the same"
            log.warning(words, partition=place, offset=committed, published=row.published_offset)
            self._doubted[key] = (committed, now_s)
            return False
        return now_s - since_s >= _SURE_S

    def _committed(self, keys: Sequence[Partition]) -> dict[Partition, int | None]:
        """The group's offsets. If an open transaction keeps them back, its owner is gone or frozen, and is fenced.

        Whom PostgreSQL knows to have ended cannot mind, and is not waited for as long as one that may be well.
        """
        with suppress(PublishDown):
            return self._source.committed(keys, _SOON_S)
        self._fence(self._store.last_slots(keys, ended=True))
        try:
            return self._source.committed(keys)
        except PublishDown:
            self._fence(self._store.last_slots(keys))
            return self._source.committed(keys)

    def _begin(
        self, fresh: set[Partition], owners: Mapping[str, Owner], rows: Mapping[Partition, StoredPosition]
    ) -> set[Partition]:
        """Makes positions of partitions that were added to topics whose others have caught up; returns those."""
        topics = {key.topic for key in fresh}
        self._ends_before = {topic: ends for topic, ends in self._ends_before.items() if topic in topics}
        ready = {topic for topic in topics if self._others_caught_up(topic, rows)}
        begun = {key for key in fresh if key.topic in ready}
        if begun:
            self._store.create_positions([start.span for start in self._starts(owners, sorted(begun), {})])
        for topic in ready:
            del self._ends_before[topic]
        return begun

    def _others_caught_up(self, topic: str, rows: Mapping[Partition, StoredPosition]) -> bool:
        if topic not in self._ends_before:
            self._ends_before[topic] = self._topics.ends([key for key in rows if key.topic == topic])
        # Published, too: events of one document stay in order though its key moved.
        return self.reached({key: ends.high for key, ends in self._ends_before[topic].items()})


def _nobody_asked() -> None:
    """Until the first question."""
