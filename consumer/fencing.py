"""When another producer with a worker's transactional ids is somebody who should not be there."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from consumer.errors import Fatal, PublishDown

_IN_A_ROW = 3
_IN_A_WHILE, _WHILE_S = 10, 60.0


class Fencings:
    """How often others took this worker's ids over: three times in a row, or ten times in a minute, is a stop.

    Once is what becomes of a worker that others waited for. Two deployments that share the ids take them from each
    other without an end, and each may publish something in between.

    Args:
        clock: seconds, from any beginning.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._in_a_row = 0
        self._times_s: deque[float] = deque(maxlen=_IN_A_WHILE)

    def published(self) -> None:
        """Nobody took them before this batch was published."""
        self._in_a_row = 0

    def count(self, error: PublishDown) -> None:
        """Looks at why a batch was not published.

        Raises:
            Fatal: a second deployment runs with the same ids.
        """
        if not error.fenced:
            self._in_a_row = 0
            return
        self._in_a_row += 1
        self._times_s.append(self._clock())
        is_often = len(self._times_s) == _IN_A_WHILE and self._times_s[-1] - self._times_s[0] < _WHILE_S
        if is_often or self._in_a_row >= _IN_A_ROW:
            raise Fatal(
                "another process uses this worker's transactional ids: is a second deployment running with the same "
                "group.id on another database? Stop it, or give one of them another processing.instance"
            )
