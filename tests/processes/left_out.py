"""`milestones` whose client leaves the group behind its back: `python -m tests.processes.left_out run …`.

So does one that lost its way in a rebalance: it believes to be at work, and the group's coordinator does not know it.
"""

# ruff: noqa: SLF001 - it breaks what nobody else may touch

from __future__ import annotations

import time

from consumer import assignment, worker
from consumer.cli import main
from consumer.core.records import Batch
from consumer.core.sight import Sight
from consumer.kafka.source import Source

_AT_WORK_S = 3.0


def leave_once() -> None:
    """Once it has been at work for a while, it is no member any more."""
    real = Source.poll
    leaves_at_s = time.monotonic() + _AT_WORK_S
    left: list[Source] = []

    def poll(
        self: Source, max_records: int, max_bytes: int, timeout_s: float, sight: Sight | None = None
    ) -> Batch | None:
        if not left and self.spans and time.monotonic() > leaves_at_s:
            left.append(self)
            self._consumer.unsubscribe()
        return real(self, max_records, max_bytes, timeout_s, sight)

    Source.poll = poll  # type: ignore[method-assign]


if __name__ == "__main__":
    worker._MEMBER_CHECK_S = 0.5
    assignment._LEFT_OUT_S = 3.0
    leave_once()
    main()
