"""The composition root of backtests."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from consumer.ahead import ahead
from consumer.app import decoders, input_ends, topics_of, trackers_in_force
from consumer.app_audit import WORTH_A_PROCESS, Progress, parted, registry_of
from consumer.backtesting import Read, SidesReader, backtest
from consumer.captured import read_captured
from consumer.config import Settings, read_trackers
from consumer.core.audit import Span
from consumer.core.backtest import NEW, Backtest, Sides, sides_of
from consumer.core.compiled import compile_rules
from consumer.core.given import GivenRecord
from consumer.core.milestones import Milestone
from consumer.core.positions import LogEnds
from consumer.core.records import Chunk, Partition, Record, partition_of
from consumer.core.trackers import Tracker, Trackers, check_together
from consumer.errors import ConfigError, StoreDown
from consumer.kafka.log import Log
from consumer.postgres.audit import audited_tables
from consumer.postgres.trackers import apply_trackers
from consumer.reading import DeadLetters
from consumer.scratch.book import Book

_CHUNK = 1_000


class Request(NamedTuple):
    """What is tried on which history.

    `trackers`: the new rules, a YAML list; None for config.yaml's. `base`: the rules to compare with; None for those
    in force. `input`: a captured stream instead of the topics. `since_ms`, `until_ms`: time stamps of the records.
    `against_table`: compare with the stored milestones. `shown`: how many differences of each kind to show.
    """

    trackers: Path | None = None
    base: Path | None = None
    input: Path | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    against_table: bool = False
    shown: int = 5


def run_backtest(
    settings: Settings, request: Request, progress: Progress, apart_from: int = WORTH_A_PROCESS
) -> Backtest:
    """Runs rules over history and compares; nothing is written.

    Args:
        apart_from: from so many records on, the topics are read by processes of their own.

    Raises:
        ConfigError: trackers cannot be read, contradict each other, or there is no such file.
        MilestonesError: a server is away.
    """
    now, new = _both_trackers(settings, request)
    report = _run(settings, request, (now, new), progress, apart_from)
    for tracker in now.trackers:
        report.of(tracker.name)
    report.account_for(new.trackers)
    return report


def _run(
    settings: Settings, request: Request, trackers: tuple[Trackers, Trackers], progress: Progress, apart_from: int
) -> Backtest:
    now, new = trackers
    if request.input is not None:
        return _over_file(settings, request, (now, new), progress)
    topics = topics_of(settings)
    ends = input_ends(settings, topics)
    ids = {topic: topics.topic_id(topic) for topic in {key.topic for key in ends}}
    since = {} if request.since_ms is None else topics.offsets_at(ends, request.since_ms)
    until = {} if request.until_ms is None else topics.offsets_at(ends, request.until_ms)
    with audited_tables(settings.dsn) as tables:
        spans = {}
        for key, end in ends.items():
            first = end.low if request.since_ms is None else since.get(key, end.high)
            last = min(until.get(key, end.high), end.high)
            spans[key] = Span(
                key.topic, ids[key.topic], key.partition, min(max(first, end.low), last), last, last, 0, whole=True
            )
        records = sum(span.end - span.first for span in spans.values())
        progress.begin(records)
        shared = (settings, now, new, request.against_table, tables.snapshot())
        if records >= apart_from:
            reads = ahead(read_sides, [(*shared, share) for share in parted(spans, lambda span: span.end - span.first)])
        else:
            reads = read_sides(*shared, spans)
        with closing(reads):
            topic_ids = sorted({span.topic_id for span in spans.values()})
            stored = (lambda: _among(tables.milestones(topic_ids), spans)) if request.against_table else None
            return backtest(reads, spans, Book, stored, (request.shown, progress.advance))


def _both_trackers(settings: Settings, request: Request) -> tuple[Trackers, Trackers]:
    """Those to compare with, and the new ones as they would be once they were applied."""
    wanted = settings.tracker_list() if request.trackers is None else read_trackers(request.trackers, "--trackers")
    if wanted is None:
        raise ConfigError("there is nothing to try: config.yaml has no `trackers:`; name a file with --trackers")
    check_together(wanted)
    if request.base is not None:
        return Trackers("now", tuple(read_trackers(request.base, "--base"))), Trackers("new", tuple(wanted))
    try:
        force = trackers_in_force(settings)
    except StoreDown as error:
        raise StoreDown(f"{error}; without it, --base names a file with the rules to compare with") from error
    plan = apply_trackers(settings.dsn, wanted, dry_run=True)
    left = {tracker.name: tracker for tracker in force.trackers}
    for tracker in plan.removed:
        del left[tracker.name]
    left |= {tracker.name: tracker for tracker in (*plan.added, *plan.changed)}
    return force, Trackers("new", _in_order(left.values()))


def _in_order(trackers: Iterable[Tracker]) -> tuple[Tracker, ...]:
    return tuple(sorted(trackers, key=lambda tracker: tracker.name))


def _sides(settings: Settings, now: Trackers, new: Trackers, *, alone: bool) -> Sides:
    documents = settings.document_types()
    rules = compile_rules(Trackers(new.revision, _in_order(new.trackers)), documents)
    if alone:
        return Sides(((rules, {NEW: rules}),))
    return sides_of(compile_rules(Trackers(now.revision, _in_order(now.trackers)), documents), rules)


def read_sides(
    settings: Settings, now: Trackers, new: Trackers, alone: bool, snapshot: str, spans: Mapping[Partition, Span]
) -> Generator[Read, None, None]:
    """What the topics say, for both sides; or, `alone`, for the new rules only."""
    sides = _sides(settings, now, new, alone=alone)
    with audited_tables(settings.dsn, snapshot) as tables, registry_of(settings) as registry:
        make = decoders(settings, registry)
        dead = {key: DeadLetters(span, tables) for key, span in spans.items()} if alone else None
        reader = SidesReader(sides, [make(rules) for rules, _ in sides.readers], spans, dead)
        for chunk in Log(settings.kafka).chunks({key: LogEnds(span.first, span.end) for key, span in spans.items()}):
            yield reader.read(chunk)


def _over_file(
    settings: Settings, request: Request, trackers: tuple[Trackers, Trackers], progress: Progress
) -> Backtest:
    sides = _sides(settings, *trackers, alone=False)
    with registry_of(settings) as registry:
        make = decoders(settings, registry)
        spans = _Anywhere()
        reader = SidesReader(sides, [make(rules) for rules, _ in sides.readers], spans, None)
        reads = (reader.read(chunk) for chunk in _chunks(_records_of(request)))
        return backtest(reads, spans, Book, None, (request.shown, progress.advance))


class _Anywhere(dict[Partition, Span]):
    """The whole of every partition that a file names."""

    def __missing__(self, key: Partition) -> Span:
        span = self[key] = Span(key.topic, key.topic, key.partition, 0, sys.maxsize, sys.maxsize, 0, whole=True)
        return span


def _records_of(request: Request) -> Iterator[GivenRecord]:
    for one in read_captured(request.input or Path()):
        if (request.since_ms or 0) <= one.timestamp < (request.until_ms or sys.maxsize):
            yield GivenRecord(
                one.topic, one.partition, one.offset, one.key, one.value, tuple(one.headers), one.timestamp
            )


def _chunks(records: Iterator[GivenRecord]) -> Iterator[Chunk]:
    while some := list(islice(records, _CHUNK)):
        by_partition: defaultdict[Partition, list[Record]] = defaultdict(list)
        for record in some:
            by_partition[partition_of(record)].append(record)
        yield by_partition


def _among(milestones: Iterator[Milestone], spans: Mapping[Partition, Span]) -> Iterator[Milestone]:
    """Those of records that were read."""
    by_id = {(span.topic_id, span.partition): span for span in spans.values()}
    for one in milestones:
        span = by_id.get((one.origin_topic_id, one.origin_partition))
        if span is not None and span.holds(one.origin_offset):
            yield one
