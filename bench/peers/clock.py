"""When a peer began, was half through, and was done. Peers may have environments of their own."""

from __future__ import annotations

import json
import resource
import time

from bench.memory import peak_mb


class Clock:
    """Counts records from the first that is in hand."""

    def __init__(self, records: int) -> None:
        self._records = records
        self._count = 0
        self._first = self._half = self._last = 0.0

    @property
    def done(self) -> bool:
        """Whether all records were seen."""
        return self._count >= self._records

    def begin(self) -> None:
        """The first records are in hand."""
        self._first = self._first or time.perf_counter()

    def tick(self, records: int) -> None:
        """So many more are done."""
        self._count += records
        self._last = time.perf_counter()
        if not self._half and self._count >= self._records // 2:
            self._half, self._at_half = self._last, self._count

    def print(self) -> None:
        """One JSON line."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        second_half = (self._count - self._at_half) / (self._last - self._half) if self._last > self._half else 0.0
        said = {
            "rate": self._count / (self._last - self._first),
            "second_half": second_half,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_mb": peak_mb(),
        }
        print(json.dumps(said), flush=True)
