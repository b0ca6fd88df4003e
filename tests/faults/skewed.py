"""`milestones` under a clock that is wrong: `python -m tests.faults.skewed <seconds> run …`, now ahead, now behind."""

from __future__ import annotations

import sys
import time

_REAL = time.time
_JUMP_S = 1.5

if __name__ == "__main__":
    off_by = float(sys.argv.pop(1))

    def skewed() -> float:
        """Off by so much, one way and then the other."""
        now = _REAL()
        return now + (off_by if int(now / _JUMP_S) % 2 else -off_by)

    time.time = skewed
    time.time_ns = lambda: int(skewed() * 1e9)

    from consumer.cli import main

    main()
