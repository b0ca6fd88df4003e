"""The consumer group's committed offsets: reading them, and committing them outside of a transaction."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Container, Iterable, Sequence
from queue import SimpleQueue

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.core.records import Partition
from consumer.errors import PublishDown

CALL_TIMEOUT_S = 2.0
"""Longer than any healthy transaction takes: who answers later waits for one that its owner does not end."""
_COMMIT_TIMEOUT_S = 8.0


class GroupOffsets:
    """What the group has committed; for at_least_once also what is to be committed next."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._noted: SimpleQueue[list[TopicPartition]] = SimpleQueue()
        self._sent_s: deque[float] = deque()
        self._refusal = ""
        self.are_noted = False

    def committed(
        self, partitions: Iterable[Partition], timeout_s: float = CALL_TIMEOUT_S
    ) -> dict[Partition, int | None]:
        """The group's committed offsets; None where Kafka has none. Waits for open transactions to end.

        Raises:
            PublishDown: no answer in time.
        """
        asked = [TopicPartition(key.topic, key.partition) for key in partitions]
        try:
            answers = self._consumer.committed(asked, timeout=timeout_s)
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
        self.are_noted = True
        self._noted.put(offsets)

    def commit_noted(self, mine: Container[Partition]) -> None:
        """Has what was noted of the partitions that are `mine` committed; the rest is another member's by now.

        Does not wait for the answer: without its coordinator the client may wait for ever. What was sent before is done
        before anything that is asked of the coordinator later, and before the group is left.

        Raises:
            PublishDown: what was sent earlier was refused, or not answered in time.
        """
        self._check_answers()
        places: dict[Partition, TopicPartition] = {}
        while not self._noted.empty():
            places |= {Partition(place.topic, place.partition): place for place in self._noted.get()}
        offsets = [place for key, place in places.items() if key in mine]
        if not offsets:
            return
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            raise PublishDown(f"the offsets were not committed: {error}") from error
        self._sent_s.append(time.monotonic())

    def answered(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        """Takes note of an answer, which the client gives within a poll."""
        if self._sent_s:
            self._sent_s.popleft()
        for wrong in (error, *(partition.error for partition in partitions)):
            if wrong is not None:
                self._refusal = self._refusal or wrong.str()

    def _check_answers(self) -> None:
        reason, self._refusal = self._refusal, ""
        if not reason and self._sent_s and time.monotonic() - self._sent_s[0] > _COMMIT_TIMEOUT_S:
            reason = "the group's coordinator does not answer"
        if reason:
            self._sent_s.clear()
            raise PublishDown(f"the offsets were not committed: {reason}")
