"""Feeds records to the in-process broker, no faster than the consumer publishes what they came to."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from confluent_kafka import KafkaError, Message, Producer

from consumer.captured import CapturedRecord
from consumer.core.records import Partition
from consumer.demo.broker import Broker
from consumer.errors import Fatal

# The broker keeps 5 MB a partition, as it gets them: compressed. Counted here is what the records have uncompressed.
UNREAD_BYTES: Final = 2 << 20
_LOOK_S: Final = 0.01
_FLUSH_TIMEOUT_S: Final = 30.0
_PER_RECORD_BYTES: Final = 40

Stream = Callable[[], Iterable[CapturedRecord]]


class Feed:
    """Sends a stream; what of it is unread stays below `limit` bytes in each partition of the topic that is consumed.

    Args:
        stream: called for the records, whose partitions are taken modulo those that their topic has.
        widths: partitions of each topic.
    """

    def __init__(
        self, broker: Broker, stream: Stream, consumed: str, widths: Mapping[str, int], limit: int = UNREAD_BYTES
    ) -> None:
        self._broker, self._stream = broker, stream
        self._consumed, self._widths, self._limit = consumed, widths, limit
        self._failure: KafkaError | None = None
        self._sent: Counter[Partition] = Counter()
        self._unread: dict[Partition, deque[tuple[int, int]]] = {
            Partition(consumed, number): deque() for number in range(widths[consumed])
        }
        self._unread_bytes: Counter[Partition] = Counter()
        self.stopping = False

    def targets(self, named: Mapping[Partition, int]) -> dict[Partition, int]:
        """Where each partition that is consumed will end, from the number of records by the partitions they name."""
        ends: Counter[Partition] = Counter()
        for key, number in named.items():
            if key.topic == self._consumed:
                ends[self._place(key.topic, key.partition)] += number
        return dict(ends)

    def _place(self, topic: str, partition: int) -> Partition:
        return Partition(topic, partition % self._widths[topic])

    def run(self) -> None:
        """Sends everything, then watches until everything is published, or until `stopping` is set.

        Raises:
            Fatal: the broker dropped records that were not published yet, or took one not at all.
        """
        producer = self._broker.producer()
        for record in self._stream():
            self._send(producer, record)
            if self.stopping:
                producer.purge()
                return
        if producer.flush(_FLUSH_TIMEOUT_S):
            raise Fatal("the in-process broker does not take the records")
        self._check()
        while any(self._unread.values()) and not self.stopping:
            self._look(producer)

    def _send(self, producer: Producer, record: CapturedRecord) -> None:
        key = self._place(record.topic, record.partition)
        size = _size(record)
        if key.topic == self._consumed:
            while self._unread_bytes[key] + size > self._limit and self._unread[key] and not self.stopping:
                self._look(producer)
            self._sent[key] += 1
            self._unread[key].append((self._sent[key], size))
            self._unread_bytes[key] += size
        headers: list[tuple[str, str | bytes | None]] = [*record.headers]
        producer.produce(
            key.topic, record.value, record.key, key.partition,
            headers=headers, timestamp=record.timestamp, on_delivery=self._on_delivery,
        )  # fmt: skip
        producer.poll(0)

    def _look(self, producer: Producer) -> None:
        """Takes note of what was published meanwhile, and sees to it that nothing else is missing."""
        producer.poll(0)
        self._check()
        positions = self._broker.published(self._unread)
        for key, position in positions.items():
            if not self._unread[key]:
                continue
            first = self._broker.first_offset(key)
            # Read later than the position, it may be beyond it only because the consumer went on.
            if first > position and first > self._broker.published([key])[key]:
                raise Fatal(
                    f"{key.topic}-{key.partition}: the in-process broker dropped records {position} to {first - 1} "
                    "before they were published; it keeps about 5 MB a partition: use a real Kafka for this input"
                )
            self._release(key, position)
        time.sleep(_LOOK_S)

    def _release(self, key: Partition, position: int) -> None:
        unread = self._unread[key]
        while unread and unread[0][0] <= position:
            self._unread_bytes[key] -= unread.popleft()[1]

    def _on_delivery(self, error: KafkaError | None, _: Message) -> None:
        self._failure = self._failure or error

    def _check(self) -> None:
        if self._failure is not None:
            raise Fatal(f"the in-process broker refused a record: {self._failure.str()}")


def count_records(stream: Stream) -> Counter[Partition]:
    """How many records a stream has for each topic and partition that they name."""
    return Counter(Partition(record.topic, record.partition) for record in stream())


def _size(record: CapturedRecord) -> int:
    headers = sum(len(name) + len(value) for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers + _PER_RECORD_BYTES
