"""The demo itself: servers of its own, a stream fed to them, the real consumer on it, and what came of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from typing import Final, NamedTuple, Protocol

import msgspec
from pydantic import SecretStr

from consumer import metrics
from consumer.app import topics_of, trackers_in_force, worker_for
from consumer.config import Settings
from consumer.config_sections import OutputSection, PostgresSection, ProcessingSection
from consumer.core.records import Partition
from consumer.core.trackers import Tracker
from consumer.demo.broker import Broker
from consumer.demo.facts import Facts, Sources, Timing, read_facts, server_version
from consumer.demo.feed import Feed, Stream
from consumer.demo.postgres import EmbeddedPostgres, embedded_postgres
from consumer.errors import ConfigError, Fatal
from consumer.postgres.migrate import migrate
from consumer.postgres.positions import stored_positions
from consumer.postgres.trackers import apply_trackers
from consumer.worker import Worker

GROUP: Final = "milestones-demo"
_TICK_S: Final = 0.08
_STALLED_S: Final = 60.0


class Play(NamedTuple):
    """What is played: a stream, the trackers that follow it, and what is known of it beforehand.

    `named` is the number of records by the topics and partitions that they name.
    """

    stream: Stream
    named: Counter[Partition]
    trackers: Sequence[Tracker]
    told_by: str
    preferred: str = ""
    expected: Mapping[str, int] | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """How far the consumer is."""

    records: int
    total: int
    by_tracker: Mapping[str, int]


class Watcher(Protocol):
    """Sees the demo go on."""

    def step(self, what: str, detail: str) -> None:
        """Something is done."""

    def progress(self, snapshot: Snapshot) -> None:
        """Called many times a second while the consumer runs."""


class Servers(NamedTuple):
    """What runs, and how it is reached."""

    postgres: EmbeddedPostgres
    broker: Broker
    settings: Settings


@contextmanager
def servers(watcher: Watcher) -> Iterator[Servers]:
    """Both servers, until the block is left."""
    began_s = time.monotonic()
    with embedded_postgres() as postgres, closing(Broker(GROUP)) as broker:
        migrate(postgres.dsn)
        took_s = time.monotonic() - began_s
        where = postgres.dsn.rpartition("@")[2].partition("/")[0]
        watcher.step(f"PostgreSQL {server_version(postgres.dsn)}", f"embedded, on {where}, after {took_s:.1f} s")
        watcher.step("Kafka broker", f"in this process (librdkafka's mock), on {broker.address}")
        yield Servers(postgres, broker, _settings(broker.address, postgres.dsn))


def _settings(address: str, dsn: str) -> Settings:
    """Defaults but for the servers: an environment made for `milestones run` must not reach in here."""
    return Settings(
        _env_prefix="MILESTONES_DEMO__",
        kafka={"bootstrap.servers": address, "group.id": GROUP, "log_level": 0, "fetch.wait.max.ms": 10},
        output=OutputSection(guarantee="at_least_once"),
        postgres=PostgresSection(dsn=SecretStr(dsn)),
        # Whatever the stream holds is shown: dead letters are counted at the end.
        processing=ProcessingSection(
            max_batch_records=2_000, poll_timeout_ms=20, max_dead_letter_ratio=0, max_dead_letter_run=0
        ),
    )


def play(running: Servers, what: Play, watcher: Watcher, began_s: float) -> Facts:
    """Runs the consumer, feeds the stream, and reads what came of it once all is stored and published.

    Raises:
        ConfigError: the stream holds nothing to consume.
        Fatal: the consumer or a server stopped, or records were lost on the way.
    """
    settings, broker = running.settings, running.broker
    topics = topics_of(settings, ids=False)
    _check_topics(what.named, settings)
    outputs = (settings.output.topic, settings.dead_letter_topic)
    broker.create_topics([*sorted({key.topic for key in what.named}), *outputs])
    apply_trackers(settings.dsn, what.trackers)
    watcher.step("Consumer", f"the real one, {len(what.trackers)} trackers, on {what.told_by}")
    feed = Feed(broker, what.stream, settings.input.topic, topics.partitions())
    targets = feed.targets(what.named)
    run = _Run(running, feed, watcher, sum(targets.values()))
    with worker_for(settings, topics, trackers_in_force(settings), targets=targets, progress=run.add) as worker:
        fed_s = run.until_published(worker)
    timing = Timing(began_s, fed_s, time.monotonic())
    sources = Sources(settings.dsn, broker, topics, settings.input.topic, *outputs)
    return read_facts(sources, timing, what.preferred, what.expected)


def _check_topics(named: Counter[Partition], settings: Settings) -> None:
    topics = sorted({key.topic for key in named})
    if settings.input.topic not in topics:
        there = f"its topics: {', '.join(topics)}" if topics else "it is empty"
        raise ConfigError(f"the input holds no record of the topic {settings.input.topic}; {there}")
    for own in (settings.output.topic, settings.dead_letter_topic):
        if own in topics:
            raise ConfigError(f"the input holds records of {own}, where this program publishes; remove them")


class _Run:
    """Consumer and feed side by side, each in a thread; this one watches them and shows how far they are."""

    def __init__(self, running: Servers, feed: Feed, watcher: Watcher, total: int) -> None:
        self._running, self._feed, self._watcher = running, feed, watcher
        self._records, self._total = 0, total
        self._moved_s = time.monotonic()

    def add(self, records: int) -> None:
        """Called by the consumer for each batch."""
        self._records += records
        self._moved_s = time.monotonic()

    def until_published(self, worker: Worker) -> float:
        """Until the consumer published the last record; returns when the first one was sent."""
        with ThreadPoolExecutor(2, "demo") as threads:
            try:
                consumer = threads.submit(worker.run)
                self._watch([consumer], self._has_its_partitions)
                fed_s = time.monotonic()
                both = [consumer, threads.submit(self._feed.run)]
                self._watch(both, lambda: all(task.done() for task in both))
            finally:
                # Before the servers go: the consumer would wait for them to come back.
                worker.stopping = self._feed.stopping = True
        return fed_s

    def _watch(self, tasks: list[Future[None]], reached: Callable[[], bool]) -> None:
        """Until something is reached; what a thread, or a server, failed with is raised here."""
        while not reached():
            for task in wait(tasks, _TICK_S, FIRST_EXCEPTION).done:
                task.result()
            self._running.postgres.check()
            if time.monotonic() - self._moved_s > _STALLED_S:
                raise Fatal(f"nothing was published for {_STALLED_S:.0f} s; the log above says what the consumer met")
            self._watcher.progress(Snapshot(self._records, self._total, _reached()))

    def _has_its_partitions(self) -> bool:
        settings = self._running.settings
        return bool(stored_positions(settings.dsn, settings.input.topic))


def _reached() -> dict[str, int]:
    """Milestones by tracker until now, as /metrics has them."""
    samples = [sample for metric in metrics.REACHED.collect() for sample in metric.samples]
    return {s.labels["tracker"]: int(s.value) for s in samples if s.name.endswith("_total")}
