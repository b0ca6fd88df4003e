"""Fault points: places by name where a test may kill or freeze this process. Nothing happens unless one is named.

`MILESTONES_FAULT=<point>:<n>:<deed>`: at the n-th time (from 1) that the point is reached, `kill` (SIGKILL) or `stop`
(SIGSTOP) this very process. Points, in the order of a batch: polled, decoded, evaluated, inserted, before-commit,
stored, produced, offsets-sent; redriven in `dead-letters redrive`.
"""

from __future__ import annotations

import os
import signal
import threading
from itertools import count

_POINT, _, _REST = os.environ.get("MILESTONES_FAULT", "").partition(":")
_NTH, _, _DEED = _REST.partition(":")
_reached = count(1)


def fault_point(name: str) -> None:
    """Dies or freezes here if a test asked for it."""
    if name == _POINT and next(_reached) == int(_NTH or 1):
        # To this very thread: sent to the process, a stop may take effect when the thread is some steps further.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP if _DEED == "stop" else signal.SIGKILL)
