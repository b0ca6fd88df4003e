"""The backtest's rate: a new rule beside those in force, so that what it changes is evaluated twice."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import yaml

from bench.generate import TRACK_FIELD, TRACKED
from bench.memory import read_by_several
from consumer.app_audit import READERS, Progress
from consumer.app_backtest import Request, run_backtest
from consumer.config import load
from consumer.tuning import tune


def main() -> None:
    """Arguments: config file."""
    config = Path(sys.argv[1])
    settings = load(config)
    plain: list[dict[str, object]] = [{"document_type": name, "track_field": TRACK_FIELD} for name in TRACKED]
    new = config.with_suffix(".new.yaml")
    new.write_text(yaml.safe_dump([{**plain[0], "values": ["Completed"]}, *plain[1:]]), encoding="utf-8")
    tune()
    began_s = time.perf_counter()
    report = run_backtest(settings, Request(trackers=new), Progress(lambda _: None, lambda _: None))
    seconds = time.perf_counter() - began_s
    changed = {name for name, line in report.trackers.items() if line.removed}
    if changed != {f"{TRACKED[0]}-{TRACK_FIELD}"}:
        sys.exit(f"the backtest found differences for {sorted(changed)}")
    print(json.dumps(read_by_several(report.records, seconds, READERS)))


if __name__ == "__main__":
    main()
