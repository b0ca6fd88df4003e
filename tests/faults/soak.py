"""A soak: three workers on six partitions under load, and a fault every 5 to 20 s, drawn at random.

    python -m tests.faults.soak [minutes] [--seed N] [--share 0.5]

At the end nothing may be lost or doubled (the program's own audit), and a worker that is never killed must not grow.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from statistics import linear_regression, median
from typing import Final, cast

import psutil
import psycopg
from confluent_kafka import KafkaException, TopicPartition

from tests.faults.feeder import Feeder
from tests.faults.load import Load, load
from tests.faults.report import put
from tests.faults.results import commit
from tests.faults.test_kills import POINTS
from tests.faults.watcher import Watcher
from tests.faults.world import World, new_world
from tests.processes.workers import Deployment, WorkerProcess

_PARTITIONS: Final = 6
_WORKERS: Final = 3
_CALIBRATION_S: Final = 15.0
_WORKED_OFF_S: Final = 2.0
_MEBIBYTE: Final = 1 << 20
# In order, and never given up. Not idempotent: after a kill of the broker such a producer once waited for ever with its
# queue full, and the broker long there. What is sent twice is a change delivered twice, which counts once.
_SOURCE: Final = {
    "max.in.flight.requests.per.connection": 1, "message.timeout.ms": 0, "compression.type": "lz4", "linger.ms": 20,
}  # fmt: skip
# Kafka's defaults: with the short ones for tests, a broker that recovers a long log under load is fenced meanwhile.
_BROKER: Final = {"broker.heartbeat.interval.ms": "2000", "broker.session.timeout.ms": "9000"}


class Soak(Deployment):
    """The deployment, its load, and what is done to it. `workers[0]` is never killed: its memory is watched."""

    def __init__(self, world: World, folder: Path, seed: int) -> None:
        super().__init__(world.kafka, world.new_database(), f"soak-{seed}", folder)
        self.world, self.draw = world, Random(seed)
        self.config["kafka"]["bootstrap.servers"] = world.bootstrap_servers
        self.config["kafka"]["session.timeout.ms"] = 6_000
        self.config["postgres"]["dsn"] = world.linked(self.dsn)
        self.config["trackers"] = [{"document_type": "Task", "track_field": "status"}]
        self.config["processing"] = {}
        self.create(_PARTITIONS)
        servers, topics = (self.kafka.bootstrap_servers, self.dsn), (self.topic, f"{self.topic}-reached")
        self.watcher = Watcher(servers, self.group, topics, once=True, remember=False, forgiving=True)
        producer = self.producer(_SOURCE)
        self.feeder = Feeder[Load](
            producer, self.topic, load(seed), 1, lambda change: (change.partition(_PARTITIONS),), keep=False
        )
        self.workers = [self.start() for _ in range(_WORKERS)]
        self.wait_for_members(_WORKERS)
        self.memory: list[tuple[float, float]] = []
        self.recoveries: list[tuple[str, float]] = []

    def full_speed(self) -> int:
        """Records a second that source and workers come to together on this machine."""
        self.feeder.set_rate(1_000_000)
        time.sleep(_CALIBRATION_S / 3)
        before, began = sum(self.stored().values()), time.monotonic()
        time.sleep(_CALIBRATION_S)
        speed = (sum(self.stored().values()) - before) / (time.monotonic() - began)
        self.feeder.set_rate(1)
        self.wait(lambda: self.behind() < 1_000, "the calibration is worked off", 300)
        return int(speed)

    def behind(self) -> int:
        """Records in the log that are not stored; large where nobody can tell."""
        with suppress(psycopg.Error, KafkaException):
            return self.in_log() - sum(self.stored().values())
        return 1 << 40

    def in_log(self) -> int:
        """Records in the log; raises KafkaException while nobody can tell."""
        places = (TopicPartition(self.topic, number) for number in range(_PARTITIONS))
        return sum(self.reader().get_watermark_offsets(place, timeout=2.0)[1] for place in places)

    def look_after_workers(self) -> None:
        """Those that ended are started again, half of them to die at a point of a batch."""
        for at, worker in enumerate(self.workers):
            if not worker.is_running:
                fault = f"{self.draw.choice(list(POINTS))}:{self.draw.randint(20, 400)}:kill" if at else ""
                self.workers[at] = self.start(fault=fault if self.draw.random() < 0.5 else "")
        with suppress(psutil.Error):
            rss = psutil.Process(self.workers[0].pid).memory_info().rss / _MEBIBYTE
            self.memory.append((time.monotonic(), rss))

    def mortal(self) -> WorkerProcess:
        """A worker that may be killed."""
        return self.draw.choice(self.workers[1:])

    def faults(self) -> Sequence[Callable[[], None]]:
        """What may happen."""
        return (
            self._kill, self._kill, self._terminate, self._freeze, self._broker_killed, self._broker_restarted,
            self._postgres_killed, self._postgres_restarted, self._read_only, self._cut_kafka, self._cut_postgres,
            self._swallow, self._slow, self._guest,
        )  # fmt: skip

    def _kill(self) -> None:
        self.mortal().kill()

    def _terminate(self) -> None:
        self.mortal().terminate()

    def _freeze(self) -> None:
        worker = self.draw.choice(self.workers)
        if worker.is_running:
            worker.freeze()
            time.sleep(self.draw.uniform(0.5, 9.0))
            worker.go_on()

    def _broker_killed(self) -> None:
        self.world.kafka.kill()
        time.sleep(self.draw.uniform(0, 5.0))
        self.world.kafka.start()

    def _broker_restarted(self) -> None:
        self.world.kafka.restart()

    def _postgres_killed(self) -> None:
        self.world.postgres.kill()
        time.sleep(self.draw.uniform(0, 5.0))
        self.world.postgres.start()

    def _postgres_restarted(self) -> None:
        self.world.postgres.restart()

    def _read_only(self) -> None:
        with psycopg.connect(self.world.postgres.admin_dsn, autocommit=True) as connection:
            connection.execute("alter system set default_transaction_read_only = on")
            connection.execute("select pg_reload_conf()")
            time.sleep(self.draw.uniform(0.5, 4.0))
            connection.execute("set default_transaction_read_only = off")
            connection.execute("alter system reset default_transaction_read_only")
            connection.execute("select pg_reload_conf()")

    def _cut_kafka(self) -> None:
        self.world.kafka_link.cut()
        time.sleep(self.draw.uniform(0.1, 5.0))
        self.world.kafka_link.mend()

    def _cut_postgres(self) -> None:
        self.world.postgres_link.cut()
        time.sleep(self.draw.uniform(0.1, 5.0))
        self.world.postgres_link.mend()

    def _swallow(self) -> None:
        link = self.draw.choice([self.world.kafka_link, self.world.postgres_link])
        link.swallow("downstream" if self.draw.random() < 0.5 else "upstream")
        time.sleep(self.draw.uniform(0.1, 3.0))
        link.cut()
        link.mend()

    def _slow(self) -> None:
        link = self.draw.choice([self.world.kafka_link, self.world.postgres_link])
        with link.slow(self.draw.randint(5, 60), 20):
            time.sleep(self.draw.uniform(1.0, 5.0))

    def _guest(self) -> None:
        guest = self.start()
        time.sleep(self.draw.uniform(1.0, 6.0))
        guest.kill()

    def strike(self, fault: Callable[[], None], enough: int, pause_until: float, until: float) -> None:
        """One fault, and how long it takes from its end until no more than `enough` records wait, and that lasts."""
        fault()
        over = last_behind = time.monotonic()
        while (now := time.monotonic()) < until:
            self.look_after_workers()
            if self.behind() > enough:
                last_behind = now
            elif now > pause_until:
                break
            time.sleep(0.2)
        self.recoveries.append((name_of(fault), last_behind - over))

    def close(self) -> None:
        self.feeder.abandon()
        self.watcher.stop()
        super().close()


def name_of(fault: Callable[[], None]) -> str:
    """In words."""
    return fault.__name__.strip("_").replace("_", " ")


def soak(minutes: float, seed: int, share: float = 0.5, rate: int = 0) -> dict[str, object]:
    """Runs, prints how it goes, and returns what it came to.

    Args:
        share: the load, as a share of full speed, which is measured first.
        rate: the load in records a second, instead.
    """
    with (
        new_world(_BROKER) as world,
        tempfile.TemporaryDirectory() as folder,
        closing(Soak(world, Path(folder), seed)) as run,
    ):
        full = 0 if rate else run.full_speed()
        rate = rate or int(full * share)
        print(f"seed {seed}: {rate:,} records a second ({full:,} at full speed)", flush=True)
        run.feeder.set_rate(rate)
        began = time.monotonic()
        until = began + minutes * 60
        struck: Counter[str] = Counter()
        while time.monotonic() < until:
            fault = run.draw.choice(run.faults())
            struck[name_of(fault)] += 1
            run.strike(fault, int(rate * _WORKED_OFF_S), time.monotonic() + run.draw.uniform(5.0, 20.0), until)
            _tell(run, began)
        run.world.heal()
        run.feeder.stop()
        run.look_after_workers()
        run.wait(lambda: run.behind() == 0, "everything is stored", 600)
        run.wait_until_published()
        run.drain()
        run.watcher.stop()
        return {"seed": seed, "minutes": minutes, "full": full, "rate": rate, **_result(run, struck, began)}


def _tell(run: Soak, began: float) -> None:
    name, seconds = run.recoveries[-1] if run.recoveries else ("", 0.0)
    at, sent = time.monotonic() - began, run.feeder.count
    print(f"{at:7.0f} s  {sent:12,} sent  {run.memory[-1][1]:5.0f} MB  {name}: {seconds:.1f} s", flush=True)


def _result(run: Soak, struck: Counter[str], began: float) -> dict[str, object]:
    steady = [(at, rss) for at, rss in run.memory if at > began + (run.memory[-1][0] - began) / 3]
    slope = linear_regression([at for at, _ in steady], [rss for _, rss in steady]).slope * 3600
    times = [seconds for _, seconds in run.recoveries]
    print("auditing …", flush=True)
    command = [sys.executable, "-m", "consumer", "audit", "--json", "--config", str(run.write_config())]
    audited = subprocess.run(command, capture_output=True, text=True, check=False)
    return {
        "records": run.feeder.count,
        "milestones": _milestones(run.dsn),
        "faults": dict(sorted(struck.items())),
        "recovery_p50_s": round(median(times), 1),
        "recovery_max_s": round(max(times), 1),
        "memory_mb": round(median(rss for _, rss in steady)),
        "memory_slope_mb_per_hour": round(slope, 1),
        "violations": run.watcher.violations,
        "stale_answers": run.watcher.stale,
        "audit": audited.returncode,
        "audit_says": json.loads(audited.stdout or "{}") if audited.returncode in (0, 3) else audited.stderr[-500:],
    }


def as_table(result: Mapping[str, object]) -> str:
    """Markdown."""
    struck = cast("Mapping[str, int]", result["faults"])
    faults = ", ".join(f"{name} {times}" for name, times in struck.items())
    lines = [
        ("commit, seed, minutes", f"{commit()}, {result['seed']}, {result['minutes']:g}"),
        ("load", f"{result['rate']:,} records a second; full speed of the same set-up is {result['full']:,}"),
        ("records, milestones", f"{result['records']:,}, {result['milestones']:,}"),
        ("faults", f"{sum(struck.values())}: {faults}"),
        ("until the backlog was gone", f"p50 {result['recovery_p50_s']} s, max {result['recovery_max_s']} s"),
        ("memory of the worker that was never killed", f"{result['memory_mb']} MiB"),
        ("its slope", f"{result['memory_slope_mb_per_hour']} MiB an hour"),
        ("violations seen meanwhile", str(len(cast("Sequence[str]", result["violations"])))),
        ("old offsets told by the coordinator for a moment", str(result["stale_answers"])),
        ("audit", "clean" if result["audit"] == 0 else "differences"),
    ]
    return "\n".join(["| what | result |", "|---|---|", *(f"| {name} | {value} |" for name, value in lines)])


def _milestones(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select count(*) from milestone").fetchone()
    return int(row[0]) if row else 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.5, help="the load, as a share of full speed")
    parser.add_argument("--write", action="store_true", help="put the result into docs/reliability.md")
    said = parser.parse_args()
    result = soak(said.minutes, said.seed, said.share)
    print(json.dumps(result, indent=2))
    if said.write:
        put("make soak", as_table(result))
    return 0 if result["audit"] == 0 and not result["violations"] else 1


if __name__ == "__main__":
    sys.exit(main())
