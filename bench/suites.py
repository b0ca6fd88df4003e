"""What is measured: each suite is run once in a round, rounds take turns, and ratios are of one round."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from threading import Thread
from typing import Final, NamedTuple

import psycopg
import yaml

from bench.generate import MILESTONES, PLAIN, create_topic, paced
from bench.lab import EARLIER, PARTITIONS, STREAMS, Deployed, Lab, Measured, program, run
from bench.latency import Load, measure
from bench.peers.measured import measure as measure_peers
from bench.rules import SETS
from tests.services.service import wait_until

_STEADY_PER_S: Final = 1_000
_LOADS: Final = {
    "1,000 records/s": Load(_STEADY_PER_S, 60.0, PLAIN),
    "1,000 milestones/s": Load(_STEADY_PER_S, 10.0, MILESTONES),
}
_TABLE_ROWS: Final = 10_000_000
_SESSION_MS: Final = 6_000

_FILL: Final = """
insert into milestone (reference_type, reference_name, track_field, value, milestone_tracker, from_value,
                       from_value_known, tracker_revision, occurrence, reached_at, actor, source_identity,
                       source_identity_kind, origin_topic_id, origin_partition, origin_offset, announce)
select 'Sales Order', 'SAL-2025-' || to_char((n::bigint * 7919) %% 3000000, 'FM0000000'), 'status', 'Open',
       'Sales Order-status', 'Draft', 'observed', gen_random_uuid(), 1,
       timestamptz '2025-01-01' + n * interval '2 seconds', 'Administrator', '0-1-' || n || '#1:binlog.000001:' || n,
       'gtid', %(topic_id)s, n %% %(partitions)s, n, false
from generate_series(1, %(rows)s) n
"""


class Suite(NamedTuple):
    """`usual`: part of a run that names no suites; the others take long."""

    about: str
    measured: Callable[[Lab], Measured]
    usual: bool = True


def _limit(lab: Lab) -> Measured:
    raw, like = lab.raw("plain"), lab.counted("plain", "worker")
    return {
        "records/s": raw["rate"],
        "CPU s per million": raw["cpu_s"] / lab.records("plain") * 1e6,
        "records/s with the worker's settings": like["rate"],
    }


def _on(stream: str, lab: Lab) -> Measured:
    """The job on a stream, beside the client's limit on it."""
    raw = lab.raw(stream)
    job = lab.alone(stream)
    figures = {"limit records/s": raw["rate"], **job, "÷ limit": job["records/s"] / raw["rate"]}
    if STREAMS[stream].form == "avro":
        figures["÷ JSON"] = job["records/s"] / lab.alone("plain")["records/s"]
    return figures


def _history(lab: Lab) -> Measured:
    """What reads all again: rates beside that of the job that wrote it."""
    deployed = lab.deploy("plain")
    job = lab.job(deployed)
    figures = {"job records/s": job["records/s"]}
    for module in ("audit", "backtest"):
        done = run(f"bench.{module}", str(deployed.config))
        figures[f"{module} records/s"] = done["rate"]
        figures[f"{module} ÷ job"] = done["rate"] / job["records/s"]
        figures[f"{module} peak MB"] = done["peak_mb"]
    lab.drop(deployed)
    return figures


def _trackers(lab: Lab) -> Measured:
    rates = {name: lab.alone("plain", name)["records/s"] for name in SETS}
    return {
        **{f"{name} records/s": rate for name, rate in rates.items()},
        "100 trackers ÷ 1": rates["trackers_100"] / rates["trackers_1"],
        "1,000 trackers ÷ 1": rates["trackers_1000"] / rates["trackers_1"],
        "condition ÷ none": rates["when"] / rates["plain"],
    }


_OF_WORKERS: Final[Mapping[str, str]] = {
    "CPU s per million": "CPU per record, 2 ÷ 1",
    "CPU s per million, started": "CPU per record once started, 2 ÷ 1",
}
"""A start costs the same whatever follows: of a worker's time for a million records it is a tenth."""


def _workers(lab: Lab) -> Measured:
    figures: dict[str, float] = {}
    for workers in (1, 2):
        deployed = lab.deploy("plain")
        job = lab.job(deployed, workers)
        lab.drop(deployed)
        figures |= {f"{workers}: {name}": job[name] for name in ("records/s", *_OF_WORKERS)}
    for name, told in _OF_WORKERS.items():
        figures[told] = figures[f"2: {name}"] / figures[f"1: {name}"]
    return figures


def _latency(lab: Lab) -> Measured:
    """On the usual stream, of which every tenth record is a milestone, and where each is one."""
    figures: dict[str, float] = {}
    for name, load in _LOADS.items():
        deployed = _on_a_topic_of_its_own(lab)
        seen = measure(lab.kafka.bootstrap_servers, deployed.config, _topics(deployed), load)
        figures |= {f"{name} p50 ms": seen.p50_ms, f"{name} p99 ms": seen.p99_ms}
    return figures


