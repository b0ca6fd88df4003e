"""The composition root of replays."""

from __future__ import annotations

import time
from collections.abc import Set
from contextlib import ExitStack

from consumer.app import decoders, topics_of, trackers_in_force
from consumer.app_audit import Progress, Wanted, chosen_positions, late_publisher, partitions_there, registry_of
from consumer.app_output import announcer_of
from consumer.config import Settings
from consumer.core.audit import RevisionStart, Span
from consumer.core.compiled import compile_rules
from consumer.core.milestones import announcement
from consumer.core.positions import LogEnds, StoredPosition
from consumer.core.records import Partition
from consumer.core.replay import Replayed, Selection
from consumer.core.trackers import Trackers
from consumer.errors import ConfigError, Fatal
from consumer.kafka.log import Log
from consumer.postgres.audit import audited_tables
from consumer.postgres.replay import replayed_tables, stored_milestones, stored_trackers
from consumer.reading import Decoders, Reader, Revisions
from consumer.recomputing import Recomputation
from consumer.replaying import announce_again, evaluate_again
from consumer.scratch.book import Book


def replay(settings: Settings, selection: Selection, progress: Progress, *, execute: bool) -> Replayed:
    """Evaluates the input again under the trackers in force now; without `execute` only tells what it would write.

    Raises:
        ConfigError: there is no such tracker, topic or partition.
        Fatal: workers run; or the log has not what is to be evaluated any more.
        MilestonesError: a server is away.
    """
    topics = topics_of(settings)
    trackers = trackers_in_force(settings)
    _check_trackers(trackers, selection)
    if execute and topics.members(settings.group):
        raise Fatal(f"workers of group {settings.group} run; stop them first, or leave --execute away")
    wanted = Wanted(selection.topic, selection.partition)
    with audited_tables(settings.dsn) as tables:
        positions = tables.positions()
    chosen = chosen_positions(positions, wanted, settings)
    there = partitions_there({key: positions[key] for key in chosen}, topics, wanted)
    ends = topics.ends(there)
    spans = {key: _span(key, positions[key], ends[key]) for key in sorted(there)}
    starts = [RevisionStart(span.topic_id, span.partition, 0, 0, trackers.revision) for span in spans.values()]
    rules = {trackers.revision: compile_rules(trackers, settings.document_types())}
    progress.begin(sum(span.end - span.first for span in spans.values()))
    with replayed_tables(settings.dsn) as replayed, Book() as book, registry_of(settings) as registry:
        rulings = Revisions(starts), Decoders(rules, decoders(settings, registry))
        reader = Reader(rulings, spans, {}, replayed)
        sources = Log(settings.kafka), reader, Recomputation(book, spans), book
        workers_run = (lambda: topics.members(settings.group) > 0) if execute else None
        return evaluate_again(spans, sources, replayed, selection, (progress.advance, workers_run))


def announce(settings: Settings, selection: Selection, progress: Progress, *, execute: bool) -> Replayed:
    """Announces stored milestones again; without `execute` only tells which.

    Raises:
        Fatal: another replay runs.
        MilestonesError: a server is away.
    """
    with ExitStack() as closing:
        closing.enter_context(replayed_tables(settings.dsn))
        publisher = late_publisher(settings) if execute else None
        if publisher is not None:
            closing.callback(publisher.close)
        with audited_tables(settings.dsn) as tables:
            _check_topic(selection, {key.topic for key in tables.positions()})
        _check_trackers(trackers_in_force(settings), selection, stored_trackers(settings.dsn))
        found = stored_milestones(settings.dsn, selection)
        now_us = time.time_ns() // 1_000
        output = settings.output.topic, announcer_of(settings) if execute else announcement
        return announce_again(found, publisher, output, now_us, progress.advance)


def _check_topic(selection: Selection, known: Set[str]) -> None:
    if selection.topic is not None and selection.topic not in known:
        raise ConfigError(f"--topic: nothing of {selection.topic!r} is stored; there are: {', '.join(sorted(known))}")


def _check_trackers(trackers: Trackers, selection: Selection, stored: Set[str] = frozenset()) -> None:
    known = {tracker.name for tracker in trackers.trackers} | stored
    for name in sorted((selection.trackers or frozenset()) - known):
        raise ConfigError(f"--tracker: there is no tracker {name!r}; there are: {', '.join(sorted(known)) or 'none'}")


def _span(key: Partition, row: StoredPosition, ends: LogEnds) -> Span:
    """All that is stored of a partition, from the first record that it still has."""
    first = min(ends.low, row.next_offset)
    return Span(key.topic, row.topic_id, key.partition, first, row.next_offset, row.next_offset, 0, whole=True)
