"""Which of the records that a client gives are the ones to go on with, and what its errors mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from confluent_kafka import KafkaError, Message

from consumer.core.records import Partition, Record, offset_of, partition_of
from consumer.errors import Fatal
from consumer.kafka.consumer_errors import OF_AN_OFFSET, STOP, Troubles
from consumer.kafka.reading import Reading


def place_of(message: Message) -> tuple[str, int, int]:
    """Which topic (empty: none), partition and offset an error is about."""
    return message.topic() or "", message.partition() or 0, message.offset() or 0


class Sorting:
    """Takes records of partitions that are read, from where each was to begin.

    Args:
        reading: the partitions that are read.
        troubles: where errors are noted.
    """

    def __init__(self, reading: dict[Partition, Reading], troubles: Troubles) -> None:
        self.reading, self._troubles = reading, troubles
        # For each record: a plain tuple finds a Partition, and is made in a fraction of the time.
        self._reading_at = cast("Callable[[object], Reading | None]", reading.get)
        self._strayed: set[Partition] = set()

    def take(self, record: Record, records: list[Record]) -> None:
        """Adds a record to others, if it is one to go on with."""
        reading = self._reading_at((record.topic(), record.partition()))
        if reading is not None and (not reading.fresh or self._admits(record, reading)):
            records.append(record)
            reading.last = record

    def _admits(self, record: Record, reading: Reading) -> bool:
        """Whether this record is one to go on with."""
        if not self._is_in_place(partition_of(record), offset_of(record), reading):
            return False
        try:
            return reading.admits(record)
        except Fatal as error:
            self._troubles.stop(error)
            return False

    def _is_in_place(self, key: Partition, offset: int, reading: Reading) -> bool:
        """Whether the client reads this partition from where it was told to; else it will be told once more."""
        if key not in self._strayed and reading.begins_at(offset):
            return True
        self._strayed.add(key)
        return False

    def strayed(self) -> dict[Partition, int]:
        """Partitions of which something else than their beginning came first, and where they have to begin."""
        found = {key: reading.expected for key in self._strayed if (reading := self.reading.get(key)) is not None}
        self._strayed.clear()
        return found

    def note(self, error: KafkaError, topic: str, partition: int, offset: int) -> None:
        """Takes note of an error, or of an end that was reached."""
        key = Partition(topic, partition)
        if error.code() == KafkaError._PARTITION_EOF:
            reading = self.reading.get(key)
            if reading is not None and self._is_in_place(key, offset, reading):
                reading.end = offset
            return
        if error.code() not in STOP and topic and not self._concerns(error, key, offset):
            return
        place = f" ({topic}-{partition}, offset {offset})" if topic else ""
        self._troubles.notice(error, place)
        self._troubles.read_again(error.str())

    def _concerns(self, error: KafkaError, key: Partition, offset: int) -> bool:
        """Not that of a partition that only waits, whose log may begin above 0; nor of a topic that is not there."""
        if error.code() in OF_AN_OFFSET:
            reading = self.reading.get(key)
            # Told late, it is about the place where the partition waited.
            return reading is not None and not 0 <= offset < reading.begin
        return any(one.topic == key.topic for one in self.reading)
