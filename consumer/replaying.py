"""Replays: a stretch of the input evaluated again, or stored milestones announced again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Protocol

import msgspec

from consumer.announcements import REPLAYED
from consumer.core.audit import Expected, Span
from consumer.core.milestones import Announce, Event, Milestone
from consumer.core.positions import LogEnds
from consumer.core.records import Batch, Chunk, Partition
from consumer.core.replay import Replayed, Selection
from consumer.core.times import iso_time
from consumer.errors import Fatal
from consumer.reading import Reader
from consumer.recomputing import Recomputation

_CHUNK = 500


class Tables(Protocol):
    """PostgreSQL."""

    def present(self, ids: Sequence[str]) -> set[str]: ...
    def write_replayed(self, milestones: Sequence[Milestone]) -> int: ...


class Log(Protocol):
    """Kafka."""

    def chunks(self, ends: Mapping[Partition, LogEnds]) -> Iterator[Chunk]: ...


class Book(Protocol):
    """What a recomputation remembers."""

    def expected(self) -> Iterator[Expected]: ...


class Outbox(Protocol):
    """An open publish transaction."""

    def publish(self, topic: str, events: Iterable[Event]) -> None: ...


class Publisher(Protocol):
    """Kafka."""

    def transaction(self, batch: Batch) -> AbstractContextManager[Outbox]: ...


def evaluate_again(
    spans: Mapping[Partition, Span],
    sources: tuple[Log, Reader, Recomputation, Book],
    tables: Tables,
    selection: Selection,
    steps: tuple[Callable[[int], None], Callable[[], bool] | None],
) -> Replayed:
    """Evaluates the input from its beginning, and writes the milestones of a selection that are not there.

    Rows are silent: nothing is announced.

    Args:
        steps: called with the number of records just read; and, None in a dry run, tells whether workers run.

    Raises:
        Fatal: a worker began to run.
        MilestonesError: a server is away, or refuses; what was written before stays.
    """
    log, reader, recomputation, book = sources
    advance, workers_run = steps
    report = Replayed()
    for some in log.chunks({key: LogEnds(span.first, span.end) for key, span in spans.items()}):
        reading = reader.read(some)
        recomputation.take(reading)
        report.records += reading.records
        advance(reading.records)
    recomputation.settle()
    names = {(span.topic_id, span.partition): span.topic for span in spans.values()}
    chosen = (
        one.milestone
        for one in book.expected()
        if selection.takes(one.milestone, names[one.milestone.origin_topic_id, one.milestone.origin_partition])
    )
    for chunk in _chunks(chosen):
        _count(report, chunk)
        there = tables.present([one.id for one in chunk])
        report.present += len(there)
        if workers_run is None:
            continue
        if workers_run():
            raise Fatal("a worker of this group began to run; stop all of them and start again: what is written stays")
        silent = [msgspec.structs.replace(one, silent=True) for one in chunk if one.id not in there]
        report.written += tables.write_replayed(silent)
    return report


def announce_again(
    milestones: Iterable[Milestone],
    publisher: Publisher | None,
    output: tuple[str, Announce],
    now_us: int,
    advance: Callable[[int], None],
) -> Replayed:
    """Announces stored milestones again: the same ids and bytes, with a header that says so.

    Args:
        publisher: None in a dry run.
        output: the topic, and what makes its events.

    Raises:
        MilestonesError: Kafka is away, or refuses; what was announced before stays.
    """
    topic, announce = output
    report = Replayed()
    mark = (REPLAYED, iso_time(now_us).encode())
    for chunk in _chunks(milestones):
        _count(report, chunk)
        report.present += len(chunk)
        advance(len(chunk))
        if publisher is None:
            continue
        with publisher.transaction(Batch([], {})) as outbox:
            events = map(announce, chunk)
            outbox.publish(topic, [event._replace(headers=[*event.headers, mark]) for event in events])
        report.announced += len(chunk)
    return report


def _count(report: Replayed, chunk: Sequence[Milestone]) -> None:
    report.selected = dict(Counter(report.selected) + Counter(one.milestone_tracker for one in chunk))


def _chunks(milestones: Iterable[Milestone]) -> Iterator[list[Milestone]]:
    left = iter(milestones)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk
