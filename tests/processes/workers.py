"""Worker processes with a configuration of their own: started, waited for, killed, frozen and continued."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import psutil
import psycopg
import yaml
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]

from consumer.app_audit import Progress, Wanted, audit
from consumer.config import load
from consumer.postgres.migrate import migrate
from tests.processes import tally
from tests.processes.readings import Event, Row, assert_announced, assert_rows, ends, events, rows
from tests.processes.truth import TRACKERS, Change, Reached
from tests.services import KafkaService
from tests.services.service import wait_until

SESSION_TIMEOUT_MS: Final = 3_000
ROOT: Final = Path(__file__).parents[2]
_DEADLINE_S: Final = 60.0


class WorkerProcess:
    """`milestones run` as a process; its log is a file.

    `program`: what takes the place of `milestones`. `output`: what takes the place of the file, as a descriptor.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        program: Sequence[str] = ("consumer",),
        output: int | None = None,
    ) -> None:
        self._log = log
        with log.open("wb") as file:
            written = file.fileno() if output is None else output
            self._process = subprocess.Popen(
                [sys.executable, "-m", *program, "run", *arguments],
                env={**os.environ, "PYTHONFAULTHANDLER": "1", **environment},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def is_running(self) -> bool:
        """Whether it has not ended; a frozen one has not."""
        return self._process.poll() is None

    @property
    def is_frozen(self) -> bool:
        """Whether SIGSTOP holds it."""
        return self.is_running and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED

    def children(self) -> list[int]:
        """The workers of a supervisor, which are its grandchildren."""
        below = psutil.Process(self.pid).children(recursive=True)
        return [process.pid for process in below if _parent(process) not in (None, self.pid)]

    def forking(self) -> list[int]:
        """What a supervisor has its workers forked from, while it runs."""
        return [child.pid for child in psutil.Process(self.pid).children() if _parent(child) is not None]

    def freeze(self) -> None:
        """SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def show_stacks(self) -> None:
        """Ends it with all its threads' stacks in the log."""
        if self.is_running and not self.is_frozen:
            self._process.send_signal(signal.SIGABRT)
            self._process.wait(_DEADLINE_S)

    def ended(self, timeout_s: float = _DEADLINE_S) -> int:
        """The exit code, once it has ended by itself; negative is the signal that ended it."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker did not end within {timeout_s:g} s:\n{self.log[-4_000:]}") from None


class Deployment:
    """One input topic, one group, one database, and the workers that a test starts on them."""

    def __init__(self, kafka: KafkaService, dsn: str, topic: str, folder: Path) -> None:
        self.kafka, self.dsn, self.topic, self.folder = kafka, dsn, topic, folder
        self.config: dict[str, Any] = {
            "kafka": {
                "bootstrap.servers": kafka.bootstrap_servers,
                "group.id": f"{topic}-group",
                "session.timeout.ms": SESSION_TIMEOUT_MS,
                "heartbeat.interval.ms": 500,
                "topic.metadata.refresh.interval.ms": 1_000,
            },
            "input": {"topic": topic, "create_topics": True},
            "output": {"topic": f"{topic}-reached"},
            "postgres": {"dsn": dsn},
            "processing": {"max_batch_records": 50},
            "trackers": list(TRACKERS),
            "metrics": {"enabled": False},
        }
        self._workers: list[WorkerProcess] = []
        self._reader: Consumer | None = None
        # Kafka's tools. Kept: a client that goes out of scope takes its unanswered questions with it.
        self.admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})

    @property
    def group(self) -> str:
        """The consumer group."""
        return str(self.config["kafka"]["group.id"])

    def create(self, partitions: int, **topic_config: str) -> None:
        """The input topic and the tables."""
        self.kafka.create_topic(self.topic, partitions, {"retention.ms": "-1", **topic_config})
        # A partition has a leader in the metadata a moment before its leader knows of it.
        self.wait(lambda: self.tells_its_ends(self.topic), f"{self.topic} tells its ends")
        migrate(self.dsn)

    def tells_its_ends(self, topic: str) -> bool:
        """Whether every partition of a topic has a leader that knows of it."""
        try:
            return bool(ends(self.kafka.bootstrap_servers, topic))
        except KafkaException:
            return False

    def feed(self, stream: Iterable[Change], place: Callable[[Change], Iterable[int]] | None = None) -> None:
        """Sends changes to the partitions that `place` gives, else to that of their document."""
        partitions = len(ends(self.kafka.bootstrap_servers, self.topic))
        producer = self.producer()
        for change in stream:
            for partition in place(change) if place is not None else (change.partition(partitions),):
                producer.produce(self.topic, change.value, change.key, partition, headers=change.headers)
            tally.current().records += 1
        assert producer.flush(60) == 0

    def producer(self, more: Mapping[str, Any] = MappingProxyType({})) -> Producer:
        """A source's producer, with more settings."""
        servers = self.kafka.bootstrap_servers
        settings = {"bootstrap.servers": servers, "linger.ms": 5, "message.max.bytes": 110_000_000, "log_level": 0}
        return Producer({**settings, "queue.buffering.max.messages": 1_000_000, **more})

    def start(
        self,
        *arguments: str,
        fault: str = "",
        program: Sequence[str] = ("consumer",),
        environment: Mapping[str, str] = MappingProxyType({}),
        output: int | None = None,
    ) -> WorkerProcess:
        """A worker; `fault` as in `consumer/faults.py`, `output` instead of its log."""
        log = self.folder / f"worker-{len(self._workers)}.log"
        words = ["--config", str(self.write_config()), *arguments]
        self._workers.append(WorkerProcess(words, {"MILESTONES_FAULT": fault, **environment}, log, program, output))
        return self._workers[-1]

    def write_config(self) -> Path:
        """The configuration as it is now, as a file."""
        path = self.folder / f"config-{len(self._workers)}.yaml"
        path.write_text(yaml.safe_dump(self.config), encoding="utf-8")
        return path

    def finish(self, *arguments: str) -> None:
        """A worker works off what there is, and ends well."""
        worker = self.start("--until-end", *arguments)
        assert worker.ended() == 0, worker.log[-4_000:]

    def wait(self, condition: Callable[[], bool], what: str, timeout_s: float = _DEADLINE_S) -> None:
        """Until the condition holds; fails with what the workers logged."""
        try:
            wait_until(condition, timeout_s=timeout_s, what=what)
        except TimeoutError as error:
            for worker in self._workers:
                worker.show_stacks()
            raise AssertionError(f"{error}\n{self.logs()}") from error

    def wait_until_published(self) -> None:
        """Until both watermarks are at the ends that the input has now."""
        goal = ends(self.kafka.bootstrap_servers, self.topic)
        self.wait(lambda: self._is_published(goal), f"{goal} are published")

    def _is_published(self, goal: Mapping[int, int]) -> bool:
        stored = self.stored()
        if any(stored.get(key, 0) < end for key, end in goal.items()):
            return False
        # Asked last: a worker that has stored is a member, so the group's coordinator has begun.
        published = self.published()
        return all(published.get(key, 0) >= end for key, end in goal.items())

    def stored(self) -> dict[int, int]:
        """The watermark `stored` by partition."""
        with psycopg.connect(self.dsn) as connection:
            return dict(connection.execute("select partition, next_offset from stream_position").fetchall())

    def published(self) -> dict[int, int]:
        """The watermark `published` by partition; nothing is known of it while the group's coordinator begins."""
        places = [TopicPartition(self.topic, number) for number in ends(self.kafka.bootstrap_servers, self.topic)]
        try:
            answers = self.reader().committed(places, timeout=5.0)
        except KafkaException:
            return {}
        return {place.partition: place.offset for place in answers if place.offset >= 0}

    def reader(self) -> Consumer:
        """Tells the group's committed offsets, as a consumer of it reads them."""
        if self._reader is None:
            settings = {"bootstrap.servers": self.kafka.bootstrap_servers, "group.id": self.group, "log_level": 0}
            self._reader = Consumer(settings)
        return self._reader

    def rewind_published(self, offsets: Mapping[int, int]) -> None:
        """What kafka-consumer-groups.sh --reset-offsets does; needs an empty group."""
        places = [TopicPartition(self.topic, partition, offset) for partition, offset in offsets.items()]
        self.wait(lambda: self.members() == [], "the group is empty")
        request = [ConsumerGroupTopicPartitions(self.group, places)]
        self.admin.alter_consumer_group_offsets(request)[self.group].result(10.0)

    def members(self) -> list[set[int]]:
        """The partitions of each member of the group."""
        answer = self.admin.describe_consumer_groups([self.group], request_timeout=10.0)[self.group].result(10.0)
        return [{p.partition for p in member.assignment.topic_partitions} for member in answer.members]

    def wait_for_members(self, count: int) -> None:
        """Until the group has this many members, every partition has one of them, and each of them has some."""
        partitions = set(ends(self.kafka.bootstrap_servers, self.topic))

        def all_at_work() -> bool:
            try:
                members = self.members()
            except KafkaException:
                return False  # The group's coordinator begins.
            return len(members) == count and all(members) and set().union(*members) == partitions

        self.wait(all_at_work, f"{count} members share the partitions")

    def add_partitions(self, count: int, topic: str = "") -> None:
        """Until the input topic, or another one, has this many, each with a leader."""
        named = topic or self.topic
        self.admin.create_partitions([NewPartitions(named, count)])[named].result(10.0)

        def all_lead() -> bool:
            try:
                return len(ends(self.kafka.bootstrap_servers, named)) == count
            except KafkaException:
                return False

        self.wait(all_lead, f"{count} partitions")

    def take_over(self, *topics: str) -> None:
        """`milestones take-over --execute`, of the input topic unless others are named."""
        named = [word for topic in topics or (self.topic,) for word in ("--topic", topic)]
        command = [sys.executable, "-m", "consumer", "take-over", *named, "--execute"]
        subprocess.run([*command, "--config", str(self.write_config())], cwd=ROOT, check=True, capture_output=True)

    def drain(self) -> None:
        """SIGTERM to all that run; each ends well."""
        running = [worker for worker in self._workers if worker.is_running]
        for worker in running:
            worker.terminate()
        for worker in running:
            assert worker.ended() == 0, worker.log[-4_000:]

    def rows(self) -> list[Row]:
        """All milestones."""
        return rows(self.dsn)

    def events(self) -> list[Event]:
        """All that was announced."""
        return events(self.kafka.bootstrap_servers, f"{self.topic}-reached")

    def dead_letters(self) -> list[Event]:
        """All that could not be evaluated."""
        return events(self.kafka.bootstrap_servers, f"{self.topic}.dead-letter")

    def assert_exactly(self, expected: Sequence[Reached], *, in_order: bool = True, audited: bool = True) -> None:
        """Rows and events are these milestones, each once; so the program's own audit finds, where it can."""
        stored = self.rows()
        try:
            assert self.dead_letters() == []
            assert_rows(stored, expected)
            assert_announced(self.events(), stored, in_order=in_order)
        except AssertionError as error:
            raise AssertionError(f"{error}\nstored: {self.stored()}\n{self.logs()}") from error
        if audited:
            self.assert_clean()

    def assert_clean(self) -> None:
        """The program's own audit finds nothing."""
        report = audit(load(self.write_config()), Wanted(), Progress(lambda _: None, lambda _: None))
        assert not report.counts, report.differences[:20]

    def close(self) -> None:
        """Ends what still runs."""
        for worker in self._workers:
            if worker.is_running:
                below = psutil.Process(worker.pid).children(recursive=True)
                worker.kill()
                for process in below:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()

    def logs(self) -> str:
        """The ends of all workers' logs."""
        return "\n".join(f"--- worker {at}\n{worker.log[-8_000:]}" for at, worker in enumerate(self._workers))


def _parent(process: psutil.Process) -> int | None:
    """The process id of its parent; None if it has ended."""
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else process.ppid()
    except psutil.NoSuchProcess:
        return None
