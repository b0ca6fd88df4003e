"""A source that goes on: changes at a rate, from a thread of its own, until it is told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, Protocol, TypeVar

from confluent_kafka import Producer

_SLICE_S = 0.02


class Sendable(Protocol):
    """A change, as a source sends it."""

    @property
    def key(self) -> bytes: ...
    @property
    def value(self) -> bytes: ...
    @property
    def headers(self) -> list[tuple[str, str | bytes | None]]: ...


_Sent = TypeVar("_Sent", bound=Sendable)


class Feeder(Generic[_Sent]):
    """Sends a stream; `sent` is what is in the log once it has stopped, in order.

    Args:
        rate: changes a second.
        place: the partitions of a change.
        again: what is sent behind a change that counts for nothing: changes of the past, snapshots.
        keep: whether `stop` returns what was sent; without it only `count` tells.
    """

    def __init__(
        self,
        producer: Producer,
        topic: str,
        stream: Iterator[_Sent],
        rate: int,
        place: Callable[[_Sent], Iterable[int]],
        again: Callable[[_Sent], Iterable[_Sent]] = lambda _: (),
        *,
        keep: bool = True,
    ) -> None:
        self._producer, self._topic, self._place, self._again = producer, topic, place, again
        self._stream, self._rate = stream, rate
        self._sent: list[_Sent] = []
        self._keep = keep
        self.count = 0
        self._failures: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)
        self._thread.start()

    def stop(self) -> Sequence[_Sent]:
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
                self.count += 1
                if self._keep:
                    self._sent.append(change)
                for repeated in self._again(change):
                    self._send(repeated)
            owed -= int(owed)

    def _send(self, change: _Sent) -> None:
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
