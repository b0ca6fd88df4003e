"""How records come from the client: as its objects, or, where that was compiled, only those that say something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

import structlog
from confluent_kafka import Consumer, KafkaError, TopicPartition

from consumer.core.records import Partition, Record
from consumer.core.sight import Passed, Sight
from consumer.errors import Fatal
from consumer.kafka.consumer_errors import Troubles
from consumer.kafka.plugin import has_plugin, reason_against_plugin, with_plugin, without_plugin
from consumer.kafka.settings import made
from consumer.kafka.sorting import Sorting, place_of
from consumer.native import Envelopes, envelopes

log = structlog.get_logger(__name__)

_SLOWER = "records come as objects of Kafka's client, at a lower rate"
_CHUNK = 500  # The client makes so many objects in one go, and meanwhile no other thread gets on.
_LONGEST_S = 0.1
"""Rebalances wait for so long at most while records are waited for."""
_LARGE, _LARGE_BYTES = 3_750, 8 << 20
"""Of a backlog some batches are less than full: the client's queue runs dry for a moment. Whoever keeps up polls every
30 ms or so, and would find as many at 125,000 records, or 280 MB, a second."""
_NOTHING = (1 << 63) - 1
"""The offset from which on records of a partition may be passed over, where none of them may."""


class Taken(NamedTuple):
    """Records of one poll, and how many were passed over; `sight`: what that was decided by.

    `large`: as many as might be taken, or as many as come to nobody who keeps up, by number or by size.
    """

    records: list[Record]
    large: bool = False
    passed: Mapping[Partition, Passed] = {}
    sight: Sight | None = None


class Intake(Protocol):
    """Between the client's queue and a batch; callbacks are served meanwhile."""

    def expect(self, partitions: Iterable[TopicPartition]) -> None:
        """To be called right before partitions are assigned."""

    def take(self, max_records: int, max_bytes: int, timeout_s: float, sight: Sight | None, /) -> Taken:
        """The next records, up to a number and about a size."""

    def close(self) -> None:
        """Before the client is closed."""


class ClientIntake:
    """All records, as the client's own message objects."""

    def __init__(self, consumer: Consumer, sorting: Sorting) -> None:
        self._consumer, self._sorting = consumer, sorting

    def expect(self, partitions: Iterable[TopicPartition]) -> None:
        """Nothing is to be done: their records come with everything else."""

    def take(self, max_records: int, max_bytes: int, timeout_s: float, _sight: Sight | None, /) -> Taken:
        """See `Intake`."""
        records: list[Record] = []
        size = 0
        messages = self._consumer.consume(1, timeout_s)
        while messages:
            for message in messages:
                error = message.error()
                if error is None:
                    size += len(message)
                    self._sorting.take(message, records)
                else:
                    self._sorting.note(error, *place_of(message))
            if len(records) >= max_records or size >= max_bytes:
                break
            messages = self._consumer.consume(min(_CHUNK, max_records - len(records)), 0)
        return Taken(records, is_large(len(records), max_records, size, max_bytes))

    def close(self) -> None:
        """Nothing is to be done."""


