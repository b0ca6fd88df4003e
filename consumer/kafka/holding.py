"""Partitions that wait at a record, paused, while the others go on."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Protocol

from confluent_kafka import Consumer, TopicPartition

from consumer.core.records import Partition

_WAIT_S = 1.0


class Place(Protocol):
    """Lets a partition be read from an offset."""

    def __call__(self, place: TopicPartition, *, paused: bool = False) -> None: ...


def keys_of(partitions: Iterable[TopicPartition]) -> set[Partition]:
    """Partitions as the client names them."""
    return {Partition(partition.topic, partition.partition) for partition in partitions}


class Holding:
    """Which partitions of a consumer wait, and until when.

    Args:
        place: lets a partition be read from an offset, once it is resumed; raises Transient.
    """

    def __init__(self, consumer: Consumer, place: Place) -> None:
        self._consumer, self._place = consumer, place
        self._until_s: dict[Partition, float] = {}

    def hold(self, key: Partition, offset: int) -> None:
        """Lets a partition wait, and then go on at this offset again.

        Raises:
            Transient: the client cannot place it now.
        """
        self._place(TopicPartition(key.topic, key.partition, offset), paused=True)
        self._until_s[key] = time.monotonic() + _WAIT_S

    def resume(self) -> None:
        """Lets go on what has waited long enough."""
        now = time.monotonic()
        due = [key for key, until_s in self._until_s.items() if now >= until_s]
        if due:
            self._consumer.resume([TopicPartition(key.topic, key.partition) for key in due])
            self.forget(due)

    def forget(self, keys: Iterable[Partition]) -> None:
        """These are read from elsewhere, or by others."""
        for key in keys:
            self._until_s.pop(key, None)
