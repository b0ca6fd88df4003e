"""When the next batch is read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Literal

_LATEST_S, _LONG_S = 0.1, 0.02
_NEWEST = 0.2
"""The weight of the last batch in how long a step is expected to take."""

_LONGER = 3.0
"""How many of its usual spreads longer than expected publishing may take."""

Step = Literal["read", "store", "publish"]


class Pacing:
    """Whoever keeps up reads late: what comes meanwhile goes with the next batch, and waits in no queue.

    Late is when the next batch will just be stored as the one before is published, if each step takes what it took; and
    if publishing takes longer than it mostly does: a batch that is stored too late costs less than one that is read too
    early, which leaves the records behind it to the next and does its work beside the other's.
    Who has a backlog, since batches are large or reading them takes long, has no time to lose, and reads ahead.

    Args:
        clock: seconds, from any beginning.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._expected_s: dict[Step, float] = {"read": 0.0, "store": 0.0, "publish": 0.0}
        self._spread_s = 0.0
        self._publishes_since_s = clock()
        self.reads_ahead = False

    @contextmanager
    def timed(self, step: Step) -> Iterator[None]:
        """Learns from a step how long it takes, if it succeeds. Each step belongs to one thread."""
        began_s = self._clock()
        yield
        self._learn(step, self._clock() - began_s)

    @contextmanager
    def reading(self, *, large: bool) -> Iterator[None]:
        """Times the reading of a batch, which may be so large that more was waiting behind it."""
        began_s = self._clock()
        yield
        took_s = self._clock() - began_s
        self._learn("read", took_s)
        self.reads_ahead = large or took_s > _LONG_S

    def _learn(self, step: Step, took_s: float) -> None:
        other_s = took_s - self._expected_s[step]
        self._expected_s[step] += _NEWEST * other_s
        if step == "publish":
            self._spread_s += _NEWEST * (abs(other_s) - self._spread_s)

    def publish_begins(self) -> None:
        """Notes when: called before the step can be seen in flight."""
        self._publishes_since_s = self._clock()

    def early_s(self) -> float:
        """How long it is until reading is late enough, while a batch is being published: up to a tenth of a second."""
        expected_s = self._expected_s
        published_s = self._publishes_since_s + expected_s["publish"] + _LONGER * self._spread_s
        late_s = published_s - expected_s["store"] - expected_s["read"]
        return min(max(late_s - self._clock(), 0.0), _LATEST_S)

    def wait(self, storing: Future[None] | None, publishing: Callable[[], Future[None] | None]) -> None:
        """Waits until it is late enough.

        Args:
            storing: the step in flight, if there is one.
            publishing: the same, asked for behind it: a batch that is stored is published from then on.
        """
        if self.reads_ahead or storing is None:
            return
        wait([storing], _LATEST_S)
        in_flight = publishing()
        if in_flight is not None and (early_s := self.early_s()):
            wait([in_flight], early_s)
