"""The composition root of what computes the input again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import NamedTuple, TypeVar

import msgspec

from consumer.ahead import ahead
from consumer.announcements import Announcements, Heard, Scope
from consumer.app import decoders, topics_of
from consumer.app_output import announcer_of, reading_avro
from consumer.auditing import Audit
from consumer.config import Settings
from consumer.core.audit import Report, Span
from consumer.core.compiled import Rules, compile_rules
from consumer.core.positions import LogEnds, StoredPosition
from consumer.core.records import LastRecord, Partition
from consumer.core.trackers import trackers_from_json
from consumer.errors import ConfigError, Fatal
from consumer.kafka.log import Log
from consumer.kafka.publisher import Publisher, TransactionalIds
from consumer.kafka.registry import Registry
from consumer.kafka.topics import Topics
from consumer.postgres.audit import AuditedTables, audited_tables
from consumer.postgres.repair import repaired_tables
from consumer.reading import Decoders, Reader, Reading, Revisions
from consumer.recomputing import Recomputation
from consumer.repairing import repair
from consumer.scratch.book import Book

_Part = TypeVar("_Part")

_PATIENCE_S = 30.0
WORTH_A_PROCESS = 100_000
"""Records. A process takes a second to start."""
READERS = 2
"""Processes. Reading takes about twice as long as what is done with it."""


class Wanted(NamedTuple):
    """What of the input is to be audited; None means all. Offsets are first and last, both included."""

    topic: str | None = None
    partition: int | None = None
    first: int | None = None
    last: int | None = None

    def takes(self, key: Partition) -> bool:
        """Whether a partition is audited."""
        return self.topic in (None, key.topic) and self.partition in (None, key.partition)


class Progress(NamedTuple):
    """Told how far an audit is: once how many records there are to read, at most; then how many were just read."""

    begin: Callable[[int], None]
    advance: Callable[[int], None]


def audit(
    settings: Settings,
    wanted: Wanted,
    progress: Progress,
    *,
    execute: bool = False,
    apart_from: int = WORTH_A_PROCESS,
) -> Report:
    """Compares what the input gives with what is stored and announced.

    Args:
        execute: also repairs what can be: writes rows that are missing, and announces what was not announced.
        apart_from: from so many records on, the input is read by processes of their own.

    Raises:
        ConfigError: there is no such topic or partition among those that were ever stored.
        Fatal: the log has not what is to be audited any more, or another topic has its name.
        MilestonesError: a server is away.
    """
    with ExitStack() as stack:
        # Held from the first look on: what is missing then may not be repaired by somebody else meanwhile.
        repaired = stack.enter_context(repaired_tables(settings.dsn)) if execute else None
        book = stack.enter_context(Book())
        report = _audited(settings, wanted, progress, book, apart_from)
        if repaired is not None and report.repairs:
            publisher = late_publisher(settings)
            stack.callback(publisher.close)
            output = settings.output.topic, announcer_of(settings)
            mended = repair(book.repairs(), repaired, publisher, output, time.time_ns() // 1_000)
            report.written, report.announced_late = mended
        return report


def _audited(settings: Settings, wanted: Wanted, progress: Progress, book: Book, apart_from: int) -> Report:
    topics = topics_of(settings)
    with audited_tables(settings.dsn) as before:
        chosen = chosen_positions(before.positions(), wanted, settings)
    # Asked before the tables are read: what is published by then is stored in them.
    committed = topics.committed(settings.group, chosen)
    with audited_tables(settings.dsn) as tables:
        positions = {key: row for key, row in tables.positions().items() if key in chosen}
        there = partitions_there(positions, topics, wanted)
        gone = sorted(positions.keys() - there)
        positions = {key: row for key, row in positions.items() if key in there}
        revisions = Revisions(tables.revision_starts())
        spans = _spans(positions, committed, topics, (wanted, revisions))
        now_us, output = time.time_ns() // 1_000, _output(settings, topics)
        scope = Scope(spans, output, _is_exactly_once(settings), now_us if _has_lost_all(output) else 0)
        progress.begin(scope.records)
        shared = (settings, spans, _proofs(positions, spans), tables.snapshot())
        if scope.input_records >= apart_from:
            pieces = ahead(_read, [(*shared, share) for share in _shares(scope)])
        else:
            pieces = _read(*shared, _Share(spans, scope.output))
        with closing(pieces):
            parts = pieces, revisions, Recomputation(book, spans)
            report = Audit(scope, tables, book, parts, progress.advance).run()
    report.untold.update(f"{key.topic}-{key.partition} was deleted, or made again: not audited" for key in gone)
    return report


class _Share(NamedTuple):
    """What one process reads: partitions of the input, then of the output topic."""

    spans: Mapping[Partition, Span]
    output: Mapping[Partition, LogEnds]


def _shares(scope: Scope) -> list[_Share]:
    """For each of the processes, about as many records."""
    inputs = parted(scope.spans, lambda span: span.end - span.first)
    outputs = parted(scope.output, lambda ends: ends.high - ends.low)
    return [_Share(*share) for share in zip(inputs, outputs, strict=True)]


def parted(whole: Mapping[Partition, _Part], size: Callable[[_Part], int]) -> list[dict[Partition, _Part]]:
    """Partitions for each of the processes, with about as many records."""
    parted: list[dict[Partition, _Part]] = [{} for _ in range(READERS)]
    for key, part in sorted(whole.items(), key=lambda item: -size(item[1])):
        min(parted, key=lambda share: sum(map(size, share.values())))[key] = part
    return parted


def _read(
    settings: Settings,
    spans: Mapping[Partition, Span],
    proofs: Mapping[Partition, LastRecord],
    snapshot: str,
    share: _Share,
) -> Generator[Reading | Heard, None, None]:
    """What input and output say, with the tables as they stand in a snapshot."""
    log = Log(settings.kafka)
    with audited_tables(settings.dsn, snapshot) as tables, registry_of(settings) as registry:
        decoders_of = Decoders(_rules(tables, settings), decoders(settings, registry))
        reader = Reader((Revisions(tables.revision_starts()), decoders_of), share.spans, proofs, tables)
        for chunk in log.chunks({key: LogEnds(span.first, span.end) for key, span in share.spans.items()}):
            yield reader.read(chunk)
    with reading_avro(settings) as in_json:
        announcements = Announcements(spans, share.output, in_json)
        for chunk in log.chunks(share.output):
            yield announcements.hear(chunk)


def late_publisher(settings: Settings) -> Publisher:
    """Publishes what belongs to no batch; under its own transactional id, one at a time."""
    prefix = f"{settings.group}-{settings.processing.instance}-repair"
    ids = TransactionalIds(prefix, lambda: 0) if _is_exactly_once(settings) else None
    return Publisher(settings.kafka, ids, lambda _: None, native=settings.input.native)


def chosen_positions(known: Mapping[Partition, StoredPosition], wanted: Wanted, settings: Settings) -> list[Partition]:
    """The partitions that are wanted.

    Raises:
        ConfigError: this group has none of them.
    """
    chosen = [key for key, row in known.items() if wanted.takes(key) and row.consumer_group == settings.group]
    if not chosen:
        place = "any topic" if wanted.topic is None else wanted.topic
        place = place if wanted.partition is None else f"partition {wanted.partition} of {place}"
        own = Counter(key.topic for key, row in known.items() if row.consumer_group == settings.group)
        there_are = ", ".join(f"{topic} ({count} partitions)" for topic, count in sorted(own.items())) or "nothing yet"
        raise ConfigError(f"group {settings.group} has stored nothing of {place}; it has stored {there_are}")
    for key in chosen:
        _check_offsets(key, known[key].next_offset, wanted)
    return chosen


def _check_offsets(key: Partition, stored: int, wanted: Wanted) -> None:
    said = [offset for offset in (wanted.first, wanted.last) if offset is not None]
    if said and (last := max(said)) >= stored:
        raise ConfigError(
            f"--offsets: {key.topic}/{key.partition} is stored up to {stored - 1}, and {last} is beyond it; "
            f"write {max(min(wanted.first or 0, stored - 1), 0)}..{max(stored - 1, 0)}"
        )


@contextmanager
def registry_of(settings: Settings) -> Iterator[Registry | None]:
    """The schema registry, waited for: nothing else is to be done meanwhile."""
    if not settings.input.registry:
        yield None
        return
    registry = Registry(settings.input.registry, patience_s=_PATIENCE_S)
    try:
        yield registry
    finally:
        registry.close()


def _rules(tables: AuditedTables, settings: Settings) -> dict[str, Rules]:
    documents = settings.document_types()
    return {
        revision: compile_rules(trackers_from_json(revision, trackers), documents)
        for revision, trackers in tables.trackers().items()
    }


def _spans(
    positions: Mapping[Partition, StoredPosition],
    committed: Mapping[Partition, int | None],
    topics: Topics,
    limits: tuple[Wanted, Revisions],
) -> dict[Partition, Span]:
    ends = topics.ends(positions)
    spans = {key: _span(key, row, committed[key], ends[key], limits) for key, row in positions.items()}
    # Documents may have changed elsewhere: in a partition that is not audited, in a topic that is gone, or in what one
    # partition has lost, before their keys moved to another one.
    audited = {(span.topic_id, span.partition) for span in spans.values()}
    if limits[1].evaluated() <= audited and all(span.whole for span in spans.values()):
        return spans
    return {key: msgspec.structs.replace(span, whole=False) for key, span in spans.items()}


def partitions_there(positions: Mapping[Partition, StoredPosition], topics: Topics, wanted: Wanted) -> set[Partition]:
    """The partitions whose log is still the one that was stored from.

    Raises:
        Fatal: there are none, or one that was asked for by name is not among them.
    """
    present = topics.partitions()
    ids = {topic: topics.topic_id(topic) for topic in {key.topic for key in positions} if topic in present}
    there = {
        key for key, row in positions.items()
        if key.partition < present.get(key.topic, 0) and ids[key.topic] == row.topic_id
    }  # fmt: skip
    if not there or (wanted.topic is not None and there != positions.keys()):
        names = ", ".join(sorted({key.topic for key in positions.keys() - there}))
        raise Fatal(f"{names}: the topic was deleted, or made again; what it held cannot be read any more")
    return there


def _span(
    key: Partition, row: StoredPosition, committed: int | None, ends: LogEnds, limits: tuple[Wanted, Revisions]
) -> Span:
    wanted, revisions = limits
    began = revisions.first_offset(row.topic_id, key.partition) or 0
    first = max(began, ends.low, 0 if wanted.first is None else wanted.first)
    end = row.next_offset if wanted.last is None else min(row.next_offset, wanted.last + 1)
    if row.next_offset > ends.high:
        raise Fatal(f"{key.topic}-{key.partition}: stored up to {row.next_offset}, and the log ends at {ends.high}")
    published = row.published_offset if committed is None else committed
    is_whole = first <= began
    return Span(key.topic, row.topic_id, key.partition, min(first, end), end, row.next_offset, published, is_whole)


def _proofs(
    positions: Mapping[Partition, StoredPosition], spans: Mapping[Partition, Span]
) -> dict[Partition, LastRecord]:
    return {
        key: row.last for key, row in positions.items() if row.last is not None and spans[key].holds(row.last.offset)
    }


def _output(settings: Settings, topics: Topics) -> dict[Partition, LogEnds]:
    name = settings.output.topic
    count = topics.partitions().get(name, 0)
    return topics.ends([Partition(name, number) for number in range(count)]) if count else {}


def _has_lost_all(output: Mapping[Partition, LogEnds]) -> bool:
    """Whether retention has emptied a partition: until when, nothing tells."""
    return any(ends.low == ends.high > 0 for ends in output.values())


def _is_exactly_once(settings: Settings) -> bool:
    return settings.output.guarantee == "exactly_once"
