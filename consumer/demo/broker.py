"""An Apache Kafka for the demo, inside this process: librdkafka's mock cluster.

It knows groups, plain commits and idempotent producers, but neither CreateTopics nor topic ids, and no transactions
worth the name: `at_least_once` only. It keeps about 5 MB a partition and then drops the oldest records.
https://github.com/confluentinc/librdkafka/blob/master/src/rdkafka_mock.h
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from consumer.core.records import Partition, headers_of, offset_of
from consumer.errors import Fatal
from consumer.kafka.topics import Topics

_TIMEOUT_S: Final = 10.0
_SILENT: Final = {"log_level": 0}


class PublishedEvent(msgspec.Struct, frozen=True):
    """A record as a subscriber sees it."""

    topic: str
    partition: int
    offset: int
    key: str
    headers: dict[str, str]
    value: msgspec.Raw


class Broker:
    """The cluster lives as long as this object."""

    def __init__(self, group: str) -> None:
        self._cluster = Producer({"test.mock.num.brokers": 1, **_SILENT})
        brokers = self._cluster.list_topics(timeout=_TIMEOUT_S).brokers.values()
        self.address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        self._asking = self._consumer(group)

    def create_topics(self, names: Iterable[str]) -> None:
        """Asks for each topic's metadata as a producer would: the mock cluster then makes it."""
        producer = Producer({"bootstrap.servers": self.address, "allow.auto.create.topics": True, **_SILENT})
        for name in names:
            error = producer.list_topics(name, timeout=_TIMEOUT_S).topics[name].error
            if error is not None:
                raise Fatal(f"the in-process broker did not make the topic {name}: {error.str()}")

    def producer(self) -> Producer:
        """A producer that keeps the order of records within a partition."""
        return Producer(
            {"bootstrap.servers": self.address, "enable.idempotence": True, "compression.type": "lz4",
             "linger.ms": 5, "message.max.bytes": 120_000_000, **_SILENT}
        )  # fmt: skip

    def published(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The group's committed offset of each partition, 0 where nothing was committed."""
        asked = [TopicPartition(key.topic, key.partition) for key in partitions]
        try:
            answers = self._asking.committed(asked, timeout=_TIMEOUT_S)
        except KafkaException as error:
            raise Fatal(f"the in-process broker does not answer: {error}") from error
        return {Partition(answer.topic, answer.partition): max(answer.offset, 0) for answer in answers}

    def first_offset(self, partition: Partition) -> int:
        """The first offset that a partition still has."""
        place = TopicPartition(partition.topic, partition.partition)
        low, _ = self._asking.get_watermark_offsets(place, timeout=_TIMEOUT_S)
        return low

    def event(self, topics: Topics, topic: str, event_id: str | None) -> PublishedEvent | None:
        """The event with this ce_id; the last one where there is none; None where nothing was published."""
        found = None
        for message in self._all(topics, topic):
            found = message
            if event_id is not None and ("ce_id", event_id.encode()) in headers_of(message):
                break
        return None if found is None else _as_seen(found)

    def _all(self, topics: Topics, topic: str) -> Iterator[Message]:
        ends = topics.ends(partitions_of(topics, topic))
        left = {key.partition: end.high for key, end in ends.items() if end.high > end.low}
        reader = self._consumer("milestones-demo-reader")
        reader.assign([TopicPartition(topic, number, ends[Partition(topic, number)].low) for number in left])
        deadline_s = time.monotonic() + _TIMEOUT_S
        try:
            while left and time.monotonic() < deadline_s:
                for message in reader.consume(1_000, 0.05):
                    if message.error() is None:
                        yield message
                        if offset_of(message) >= left.get(message.partition() or 0, 0) - 1:
                            left.pop(message.partition() or 0, None)
        finally:
            reader.close()

    def _consumer(self, group: str) -> Consumer:
        return Consumer(
            {"bootstrap.servers": self.address, "group.id": group, "enable.auto.commit": False,
             "auto.offset.reset": "earliest", "fetch.wait.max.ms": 10, **_SILENT}
        )  # fmt: skip

    def close(self) -> None:
        """Lets go of the broker; the cluster ends with this object."""
        self._asking.close()


def partitions_of(topics: Topics, topic: str) -> Sequence[Partition]:
    """All partitions of a topic."""
    return [Partition(topic, number) for number in range(topics.partitions().get(topic, 0))]


def count(topics: Topics, topic: str) -> int:
    """How many records were ever written to a topic."""
    return sum(ends.high for ends in topics.ends(partitions_of(topics, topic)).values())


def _as_seen(message: Message) -> PublishedEvent:
    headers = {name: value.decode() for name, value in headers_of(message)}
    key, value = message.key() or b"", message.value() or b""
    return PublishedEvent(
        message.topic() or "", message.partition() or 0, offset_of(message), key.decode(), headers, msgspec.Raw(value)
    )
