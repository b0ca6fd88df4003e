"""The audit's rate: the input read again, computed again, and compared with rows and events."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from bench.memory import peak_mb
from consumer.app_audit import READERS, Progress, Wanted, audit
from consumer.config import load
from consumer.tuning import tune


def main() -> None:
    """Arguments: config file."""
    settings = load(Path(sys.argv[1]))
    tune()
    began_s = time.perf_counter()
    report = audit(settings, Wanted(), Progress(lambda _: None, lambda _: None))
    seconds = time.perf_counter() - began_s
    if not report.is_clean:
        sys.exit(f"the audit found {dict(report.counts)}")
    # Its readers are processes of their own: all peaks together are more than was ever held at once.
    own, reader = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    result = {
        "rate": report.records / seconds,
        "records": report.records,
        "cpu_s": own.ru_utime + own.ru_stime + reader.ru_utime + reader.ru_stime,
        "peak_mb": peak_mb() + READERS * reader.ru_maxrss / 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
