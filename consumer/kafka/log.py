"""Reading a stretch of topics outside of any consumer group: nothing is committed and nobody is disturbed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from consumer.core.positions import LogEnds
from consumer.core.records import Partition, next_offset_of, offset_of, partition_of
from consumer.errors import Fatal, PublishDown
from consumer.kafka.settings import consumer_settings, made

_CHUNK = 5_000
_SILENCE_S = 30.0


class Log:
    """Topics as a reader of committed records sees them."""

    def __init__(self, kafka: Mapping[str, object]) -> None:
        self._settings = {**consumer_settings(kafka), "client.id": "milestones-audit"}

    def chunks(self, ends: Mapping[Partition, LogEnds]) -> Iterator[list[Message]]:
        """The records between these offsets, each partition's in order.

        Raises:
            PublishDown: no broker answers.
            Fatal: a topic may not be read.
        """
        consumer = made(Consumer, self._settings)
        try:
            yield from chunks_between(consumer, ends)
        finally:
            consumer.close()


def records_between(consumer: Consumer, ends: Mapping[Partition, LogEnds]) -> Iterator[Message]:
    """The records between these offsets, one by one; raises as `Log.chunks`."""
    for chunk in chunks_between(consumer, ends):
        yield from chunk


def chunks_between(consumer: Consumer, ends: Mapping[Partition, LogEnds]) -> Iterator[list[Message]]:
    """The records between these offsets; raises as `Log.chunks`."""
    unread = {key: end.high for key, end in ends.items() if end.high > end.low}
    consumer.assign([TopicPartition(key.topic, key.partition, ends[key].low) for key in unread])
    silent_since_s = time.monotonic()
    while unread:
        messages = consumer.consume(_CHUNK, 0.2)
        found = [message for message in messages if _is_record(message, unread)]
        if found:
            yield found
        if messages:
            silent_since_s = time.monotonic()
        elif time.monotonic() - silent_since_s > _SILENCE_S:
            raise PublishDown("no broker answers; check kafka.bootstrap.servers and that the cluster is up")


def _is_record(message: Message, unread: dict[Partition, int]) -> bool:
    """Whether it is a record below its partition's end; a partition whose end is reached is read."""
    key, error = partition_of(message), message.error()
    if error is None:
        end = unread.get(key, 0)
        if next_offset_of(message) >= end:
            unread.pop(key, None)
        return offset_of(message) < end
    if error.code() == KafkaError._PARTITION_EOF:
        unread.pop(key, None)
        return False
    raise _unreadable(error, key)


def _unreadable(error: KafkaError, key: Partition) -> Fatal | PublishDown:
    if error.retriable() or error.code() in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
        return PublishDown(f"{key.topic} cannot be read: {error.str()}; check kafka.bootstrap.servers")
    return Fatal(f"{key.topic}-{key.partition} cannot be read: {error.str()}; allow this user to READ the topic")
