"""Real servers that flush to disk, topics that are filled once, and programs that are measured on them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
import yaml

from bench.avro import AvroTemplates
from bench.flat import FlatTemplates
from bench.generate import PLAIN, TRACKED, Mix, Templates, expected_offsets, produce
from bench.rules import SETS, Trackers
from consumer.config import trackers_from_list
from consumer.postgres.migrate import migrate
from consumer.postgres.trackers import apply_trackers
from tests.services import KafkaService, PostgresService, RegistryService, open_registry

PARTITIONS: Final = 4
EARLIER: Final = "earlier"
"""The topic id of milestones that no stream gave."""
Measured = Mapping[str, float]


class Stream(NamedTuple):
    """A topic's content. `portion`: of the records asked for; writing Avro takes long."""

    mix: Mix = PLAIN
    form: str = "json"
    portion: float = 1.0


STREAMS: Final[Mapping[str, Stream]] = {
    "plain": Stream(),
    "untracked": Stream(Mix(tracked=0.05, milestones=0.0125)),
    "milestones": Stream(Mix(tracked=1.0, milestones=0.6)),
    "flat": Stream(form="flat"),
    "avro": Stream(form="avro", portion=0.3),
}


class Deployed(NamedTuple):
    """A database of its own with trackers, and the file that says so to the program."""

    config: Path
    dsn: str
    stream: str
    types: int


class Lab:
    """What suites measure with. Every database and output topic is new."""

    def __init__(self, kafka: KafkaService, postgres: PostgresService, folder: Path, records: int) -> None:
        self.kafka, self.postgres, self._folder, self._asked = kafka, postgres, folder, records
        self._filled: set[str] = set()
        self._raw: dict[str, Measured] = {}
        self._registry: RegistryService | None = None
        self._named = 0
        self._stack = ExitStack()

    def close(self) -> None:
        """Ends the registry, if there is one."""
        self._stack.close()

    def records(self, stream: str) -> int:
        """How many a stream holds."""
        return round(self._asked * STREAMS[stream].portion)

    def begin_round(self) -> None:
        """Forgets what is measured once a round."""
        self._raw.clear()

    def raw(self, stream: str) -> Measured:
        """The client that only counts a stream, fetching far ahead; measured once a round."""
        if stream not in self._raw:
            self._raw[stream] = self.counted(stream, "ahead")
        return self._raw[stream]

    def counted(self, stream: str, settings: str) -> Measured:
        """The client that only counts a stream, with some settings of bench/raw.py."""
        self._fill(stream)
        arguments = (self.kafka.bootstrap_servers, topic_of(stream), str(self.records(stream)), settings)
        return run("bench.raw", *arguments)

    def job(self, deployed: Deployed, workers: int = 1) -> Measured:
        """The job from the stream's beginning to its end, by several processes; rows are checked one by one."""
        self._fill(deployed.stream)
        command = [sys.executable, "-m", "bench.worker", str(deployed.config), str(workers)]
        # Beside what the program says of its work, if it has to say something.
        results = [json.loads(line) for line in printed(command) if line.startswith("{")]
        self.check_rows(deployed)
        records = sum(result["records"] for result in results)
        # A second worker may come too late to get anything of a short stream.
        busy = [result for result in results if result["records"]]
        seconds = max(result["last_s"] for result in busy) - min(result["first_s"] for result in busy)
        cpu_s = sum(result["cpu_s"] for result in results)
        start_cpu_s = sum(result["start_cpu_s"] for result in results)
        return {
            "records/s": records / seconds,
            "CPU s per million": cpu_s / records * 1e6,
            "CPU s per million, started": (cpu_s - start_cpu_s) / records * 1e6,
            "peak MB": max(result["peak_mb"] for result in results),
        }

    def alone(self, stream: str, trackers: str = "plain") -> Measured:
        """The job on a stream, in a database of its own that is dropped behind it."""
        deployed = self.deploy(stream, *SETS[trackers])
        job = self.job(deployed)
        self.drop(deployed)
        return job

    def deploy(self, stream: str, trackers: Trackers = SETS["plain"][0], types: int = len(TRACKED)) -> Deployed:
        """A new database, and a configuration with a new group and a new output topic."""
        name = self.new_name("bench")
        dsn = self.postgres.create_database()
        migrate(dsn)
        apply_trackers(dsn, trackers_from_list([*trackers], "bench"))
        registry = {"url": self._open_registry().confluent_api} if stream == "avro" else {}
        content = {
            "kafka": {"bootstrap.servers": self.kafka.bootstrap_servers, "group.id": name},
            "input": {"topic": topic_of(stream), "create_topics": True, "registry": registry},
            "output": {"topic": f"{name}-reached", "dead_letter_topic": f"{name}.dead-letter"},
            "postgres": {"dsn": dsn},
            "metrics": {"enabled": False},
        }
        path = self._folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return Deployed(path, dsn, stream, types)

    def new_name(self, prefix: str) -> str:
        """One that nothing in this run has."""
        self._named += 1
        return f"{prefix}-{self._named}"

    def drop(self, deployed: Deployed) -> None:
        """Its database."""
        self.postgres.drop_database(deployed.dsn)

    def check_rows(self, deployed: Deployed) -> None:
        """Ends the bench where the table holds anything but what the stream gives."""
        name = deployed.stream
        expected = self.expected(name, deployed.types)
        with psycopg.connect(deployed.dsn) as connection:
            query = "select origin_partition, origin_offset from milestone where origin_topic_id <> %s"
            rows = connection.execute(query, (EARLIER,)).fetchall()
        if sorted(rows) != expected:
            sys.exit(f"{name}: the table holds {len(rows)} milestones, not the {len(expected)} that the input gives")

    def expected(self, stream: str, types: int = len(TRACKED)) -> list[tuple[int, int]]:
        """Where the milestones of a stream stand, in order: partition and offset."""
        mix, tells = STREAMS[stream].mix, STREAMS[stream].form != "flat"
        offsets = expected_offsets(self.records(stream), PARTITIONS, mix, types, tells_before=tells)
        return sorted((p, offset) for p, those in offsets.items() for offset in those)

    def _fill(self, stream: str) -> None:
        if stream not in self._filled:
            self._filled.add(stream)
            servers, mix = self.kafka.bootstrap_servers, STREAMS[stream].mix
            produce(servers, topic_of(stream), self.records(stream), PARTITIONS, mix, self._templates(stream))

    def _templates(self, stream: str) -> Templates:
        if STREAMS[stream].form == "avro":
            return AvroTemplates(self._open_registry())
        return FlatTemplates() if STREAMS[stream].form == "flat" else Templates()

    def _open_registry(self) -> RegistryService:
        if self._registry is None:
            self._registry = self._stack.enter_context(closing(open_registry()))
        return self._registry


def topic_of(stream: str) -> str:
    """The topic that holds a stream."""
    return f"bench-{stream}"


def run(module: str, *arguments: str) -> dict[str, Any]:
    """What a module of the bench prints last, in a process of its own."""
    result: dict[str, Any] = json.loads(printed([sys.executable, "-m", module, *arguments])[-1])
    return result


def printed(command: Sequence[str]) -> list[str]:
    """The lines of a command that has to succeed."""
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{' '.join(command[:3])} … ended with {ran.returncode}")
    return ran.stdout.splitlines()


def program(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """The program itself, as a user runs it."""
    command: Sequence[str] = [sys.executable, "-m", "consumer", *arguments]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
