"""A source that goes on: changes at a rate, from a thread of its own, until it is told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from confluent_kafka import Producer

from tests.processes.truth import Change

_SLICE_S = 0.02


class Feeder:
    """Sends a stream; `sent` is what is in the log once it has stopped, in order.

    Args:
        rate: changes a second.
        place: the partitions of a change.
        again: what is sent behind a change that counts for nothing: changes of the past, snapshots.
    """

    def __init__(
        self,
        producer: Producer,
        topic: str,
        stream: Iterator[Change],
        rate: int,
        place: Callable[[Change], Iterable[int]],
        again: Callable[[Change], Iterable[Change]] = lambda _: (),
    ) -> None:
        self._producer, self._topic, self._place, self._again = producer, topic, place, again
        self._stream, self._rate = stream, rate
        self._sent: list[Change] = []
        self._failures: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)
        self._thread.start()

    def stop(self) -> Sequence[Change]:
        """All that was sent, once Kafka has acknowledged it."""
        self._stopping.set()
        self._thread.join(60.0)
        left = self._producer.flush(120.0)
        assert (left, self._failures) == (0, []), "the source could not deliver"
        return self._sent

    def abandon(self) -> None:
        """Sends no more, whatever became of what was sent."""
        self._stopping.set()
        self._thread.join(10.0)
        self._producer.purge()

    def set_rate(self, rate: int) -> None:
        """From now on so many a second."""
        self._rate = rate

    def _run(self) -> None:
        owed = 0.0
        last = time.monotonic()
        while not self._stopping.wait(_SLICE_S):
            now = time.monotonic()
            owed, last = min(owed + (now - last) * self._rate, self._rate), now
            for change in islice(self._stream, int(owed)):
                self._send(change)
                self._sent.append(change)
                for repeated in self._again(change):
                    self._send(repeated)
            owed -= int(owed)

    def _send(self, change: Change) -> None:
        for partition in self._place(change):
            while True:
                try:
                    self._producer.produce(
                        self._topic, change.value, change.key, partition,
                        headers=change.headers, on_delivery=self._on_delivery,
                    )  # fmt: skip
                    break
                except BufferError:
                    self._producer.poll(0.1)
        self._producer.poll(0)

    def _on_delivery(self, error: object, _: object) -> None:
        if error is not None:
            self._failures.append(str(error))