class NativeIntake:
    """Records from a queue of their own: they are looked at as they come, and no object is made of most of them.

    All are kept of a partition whose log is not proven yet, and below `stored`. The client's own queue holds what is no
    record: callbacks and errors.
    """

    def __init__(
        self, consumer: Consumer, sorting: Sorting, troubles: Troubles, native: Envelopes, tap: object
    ) -> None:
        self._consumer, self._sorting, self._troubles = consumer, sorting, troubles
        self._native, self._tap = native, tap

    def expect(self, partitions: Iterable[TopicPartition]) -> None:
        """Their records come to this queue from now on.

        When the client stops reading a partition it forgets where its records go, some time after it was told to stop:
        before it has answered another question.
        """
        self._consumer.assignment()
        for partition in partitions:
            if not self._native.forward(self._tap, partition.topic, partition.partition):
                self._refuse(partition.topic, partition.partition)

    def take(self, max_records: int, max_bytes: int, timeout_s: float, sight: Sight | None) -> Taken:
        """See `Intake`."""
        self._serve(0 if self._sorting.reading else timeout_s)
        taken = self._take(max_records, max_bytes, timeout_s, sight) if self._sorting.reading else Taken([])
        for code, text in self._native.take_errors(self._tap):
            self._troubles.notice(KafkaError(code, text))
        return taken

    def _take(self, max_records: int, max_bytes: int, timeout_s: float, sight: Sight | None) -> Taken:
        reading = self._sorting.reading
        keys = list(reading)
        places = tuple([(*key, _NOTHING if one.fresh else one.span.stored) for key, one in reading.items()])
        wait_ms = round(min(timeout_s, _LONGEST_S) * 1000)
        plan, programs = sight or (None, None)
        count, size, records, lasts, passed, troubles = self._native.take(
            self._tap, plan, programs, places, max_records, max_bytes, wait_ms
        )
        taken: list[Record] = []
        if any(one.fresh for one in reading.values()):
            for record in records:
                self._sorting.take(record, taken)
        else:
            taken = [*records]
        for at, record in lasts:
            if places[at][2] != _NOTHING:
                reading[keys[at]].last = record
        for topic, partition, offset, code, text in troubles:
            self._sorting.note(KafkaError(code, text), topic or "", partition, offset)
        large = is_large(count, max_records, size, max_bytes)
        return Taken(taken, large, {keys[at]: Passed(*some) for at, *some in passed}, sight)

    def _serve(self, timeout_s: float) -> None:
        """Callbacks, and errors that come as messages."""
        while (message := self._consumer.poll(timeout_s)) is not None:
            timeout_s = 0
            error = message.error()
            if error is None:
                self._refuse(message.topic(), message.partition())
            else:
                self._sorting.note(error, *place_of(message))

    def _refuse(self, topic: str | None, partition: int | None) -> None:
        words = "Kafka's client does not hand out its records where they are expected; set input.native: false"
        self._troubles.stop(Fatal(f"{topic}-{partition}: {words}, and report it"))

    def close(self) -> None:
        """See `Intake`."""
        self._native.close_tap(self._tap)


def is_large(records: int, max_records: int, size: int, max_bytes: int) -> bool:
    """Whether so many records, and bytes of their values, are a backlog's: full, or more than one keeps up with."""
    return records >= min(max_records, _LARGE) or size >= min(max_bytes, _LARGE_BYTES)


def for_intake(settings: Mapping[str, object], *, native: bool) -> dict[str, object]:
    """A consumer's settings, with what it needs to be read from by compiled code, where that can be."""
    if not native or envelopes is None:
        return {**settings}
    reason = reason_against_plugin()
    if reason:
        log.warning(_SLOWER, reason=reason)
        return {**settings}
    return with_plugin(settings)


def reader_of(
    settings: Mapping[str, object],
    callbacks: Mapping[str, object],
    on_error: Callable[[KafkaError], None],
    sorting: Sorting,
    troubles: Troubles,
) -> tuple[Consumer, Intake]:
    """A consumer, and how its records come: through compiled code, where it was made for that and called its plugin.

    Args:
        settings: see `for_intake`.
        on_error: hears what the client says of itself while it is called; the compiled way tells `troubles`, since
            there the client's queues are served by others, too.

    Raises:
        ConfigError: see `made`.
    """
    if envelopes is not None and has_plugin(settings):
        consumer = made(Consumer, {**settings, **callbacks})
        tap = envelopes.open_tap(consumer)
        if tap is not None:
            return consumer, NativeIntake(consumer, sorting, troubles, envelopes, tap)
        log.warning(_SLOWER, reason="Kafka's client did not call its plugin")
        consumer.close()
    consumer = made(Consumer, {**without_plugin(settings), **callbacks, "error_cb": on_error})
    return consumer, ClientIntake(consumer, sorting)
