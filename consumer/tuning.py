"""What the interpreter is told before a worker runs."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress

_COLLECT_AFTER = 100_000
_SWITCH_S = 0.001
_M_ARENA_MAX = -8
_ARENAS = 2


def tune() -> None:
    """Fewer garbage collections, and quicker turns between threads.

    What was made until here lives as long as the process: the collector need not look at it again. Batches hold next to
    no cycles, so it may come by rarely. A thread that gets an answer from PostgreSQL or Kafka should not wait 5 ms.

    Kafka's client makes new threads with every producer, and what they free stays with the part of glibc's heap that
    was theirs: few parts, so that it is used again. Where the C library is another one, it has its own ways.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)
    sys.setswitchinterval(_SWITCH_S)


def let_go() -> None:
    """What a failure held goes at once: errors and frames hold each other, and with them whole batches of records."""
    gc.collect()
