"""The consumer group's committed offsets: reading them, and committing them outside of a transaction."""

from __future__ import annotations

from collections.abc import Container, Iterable
from queue import SimpleQueue

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumer.core.records import Partition
from consumer.errors import PublishDown

_CALL_TIMEOUT_S = 2.0
"""Longer than any healthy transaction takes: who answers later waits for one that its owner does not end."""


class GroupOffsets:
    """What the group has committed; for at_least_once also what is to be committed next."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._noted: SimpleQueue[list[TopicPartition]] = SimpleQueue()

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, int | None]:
        """The group's committed offsets; None where Kafka has none. Waits for open transactions to end.

        Raises:
            PublishDown: no answer in time.
        """
        asked = [TopicPartition(key.topic, key.partition) for key in partitions]
        try:
            answers = self._consumer.committed(asked, timeout=_CALL_TIMEOUT_S)
        except KafkaException as error:
            raise PublishDown(f"Kafka did not tell the committed offsets: {error}") from error
        for answer in answers:
            if answer.error is not None:
                raise PublishDown(f"Kafka did not tell the committed offset of {answer.topic}: {answer.error.str()}")
        return {Partition(a.topic, a.partition): a.offset if a.offset >= 0 else None for a in answers}

    def note(self, offsets: list[TopicPartition]) -> None:
        """Takes offsets to be committed soon, from the thread that publishes.

        That thread must not call the consumer: the client lets one thread in at a time. Who waits there for a poll to
        end may wait long; who waits for `on_revoke` to end, which waits for what is in flight, would wait for ever.
        """
        self._noted.put(offsets)

    def commit_noted(self, mine: Container[Partition]) -> None:
        """Commits what was noted of the partitions that are `mine`; the rest is another member's by now.

        Raises:
            PublishDown: the group's coordinator refused, or did not answer.
        """
        places: dict[Partition, TopicPartition] = {}
        while not self._noted.empty():
            places |= {Partition(place.topic, place.partition): place for place in self._noted.get()}
        offsets = [place for key, place in places.items() if key in mine]
        if not offsets:
            return
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise PublishDown(f"the offsets were not committed: {error}") from error
