"""Workers of the real program on a topic, until its end. Each prints a line of JSON.

Several are forked as `run --workers` has them forked, and what they are forked from prints a line, too.
The rate counts from the first record in hand to the last commit, as bench/raw.py counts.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import REGISTRY

from bench.memory import peak_mb
from consumer.app import prepare, topics_of, trackers_in_force, until_end_targets, worker_for
from consumer.config import Settings, load
from consumer.nursery import become_workers
from consumer.tuning import tune


class _Clock:
    """When the first batch was in hand, and when the last was committed."""

    def __init__(self) -> None:
        self.records, self.first_s, self.last_s = 0, 0.0, 0.0

    def __call__(self, records: int) -> None:
        self.last_s = time.perf_counter()
        if not self.records:
            # The first batch took about as long as the stages say; consuming it is left out, as in raw.py.
            self.first_s = self.last_s - sum(_stages().values())
        self.records += records


def _stages() -> dict[str, float]:
    samples = [s for family in REGISTRY.collect() for s in family.samples if s.name.endswith("stage_seconds_sum")]
    return {s.labels["stage"]: s.value for s in samples if s.labels["stage"] in ("store", "publish")}


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Arguments: config file, how many workers if not one."""
    _, config, *count = sys.argv
    if count and count != ["1"]:
        _become_workers(int(count[0]))
    _work(load(Path(config)))


def _become_workers(count: int) -> None:
    """Returns in each of them."""
    supervisor, _never_closed = os.pipe()
    try:
        born = become_workers(count, supervisor, ended=lambda _: None)
    except SystemExit:
        _say({"records": 0, "cpu_s": _cpu_s(), "start_cpu_s": _cpu_s(), "peak_mb": peak_mb()})
        raise
    if born.instead_of is not None:
        sys.exit(f"a worker was killed: {born.instead_of}")


def _say(result: Mapping[str, object]) -> None:
    """In one piece: others write to the same pipe."""
    sys.stdout.write(f"{json.dumps(result)}\n")


def _work(settings: Settings) -> None:
    topics = topics_of(settings)
    prepare(settings, topics)
    clock = _Clock()
    targets = until_end_targets(settings, topics)
    with worker_for(settings, topics, trackers_in_force(settings), targets=targets, progress=clock) as worker:
        tune()
        start_cpu_s = _cpu_s()
        worker.run()
    result = {
        "first_s": clock.first_s,
        "last_s": clock.last_s,
        "records": clock.records,
        "cpu_s": _cpu_s(),
        "start_cpu_s": start_cpu_s,
        "peak_mb": peak_mb(),
        "stages": {s.labels["stage"]: round(s.value, 3) for f in REGISTRY.collect() for s in f.samples
                   if s.name.endswith("stage_seconds_sum")},
    }  # fmt: skip
    _say(result)


if __name__ == "__main__":
    main()
