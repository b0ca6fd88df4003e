"""The newest records of the input, read outside of any consumer group: nothing is committed and nobody is disturbed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from consumer.core.positions import LogEnds
from consumer.core.records import Partition, next_offset_of, partition_of
from consumer.errors import Fatal
from consumer.kafka.consumer_errors import STOP
from consumer.kafka.settings import consumer_settings, made

_CHUNK = 500
_MOST_BYTES = 64 << 20


class Newest(NamedTuple):
    """The newest records, in order within each partition; `whole` unless time or memory ended the reading."""

    records: list[Message]
    whole: bool


def beginnings(ends: Mapping[Partition, LogEnds], count: int) -> dict[Partition, int]:
    """Where to begin so that `count` records are read, evenly from partitions; what short ones lack, long ones give.

    Partitions without records are left out.
    """
    lengths = {key: end.high - end.low for key, end in ends.items() if end.high > end.low}
    taken: dict[Partition, int] = {}
    left = count
    for at, key in enumerate(sorted(lengths, key=lambda key: lengths[key])):
        taken[key] = min(lengths[key], max(left // (len(lengths) - at), 1))
        left -= taken[key]
    return {key: ends[key].high - number for key, number in taken.items()}


def newest(kafka: Mapping[str, object], ends: Mapping[Partition, LogEnds], count: int, timeout_s: float) -> Newest:
    """The newest committed records up to these ends; of aborted ones and transaction markers there is nothing to read.

    Raises:
        Fatal: a topic may not be read.
    """
    begins = beginnings(ends, count)
    unread = {key: ends[key].high for key in begins}
    records: list[Message] = []
    size, deadline_s = 0, time.monotonic() + timeout_s
    consumer = made(Consumer, {**consumer_settings(kafka), "client.id": "milestones-doctor"})
    try:
        consumer.assign([TopicPartition(key.topic, key.partition, offset) for key, offset in begins.items()])
        while unread and size < _MOST_BYTES and time.monotonic() < deadline_s:
            for message in consumer.consume(_CHUNK, 0.2):
                if _is_record(message, unread):
                    records.append(message)
                    size += len(message.value() or b"")
    finally:
        consumer.close()
    return Newest(records, not unread)


def _is_record(message: Message, unread: dict[Partition, int]) -> bool:
    """Whether it is a record that is wanted; a partition whose end is reached is read."""
    key, error = partition_of(message), message.error()
    if error is None:
        wanted = key in unread
        if wanted and next_offset_of(message) >= unread[key]:
            del unread[key]
        return wanted
    if error.code() == KafkaError._PARTITION_EOF:
        unread.pop(key, None)
    elif error.code() in STOP:
        raise Fatal(f"{key.topic} cannot be read: {error.str()}; {STOP[error.code()]}")
    return False
