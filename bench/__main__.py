"""`make bench`: the job's rate beside the client's limit, in one run, on real servers that flush to disk."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import yaml
from rich.console import Console
from rich.table import Table

from bench.avro import AvroTemplates
from bench.generate import expected_offsets, produce
from bench.latency import Latency, measure
from bench.rules import SETS, Trackers, measured
from consumer.config import trackers_from_list
from consumer.postgres.migrate import migrate
from consumer.postgres.trackers import apply_trackers
from tests.services import KafkaService, PostgresService, open_kafka, open_postgres, open_registry

_PARTITIONS = 4


def main() -> None:
    """Prints ratios; fails if a row or an event is missing or too many."""
    options = _options()
    with (
        closing(open_kafka()) as kafka,
        closing(open_postgres(durable=True)) as postgres,
        TemporaryDirectory(prefix="milestones-bench-") as folder,
    ):
        bench = _Bench(kafka, postgres, Path(folder), options.records)
        bench.fill()
        rounds = [bench.round(number) for number in range(options.rounds)]
        latency = None if options.no_latency else bench.latency(options.latency_seconds)
        avro = bench.avro(options.avro_records) if options.avro_records else None
        rules = measured(options.rounds, bench.rules) if options.rules else None
    _show(rounds, latency, avro, rules, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=main.__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency-seconds", type=float, default=10.0)
    parser.add_argument("--no-latency", action="store_true")
    parser.add_argument("--avro-records", type=int, default=100_000, help="0 leaves Avro out")
    parser.add_argument("--rules", action="store_true", help="also what many trackers and conditions cost")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    return parser.parse_args()


class _Bench:
    def __init__(self, kafka: KafkaService, postgres: PostgresService, folder: Path, records: int) -> None:
        self._servers, self._postgres, self._folder, self._records = kafka.bootstrap_servers, postgres, folder, records
        self._topic = "bench-changes"

    def fill(self) -> None:
        """The input topic, once for all rounds."""
        produce(self._servers, self._topic, self._records, _PARTITIONS)
        self._expected = expected_offsets(self._records, _PARTITIONS)

    def round(self, number: int) -> dict[str, Any]:
        """Raw and job, one after the other; the job in a new database with a new output topic."""
        raw = _run("bench.raw", self._servers, self._topic, str(self._records))
        dsn = self._postgres.create_database()
        config = self._config(dsn, self._topic, f"bench-reached-{number}")
        job = _run("bench.job", str(config))
        self._check_rows(dsn)
        audit, backtest = _run("bench.audit", str(config)), _run("bench.backtest", str(config))
        self._postgres.drop_database(dsn)
        return {"raw": raw, "job": job, "audit": audit, "backtest": backtest, "ratio": job["rate"] / raw["rate"]}

    def avro(self, records: int) -> dict[str, Any]:
        """The job on the same stream in Avro, beside the client's limit on it."""
        with closing(open_registry()) as registry:
            produce(self._servers, "bench-avro", records, _PARTITIONS, templates=AvroTemplates(registry))
            self._expected = expected_offsets(records, _PARTITIONS)
            raw = _run("bench.raw", self._servers, "bench-avro", str(records))
            dsn = self._postgres.create_database()
            job = _run("bench.job", str(self._config(dsn, "bench-avro", "bench-avro-reached", registry.confluent_api)))
            self._check_rows(dsn)
        return {"raw": raw, "job": job}

    def rules(self, name: str, number: int) -> dict[str, Any]:
        """The job with a set of trackers."""
        trackers, types = SETS[name]
        self._expected = expected_offsets(self._records, _PARTITIONS, types=types)
        dsn = self._postgres.create_database()
        job = _run("bench.job", str(self._config(dsn, self._topic, f"bench-{name}-{number}", trackers=trackers)))
        self._check_rows(dsn)
        self._postgres.drop_database(dsn)
        return job

    def latency(self, seconds: float) -> Latency:
        """At 1,000 records a second, each a milestone."""
        topics = ("bench-latency", "bench-latency-reached")
        config = self._config(self._postgres.create_database(), *topics)
        return measure(self._servers, config, topics, 1_000, seconds)

    def _config(
        self, dsn: str, input_topic: str, output_topic: str, registry: str = "", trackers: Trackers = SETS["plain"][0]
    ) -> Path:
        migrate(dsn)
        apply_trackers(dsn, trackers_from_list([*trackers], "bench"))
        path = self._folder / f"{output_topic}.yaml"
        content = {
            "kafka": {"bootstrap.servers": self._servers, "group.id": output_topic},
            "input": {"topic": input_topic, "create_topics": True, "registry": {"url": registry} if registry else {}},
            "output": {"topic": output_topic, "dead_letter_topic": f"{output_topic}.dead-letter"},
            "postgres": {"dsn": dsn},
            "metrics": {"enabled": False},
        }
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    def _check_rows(self, dsn: str) -> None:
        with psycopg.connect(dsn) as connection:
            rows = connection.execute("select origin_partition, origin_offset from milestone").fetchall()
        expected = sorted((p, offset) for p, offsets in self._expected.items() for offset in offsets)
        if sorted(rows) != expected:
            sys.exit(f"the table holds {len(rows)} milestones, not the {len(expected)} that the input gives")


def _run(module: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, check=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _show(
    rounds: list[dict[str, Any]],
    latency: Latency | None,
    avro: dict[str, Any] | None,
    rules: dict[str, Any] | None,
    options: argparse.Namespace,
) -> None:
    facts = {
        "records": options.records,
        "rounds": options.rounds,
        "raw_records_per_s": round(statistics.median(r["raw"]["rate"] for r in rounds)),
        "job_records_per_s": round(statistics.median(r["job"]["rate"] for r in rounds)),
        "ratio": round(statistics.median(r["ratio"] for r in rounds), 3),
        "job_cpu_s_per_million": round(statistics.median(r["job"]["cpu_s"] for r in rounds) / options.records * 1e6, 2),
        "job_peak_mb": round(max(r["job"]["peak_mb"] for r in rounds)),
        "job_stage_s": rounds[-1]["job"]["stages"],
        "audit_records_per_s": round(statistics.median(r["audit"]["rate"] for r in rounds)),
        "audit_ratio": round(statistics.median(r["audit"]["rate"] / r["job"]["rate"] for r in rounds), 3),
        "backtest_records_per_s": round(statistics.median(r["backtest"]["rate"] for r in rounds)),
        "backtest_ratio": round(statistics.median(r["backtest"]["rate"] / r["job"]["rate"] for r in rounds), 3),
        "backtest_peak_mb": round(max(r["backtest"]["peak_mb"] for r in rounds)),
        "audit_peak_mb": round(max(r["audit"]["peak_mb"] for r in rounds)),
        "latency_p50_ms": None if latency is None else latency.p50_ms,
        "latency_p99_ms": None if latency is None else latency.p99_ms,
        "avro_records": options.avro_records,
        "avro_raw_records_per_s": None if avro is None else round(avro["raw"]["rate"]),
        "avro_job_records_per_s": None if avro is None else round(avro["job"]["rate"]),
        "avro_stage_s": None if avro is None else avro["job"]["stages"],
        **(rules or {}),
    }
    if options.json:
        print(json.dumps(facts))
        return
    table = Table("figure", "value", box=None, header_style="bold", title="exactly_once, rows and events, one worker")
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
    Console().print(table)


if __name__ == "__main__":
    main()
