"""Audits: the input read again, what it gives, and how that differs from the tables and the output topic.

Memory does not grow with the stream: what is remembered goes into a scratch file, and both sides are compared in order
of the milestones' ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from consumer.announcements import Heard, Scope, by_id, digest_of
from consumer.core.audit import (
    Announced,
    Behind,
    Difference,
    Expected,
    Kind,
    Repair,
    Report,
    SilentRow,
    Span,
    Told,
    is_certain,
    unlike,
)
from consumer.core.milestones import Milestone, announced_value
from consumer.core.states import StateKey
from consumer.reading import Reading, Revisions
from consumer.recomputing import Recomputation

SHOWN = 1_000
"""Differences that a report holds in full."""

_END = ("~", None)
"""Behind all ids."""
_OF_A_STATE = "rests on a state that the audited records do not tell"


class Tables(Protocol):
    """PostgreSQL at one moment."""

    def milestones(self, topic_ids: Sequence[str]) -> Iterator[Milestone]: ...
    def deleted(self, ids: Sequence[str]) -> set[str]: ...
    def silent(self, topic_ids: Sequence[str]) -> Iterator[SilentRow]: ...


class Book(Protocol):
    """What an audit remembers beside what its recomputation does."""

    def announce(self, events: Iterable[Told]) -> None: ...
    def behind(self) -> Iterator[Behind]: ...
    def expected(self) -> Iterator[Expected]: ...
    def announced(self) -> Iterator[tuple[str, Announced]]: ...
    def is_loose(self, milestone: Milestone) -> bool: ...
    def loosen(self, keys: Iterable[StateKey]) -> None: ...
    def note_repairs(self, repairs: Iterable[tuple[Repair, Milestone]]) -> None: ...


class Audit:
    """One audit.

    Args:
        progress: called with the number of records read since the last call.
    """

    def __init__(
        self,
        scope: Scope,
        tables: Tables,
        book: Book,
        parts: tuple[Iterable[Reading | Heard], Revisions, Recomputation],
        progress: Callable[[int], None],
    ) -> None:
        self._scope, self._tables, self._book, self._progress = scope, tables, book, progress
        self._pieces, self._revisions, self._recomputation = parts
        self._by_id = by_id(scope.spans)
        self._report = Report()
        self._told_from_us = scope.told_from_us

    def run(self) -> Report:
        """Reads everything and compares.

        Raises:
            MilestonesError: a server does not answer, or refuses.
        """
        self._check_watermarks()
        for piece in self._pieces:
            if isinstance(piece, Reading):
                self._take(piece)
            else:
                self._hear(piece)
            self._progress(piece.records)
        self._recomputation.settle()
        if self._scope.exactly_once:
            self._check_order()
        self._compare()
        return self._report

    def _differs(self, kind: Kind, place: str, about: str, detail: str = "", id_: str | None = None) -> None:
        self._report.add(Difference(kind, place, about, detail, id_), SHOWN)

    def _is_wrong(self, kind: Kind, milestone: Milestone, detail: str = "", place: str | None = None) -> None:
        """A difference of a milestone; it stands where its record does, if no other place is said."""
        m = milestone
        if place is None:
            span = self._by_id[m.origin_topic_id, m.origin_partition]
            place = f"{span.topic}/{span.partition}/{m.origin_offset}"
        about = f"{m.reference_type} {m.reference_name}: {m.track_field} reached {m.value!r} ({m.milestone_tracker})"
        self._differs(kind, place, about, detail, m.id)

    def _check_watermarks(self) -> None:
        for key, span in sorted(self._scope.spans.items()):
            if span.published > span.stored:
                place = f"{key.topic}/{key.partition}/{span.stored}"
                detail = f"published up to {span.published}, stored up to {span.stored}: was PostgreSQL restored?"
                self._differs(Kind.WATERMARK, place, "the positions", detail)

    def _take(self, reading: Reading) -> None:
        self._report.records += reading.records
        self._recomputation.take(reading)
        for letter in reading.poison:
            place = f"{letter.topic}/{letter.origin.partition}/{letter.origin.offset}"
            self._differs(Kind.DEAD_LETTER_MISSING, place, letter.error_class, letter.message)
        for key, offset in reading.unproven:
            place, detail = f"{key.topic}/{key.partition}/{offset}", "the log holds another one than was stored"
            self._differs(Kind.WATERMARK, place, "the last record", detail)

    def _hear(self, heard: Heard) -> None:
        self._report.announced += len(heard.told)
        self._told_from_us = max(self._told_from_us, heard.from_us)
        self._book.announce(heard.told)

    def _check_order(self) -> None:
        """Announcements of one document from one partition come in order of its offsets, but for late ones."""
        for one in self._book.behind():
            if not one.repaired:
                about, detail = f"{one.reference_type} {one.reference_name}", f"behind that of offset {one.behind}"
                self._differs(Kind.OUT_OF_ORDER, one.place, about, detail, one.id)

    def _compare(self) -> None:
        """One pass over what is expected, stored and announced, side by side in order of the ids."""
        topic_ids = sorted({span.topic_id for span in self._scope.spans.values()})
        self._book.loosen(self._counted_by_a_replay(topic_ids))
        expected = ((one.milestone.id, one) for one in self._book.expected())
        stored = ((one.id, one) for one in self._tables.milestones(topic_ids))
        absent: list[tuple[str, Expected | None, Announced | None]] = []
        for id_, (wanted, found, announced) in side_by_side(expected, stored, self._book.announced()):
            self._report.expected += wanted is not None
            if found is not None:
                self._stored(wanted, found, announced)
                continue
            absent.append((id_, wanted, announced))
            if len(absent) == SHOWN:
                self._absent(absent)
                absent.clear()
        self._absent(absent)

    def _counted_by_a_replay(self, topic_ids: Sequence[str]) -> Iterator[StateKey]:
        """Fields of documents in which later milestones went on counting behind what a replay wrote: where the workers
        stood then, nobody recorded."""
        for row in self._tables.silent(topic_ids):
            if row.revision != self._revisions.at(row.topic_id, row.partition, row.offset):
                yield StateKey(row.reference_type, row.reference_name, row.track_field)

    def _stored(self, wanted: Expected | None, found: Milestone, announced: Announced | None) -> None:
        span = self._by_id.get((found.origin_topic_id, found.origin_partition))
        beyond = span is not None and found.origin_offset >= span.stored
        if span is None or (wanted is None and not beyond and not span.holds(found.origin_offset)):
            return
        self._report.found += 1
        if beyond:
            self._is_wrong(Kind.BEYOND, found, f"stored up to {span.stored}")
        elif wanted is None:
            self._extra(span, found)
        elif wrong := unlike(wanted, found):
            self._is_wrong(Kind.DIFFERENT, found, "; ".join(wrong))
        if span.holds(found.origin_offset):
            self._check_announcement(span, wanted, found, announced)

    def _extra(self, span: Span, found: Milestone) -> None:
        found_at = (found.origin_topic_id, found.origin_partition, found.origin_offset)
        if found.silent and found.tracker_revision != self._revisions.at(*found_at):
            self._report.untold["written by a replay"] += 1
        elif found.from_value_known != "observed" and (not span.whole or self._book.is_loose(found)):
            self._report.untold[_OF_A_STATE] += 1
        else:
            self._is_wrong(Kind.EXTRA, found, "the input does not give it")

    def _check_announcement(
        self, span: Span, wanted: Expected | None, found: Milestone, announced: Announced | None
    ) -> None:
        if announced is None:
            if not found.announce or found.silent or found.origin_offset >= span.published:
                return
            if found.recorded_at < self._told_from_us:
                self._report.untold["announced before what the output topic still has"] += 1
            else:
                self._is_wrong(Kind.NOT_ANNOUNCED, found)
                if wanted is not None:
                    self._may_repair(Repair.ANNOUNCE, found)
        elif announced.times > 1 and self._scope.exactly_once:
            self._is_wrong(Kind.DOUBLED, found, f"{announced.times} times", announced.place)
        elif not found.silent and announced.digest != digest_of(announced_value(found)):
            self._is_wrong(Kind.ANNOUNCED_DIFFERENT, found, "not as the stored row says", announced.place)

    def _absent(self, some: Sequence[tuple[str, Expected | None, Announced | None]]) -> None:
        """Milestones that are not in the table, unless somebody deleted them there."""
        deleted = self._tables.deleted([id_ for id_, _, _ in some])
        for id_, wanted, announced in some:
            if id_ in deleted:
                self._report.untold["deleted by hand"] += 1
                continue
            if wanted is not None:
                self._missing(wanted, announced)
            if announced is not None:
                self._differs(Kind.NOT_STORED, announced.place, id_, id_=id_)

    def _missing(self, wanted: Expected, announced: Announced | None) -> None:
        milestone = wanted.milestone
        span = self._by_id[milestone.origin_topic_id, milestone.origin_partition]
        if not is_certain(wanted):
            self._report.untold[_OF_A_STATE] += 1
            return
        self._is_wrong(Kind.MISSING, milestone)
        if announced is not None or not milestone.announce or milestone.origin_offset >= span.published:
            self._may_repair(Repair.WRITE, msgspec.structs.replace(milestone, silent=announced is not None))
        else:
            self._may_repair(Repair.WRITE_AND_ANNOUNCE, milestone)

    def _may_repair(self, what: Repair, milestone: Milestone) -> None:
        self._report.repairs[what.value] += 1
        self._book.note_repairs([(what, milestone)])


def side_by_side(
    expected: Iterator[tuple[str, Expected]],
    stored: Iterator[tuple[str, Milestone]],
    announced: Iterator[tuple[str, Announced]],
) -> Iterator[tuple[str, tuple[Expected | None, Milestone | None, Announced | None]]]:
    """Three streams in order of their ids as one: what each has of every id."""
    one, two, three = next(expected, _END), next(stored, _END), next(announced, _END)
    while (id_ := min(one[0], two[0], three[0])) != _END[0]:
        wanted = found = told = None
        if one[0] == id_:
            wanted, one = one[1], next(expected, _END)
        if two[0] == id_:
            found, two = two[1], next(stored, _END)
        if three[0] == id_:
            told, three = three[1], next(announced, _END)
        yield id_, (wanted, found, told)