def _start(lab: Lab) -> Measured:
    """From the command to the first poll, by the program's own log."""
    deployed = _on_a_topic_of_its_own(lab)
    create_topic(lab.kafka.bootstrap_servers, _topics(deployed)[0], PARTITIONS)
    create_topic(lab.kafka.bootstrap_servers, _topics(deployed)[1], PARTITIONS)
    began = time.monotonic()
    command = [sys.executable, "-m", "consumer", "run", "--config", str(deployed.config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as worker:
        line = next((line for line in worker.stderr or () if "worker begins" in line), "")
        seconds = time.monotonic() - began
        worker.terminate()
    if not line:
        sys.exit("the worker did not begin")
    return {"start to first poll s": seconds}


def _recovery(lab: Lab) -> Measured:
    """After a kill, and after servers are back: until every partition was stored once more, at a steady load."""
    deployed = _on_a_topic_of_its_own(lab)
    config = yaml.safe_load(deployed.config.read_text(encoding="utf-8"))
    config["kafka"]["session.timeout.ms"] = _SESSION_MS
    deployed.config.write_text(yaml.safe_dump(config), encoding="utf-8")
    for topic in _topics(deployed):
        create_topic(lab.kafka.bootstrap_servers, topic, PARTITIONS)
    feeding = Thread(
        target=paced, args=(lab.kafka.bootstrap_servers, _topics(deployed)[0], _STEADY_PER_S, 90.0), daemon=True
    )
    with ExitStack() as ending:
        workers = [program("run", "--config", str(deployed.config)) for _ in range(2)]
        for worker in workers:
            ending.callback(worker.kill)
        feeding.start()
        wait_until(lambda: _storing(deployed) == len(workers), timeout_s=60.0, what="both workers store")
        figures = {}
        workers[0].kill()
        figures["after a kill s"] = _until_all_moved(deployed)
        lab.postgres.restart()
        figures["after PostgreSQL is back s"] = _until_all_moved(deployed)
        lab.kafka.restart()
        figures["after the broker is back s"] = _until_all_moved(deployed)
    return figures


def _storing(deployed: Deployed) -> int:
    """How many workers stored partitions last."""
    with psycopg.connect(deployed.dsn) as connection:
        row = connection.execute("select count(distinct slot) from stream_position").fetchone()
    return int(row[0]) if row else 0


def _until_all_moved(deployed: Deployed) -> float:
    """Seconds until every partition was stored once more."""
    began = time.monotonic()
    before: dict[int, int] = {}
    left = set(range(PARTITIONS))

    def moved() -> bool:
        try:
            with psycopg.connect(deployed.dsn) as connection:
                rows = connection.execute("select partition, next_offset from stream_position").fetchall()
        except psycopg.Error:
            return False
        for partition, offset in rows:
            if offset > before.setdefault(partition, offset):
                left.discard(partition)
        return not left

    wait_until(moved, timeout_s=120.0, what="every partition is stored once more")
    return time.monotonic() - began


def _table(lab: Lab) -> Measured:
    """The job into a table that holds ten million milestones, beside an empty one."""
    empty = lab.alone("milestones")
    deployed = lab.deploy("milestones")
    with psycopg.connect(deployed.dsn, autocommit=True) as connection:
        connection.execute(_FILL, {"rows": _TABLE_ROWS, "topic_id": EARLIER, "partitions": PARTITIONS})
        connection.execute("vacuum (analyze) milestone")
    full = lab.job(deployed)
    lab.drop(deployed)
    return {
        "empty records/s": empty["records/s"],
        "10,000,000 rows records/s": full["records/s"],
        "÷ empty": full["records/s"] / empty["records/s"],
    }


def _on_a_topic_of_its_own(lab: Lab) -> Deployed:
    deployed = lab.deploy("plain")
    config = yaml.safe_load(deployed.config.read_text(encoding="utf-8"))
    config["input"]["topic"] = f"{deployed.config.stem}-changes"
    deployed.config.write_text(yaml.safe_dump(config), encoding="utf-8")
    return deployed


def _topics(deployed: Deployed) -> tuple[str, str]:
    config = yaml.safe_load(deployed.config.read_text(encoding="utf-8"))
    return config["input"]["topic"], config["output"]["topic"]


SUITES: Final[Mapping[str, Suite]] = {
    "limit": Suite("the client counts records, and nothing else", _limit),
    "json": Suite("the job on Debezium's JSON: 3 of 8 types tracked, 10 % milestones", partial(_on, "plain")),
    "avro": Suite("the same in Avro", partial(_on, "avro")),
    "flat": Suite("the same flattened: every tracked record is a candidate", partial(_on, "flat")),
    "untracked-heavy": Suite("5 % of the records are of tracked types", partial(_on, "untracked")),
    "milestone-heavy": Suite("60 % of the records are milestones", partial(_on, "milestones")),
    "trackers-1000": Suite("1, 100 and 1,000 trackers over 50 types; a condition on every candidate", _trackers),
    "history": Suite("audit and backtest of what the job did", _history),
    "peers": Suite("others on the same work; fetched and built first", measure_peers, usual=False),
    "latency": Suite("change to announced, 1,000 records a second: the usual ones, and milestones alone", _latency),
    "start": Suite("the command to the first poll", _start),
    "recovery": Suite("until all partitions go on; session time-out 6 s", _recovery, usual=False),
    "workers-1-2": Suite("one worker and two on the same topic", _workers),
    "table-10M": Suite("60 % milestones into a table that holds ten million", _table, usual=False),
}
