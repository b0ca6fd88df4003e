"""What the interpreter is told before a worker runs."""

from __future__ import annotations

import gc
import sys

_COLLECT_AFTER = 100_000
_SWITCH_S = 0.001


def tune() -> None:
    """Fewer garbage collections, and quicker turns between threads.

    What was made until here lives as long as the process: the collector need not look at it again. Batches hold next to
    no cycles, so it may come by rarely. A thread that gets an answer from PostgreSQL or Kafka should not wait 5 ms.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)
    sys.setswitchinterval(_SWITCH_S)
