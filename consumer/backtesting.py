"""Rules tried on history: records decoded and matched for both sides, evaluated in memory, and compared."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from typing import Protocol

import msgspec

from consumer.core.audit import Expected, Span, unlike
from consumer.core.backtest import BOTH, NEW, NOW, Backtest, Sides, differences, side_by_side
from consumer.core.compiled import Rules
from consumer.core.events import ChangeEvent
from consumer.core.matching import Candidate, candidate_of
from consumer.core.milestones import Milestone
from consumer.core.records import Chunk, Partition
from consumer.errors import Fatal
from consumer.reading import DeadLetters, Decoder, Reading, batch_of
from consumer.recomputing import Memory, Recomputation


class Book(Memory, Protocol):
    """What one side's recomputation remembers."""

    def expected(self) -> Iterator[Expected]: ...


class Read(msgspec.Struct, frozen=True):
    """What some records came to: how many there were, how many cannot be read, and by side what may be milestones.

    `changed`: the document types with a change; `absent`: how many changes lacked a column, by (document type, column).
    """

    records: int
    unreadable: int
    readings: Mapping[str, Reading]
    unjudged: Counter[tuple[str, str]]
    changed: frozenset[str]
    absent: Counter[tuple[str, str]]


class SidesReader:
    """Decodes and matches for both sides.

    Args:
        decoders: one for each of the sides' readers.
        dead: of each partition; None where nobody decided anything.
    """

    def __init__(
        self,
        sides: Sides,
        decoders: Sequence[Decoder],
        spans: Mapping[Partition, Span],
        dead: Mapping[Partition, DeadLetters] | None,
    ) -> None:
        self._readers = [(decoder, parts) for decoder, (_, parts) in zip(decoders, sides.readers, strict=True)]
        self._spans, self._dead = spans, dead

    def read(self, chunk: Chunk) -> Read:
        """What records say.

        Raises:
            Fatal: the schema registry does not answer.
        """
        found: dict[str, list[tuple[Partition, str, Sequence[Candidate]]]] = {}
        unreadable, unjudged, absent = 0, Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        changed: set[str] = set()
        for key, records in chunk.items():
            span = self._spans[key]
            asked = records if self._dead is None else self._dead[key].undecided(records)
            batch = batch_of(span, asked)
            for decoder, parts in self._readers:
                decoded = decoder.decode(batch)
                if decoded.held:
                    raise Fatal(f"{decoded.held_because}; without it the input cannot be read: start again then")
                unreadable = max(unreadable, len(decoded.poison))
                changed.update(event.document_type for event in decoded.events)
                absent |= decoded.absent
                for side, rules in parts.items():
                    candidates = _candidates(decoded.events, rules)
                    found.setdefault(side, []).append((key, rules.revision, candidates))
                    if side != NOW:
                        unjudged.update(one for candidate in candidates for one in candidate.unjudged)
        readings = {side: Reading(0, some, [], []) for side, some in found.items()}
        count = sum(map(len, chunk.values()))
        return Read(count, unreadable, readings, unjudged, frozenset(changed), absent)


def _candidates(events: Iterable[ChangeEvent], rules: Rules) -> list[Candidate]:
    """As matching makes them, but of the fields of one side alone."""
    by_field = rules.by_field
    return [
        candidate_of(event, change, found)
        for event in events
        for change in event.fields
        if (found := by_field.get((event.document_type, change.track_field))) is not None
    ]


def backtest(
    reads: Iterable[Read],
    spans: Mapping[Partition, Span],
    new_book: Callable[[], AbstractContextManager[Book]],
    stored: Callable[[], Iterator[Milestone]] | None,
    steps: tuple[int, Callable[[int], None]],
) -> Backtest:
    """Evaluates what was read, and compares both sides.

    Args:
        stored: the milestones that are in the table, in order of their ids, instead of what the rules now would give.
        steps: how many differences of each kind to hold in full; called with the number of records just read.
    """
    shown, advance = steps
    report, began_s = Backtest(), time.monotonic()
    with new_book() as both, new_book() as now, new_book() as new:
        books = {BOTH: both, NOW: now, NEW: new}
        recomputations = {side: Recomputation(book, spans) for side, book in books.items()}
        for read in reads:
            report.records += read.records
            report.unreadable += read.unreadable
            report.note_unjudged(read.unjudged)
            report.changed |= read.changed
            report.absent += read.absent
            for side, reading in read.readings.items():
                recomputations[side].take(reading)
            advance(read.records)
        for recomputation in recomputations.values():
            recomputation.settle()
        topics = {(span.topic_id, span.partition): span.topic for span in spans.values()}
        alike = ((one.milestone, one) for one in both.expected())
        sides = side_by_side(_milestones(now) if stored is None else stored(), new.expected())
        for had, has in chain(alike, sides):
            one = has.milestone if has is not None else had
            if one is not None:
                topic = topics.get((one.origin_topic_id, one.origin_partition), one.origin_topic_id)
                detail = "" if had is None or has is None else _detail(had, has, stored=stored is not None)
                place = f"{topic}/{one.origin_partition}/{one.origin_offset}"
                report.take(had, None if has is None else one, shown, place, detail)
    report.seconds = time.monotonic() - began_s
    return report


def _detail(had: Milestone, has: Expected, *, stored: bool) -> str:
    """In what they differ. A stored one may rest on an order of partitions that nobody recorded."""
    return "; ".join(unlike(has, had)) if stored else differences(had, has.milestone)


def _milestones(book: Book) -> Iterator[Milestone]:
    return (expected.milestone for expected in book.expected())
