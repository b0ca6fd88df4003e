"""The audit's rate: the input read again, computed again, and compared with rows and events."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bench.memory import read_by_several
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
    print(json.dumps(read_by_several(report.records, seconds, READERS)))


if __name__ == "__main__":
    main()
