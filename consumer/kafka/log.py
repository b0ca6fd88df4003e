"""Reading a stretch of topics outside of any consumer group: nothing is committed and nobody is disturbed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from consumer.core.positions import LogEnds
from consumer.core.records import Partition, next_offset_of, offset_of, partition_of, place_of
from consumer.errors import Fatal, PublishDown
from consumer.kafka.settings import consumer_settings, made

_CHUNK = 1_000
_READ_AHEAD: Mapping[str, object] = {
    "queued.max.messages.kbytes": 8_192,
    "fetch.message.max.bytes": 256 << 10,
    "fetch.max.bytes": 1 << 20,
}
"""Less than a worker reads ahead: an audit never waits for a commit, so a small queue does not run dry."""
_SILENCE_S = 30.0


class Log:
    """Topics as a reader of committed records sees them."""

    def __init__(self, kafka: Mapping[str, object]) -> None:
        self._settings = {**consumer_settings({**_READ_AHEAD, **kafka}), "client.id": "milestones-audit"}

    def chunks(self, ends: Mapping[Partition, LogEnds]) -> Iterator[dict[Partition, list[Message]]]:
        """The records between these offsets, some at a time: by partition, each partition's in order.

        Raises:
            PublishDown: no broker answers.
            Fatal: a topic may not be read.
        """
        consumer = made(Consumer, self._settings)
        try:
            yield from chunks_between(consumer, ends, committed=True)
        finally:
            consumer.close()


def records_between(consumer: Consumer, ends: Mapping[Partition, LogEnds]) -> Iterator[Message]:
    """The records between these offsets, one by one; raises as `Log.chunks`."""
    for chunk in chunks_between(consumer, ends):
        for records in chunk.values():
            yield from records


def chunks_between(
    consumer: Consumer, ends: Mapping[Partition, LogEnds], *, committed: bool = False
) -> Iterator[dict[Partition, list[Message]]]:
    """The records between these offsets; raises as `Log.chunks`.

    Args:
        committed: what stands behind an open transaction is waited for, instead of taken for the end.
    """
    unread = {key: end.high for key, end in ends.items() if end.high > end.low}
    consumer.assign([TopicPartition(key.topic, key.partition, ends[key].low) for key in unread])
    silent_since_s = time.monotonic()
    while unread:
        messages = consumer.consume(_CHUNK, 0.2)
        found = _records(messages, unread, committed=committed)
        if found:
            yield found
        if messages:
            silent_since_s = time.monotonic()
        elif time.monotonic() - silent_since_s > _SILENCE_S:
            raise PublishDown(_silent(consumer, unread))


def _silent(consumer: Consumer, unread: Mapping[Partition, int]) -> str:
    places = consumer.position([TopicPartition(key.topic, key.partition) for key in unread])
    where = ", ".join(f"{place.topic}-{place.partition} offset {place.offset}" for place in places if place.offset >= 0)
    return (
        "nothing more comes: no broker answers (check kafka.bootstrap.servers), or a transaction is open"
        f"{f' at {where}' if where else ''}; try again when it has ended"
    )


def _records(
    messages: Iterable[Message], unread: dict[Partition, int], *, committed: bool
) -> dict[Partition, list[Message]]:
    """The records below their partitions' ends; a partition whose end is reached is read."""
    records: defaultdict[tuple[str | None, int | None], list[Message]] = defaultdict(list)
    others: list[Message] = []
    for message in messages:
        if message.error() is None:
            records[message.topic(), message.partition()].append(message)
        else:
            others.append(message)
    found = {key: below for some in records.values() if (below := _below(key := partition_of(some[0]), some, unread))}
    for message in others:
        _take_note(message, unread, committed=committed)
    return found


def _below(key: Partition, records: list[Message], unread: dict[Partition, int]) -> list[Message]:
    end = unread.get(key, 0)
    if next_offset_of(records[-1]) < end:
        return records
    unread.pop(key, None)
    return records[: place_of(records, end)]


def _take_note(message: Message, unread: dict[Partition, int], *, committed: bool) -> None:
    key, error = partition_of(message), message.error()
    if error is None:
        return
    if error.code() != KafkaError._PARTITION_EOF:
        raise _unreadable(error, key)
    # Before the end there is one of what is committed: an open transaction stands there.
    if not committed or offset_of(message) >= unread.get(key, 0):
        unread.pop(key, None)


def _unreadable(error: KafkaError, key: Partition) -> Fatal | PublishDown:
    if error.retriable() or error.code() in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
        return PublishDown(f"{key.topic} cannot be read: {error.str()}; check kafka.bootstrap.servers")
    return Fatal(f"{key.topic}-{key.partition} cannot be read: {error.str()}; allow this user to READ the topic")
