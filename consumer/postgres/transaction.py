"""One store transaction: what a batch reads and writes between its compare-and-set and its COMMIT."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from psycopg.errors import UniqueViolation

from consumer.core.evaluation import Alias, AliasKey, Evaluation
from consumer.core.followed import FollowedTracker
from consumer.core.milestones import Milestone
from consumer.core.records import DeadLetter, Origin, Partition, Span
from consumer.core.states import DocumentState, StateKey
from consumer.errors import AlreadyRecorded, DocumentAppeared, MilestonesError, Superseded
from consumer.faults import fault_point
from consumer.postgres.arrays import array
from consumer.postgres.columns import alias_columns, key_columns, milestone_columns, origin_columns, state_columns
from consumer.postgres.connection import Connection, look_up
from consumer.postgres.sending import Sending
from consumer.postgres.statements import statements

_SQL = statements("store.sql")
_decode_occurrences = msgspec.json.Decoder(dict[str, int]).decode
_decode_names = msgspec.json.Decoder(tuple[str, ...]).decode


class StoreTransaction:
    """Steps in the order of the design; every one is a single statement for the whole batch.

    `recorded_at` is the transaction's time in µs since the epoch.
    """

    def __init__(self, connection: Connection, group: str, slot: int) -> None:
        self._connection = connection
        self._group, self._slot = group, slot
        self.recorded_at = 0
        self._revision: str | None = None
        self._locked: set[StateKey] = set()

    def move(self, spans: Mapping[Partition, Span]) -> None:
        """The compare-and-set.

        Raises:
            Superseded: a position is not where this worker left it.
        """
        moving = [span for _, span in sorted(spans.items())]
        rows = self._connection.execute(
            _SQL["move_positions"],
            {
                "consumer_group": self._group,
                "slot": self._slot,
                "topics": array([s.topic for s in moving]),
                "partitions": array([s.partition for s in moving]),
                "topic_ids": array([s.topic_id for s in moving]),
                "stored": array([s.stored for s in moving]),
                "new_offsets": array([s.stored_after for s in moving]),
                "published_offsets": array([s.confirmed for s in moving]),
                "last_offsets": array([_last(s)[0] for s in moving]),
                "last_timestamps": array([_last(s)[1] for s in moving]),
                "last_hashes": array([_last(s)[2] for s in moving]),
            },
        ).fetchall()
        if len(rows) != len(moving):
            raise Superseded("another instance stored these partitions; its work counts")
        if rows:
            self.recorded_at, self._revision = int(str(rows[0][0])), str(rows[0][1])

    def trackers(self, known_revision: str) -> tuple[str, str] | None:
        """Revision and trackers (JSON) in force, or None if they are those of `known_revision`."""
        if known_revision == self._revision:
            return None
        row = self._connection.execute(_SQL["current_trackers"], {"known_revision": known_revision}).fetchone()
        if row is None or row[1] is None:
            return None
        return str(row[0]), str(row[1])

    def record_revision_starts(self, revision: str, starts: Sequence[Origin]) -> None:
        """Notes where each partition was first evaluated with a revision."""
        if starts:
            self._connection.execute(
                _SQL["record_revision_starts"], {"revision": revision, **origin_columns(starts, "first_offsets")}
            )

    def document_states(self, keys: Iterable[StateKey]) -> dict[StateKey, DocumentState]:
        """The states of documents, locked until COMMIT; those of documents never seen are new, and nobody's.

        Names that a half-seen rename points to are followed.
        """
        states: dict[StateKey, DocumentState] = {}
        wanted: Collection[StateKey] = [*keys]
        while wanted:
            found = self._lock(wanted)
            self._locked |= found.keys()
            states |= {key: found.get(key) or DocumentState() for key in wanted}
            targets = {key._replace(reference_name=s.moved_to) for key, s in found.items() if s.moved_to is not None}
            wanted = targets - states.keys()
        return states

    def _lock(self, keys: Collection[StateKey]) -> dict[StateKey, DocumentState]:
        rows = look_up(self._connection, _SQL["lock_states"], key_columns(keys), binary=True)
        return {StateKey(*row[:3]): _state(row[3:]) for row in rows}

    def first_halves(self, keys: Sequence[AliasKey]) -> dict[AliasKey, str]:
        """For renames seen before: the half that was seen first, or `both`."""
        if not keys:
            return {}
        rows = look_up(self._connection, _SQL["known_aliases"], alias_columns(keys))
        return {AliasKey(*row[:4]): row[4] for row in rows}

    def follow(self, trackers: Sequence[FollowedTracker]) -> Sequence[str]:
        """Takes trackers of the stream on; returns those that others of the same name keep out."""
        if not trackers:
            return ()
        gone = [tracker.name for tracker in trackers if not tracker.document_type]
        there = [tracker for tracker in trackers if tracker.document_type]
        self._connection.execute(_SQL["forget_followed"], {"names": array(gone)})
        self._connection.execute(
            _SQL["follow_trackers"],
            {
                "names": array([tracker.name for tracker in there]),
                "types": array([tracker.document_type for tracker in there]),
                "fields": array([tracker.track_field for tracker in there]),
                "disabled": array([tracker.disabled for tracker in there]),
            },
        )
        names = array([tracker.name for tracker in trackers])
        rows: list[Any] = self._connection.execute(_SQL["outranked_followed"], {"names": names}).fetchall()
        return [row[0] for row in rows]

    def record(self, evaluation: Evaluation, dead_letters: Sequence[DeadLetter]) -> None:
        """Writes what a batch gave. After an error nothing of this transaction may be committed.

        Raises:
            DocumentAppeared: another worker stored a document's first change meanwhile.
            AlreadyRecorded: some milestones were not inserted.
        """
        fault_point("evaluated")
        milestones, aliases = evaluation.milestones, evaluation.aliases
        try:
            with Sending(self._connection) as send:
                # First: whoever adds a document's state goes on alone with its milestones.
                self._save_states(evaluation.changed, send)
                inserted = send(_SQL["record_milestones"], milestone_columns(milestones)) if milestones else None
                if aliases:
                    _record_aliases(list(aliases.values()), send)
                if dead_letters:
                    _record_dead_letters(dead_letters, send)
        except UniqueViolation as error:
            known = self._meaning_of(error, milestones)
            if known is None:
                raise
            raise known from error
        if inserted is not None and inserted.rowcount < len(milestones):
            raise self._already_recorded(milestones)
        fault_point("inserted")

    def _save_states(self, states: Mapping[StateKey, DocumentState], send: Sending) -> None:
        new = {key: state for key, state in states.items() if key not in self._locked}
        if new:
            send(_SQL["add_states"], state_columns(new))
        if len(new) < len(states):
            there = {key: state for key, state in states.items() if key in self._locked} if new else states
            send(_SQL["change_states"], state_columns(there))

    def _meaning_of(self, error: UniqueViolation, milestones: Sequence[Milestone]) -> MilestonesError | None:
        """What was there before: a document's state, or milestones; None for anything else."""
        if error.diag.constraint_name == "document_state_pkey":
            return DocumentAppeared()
        if error.diag.constraint_name == "milestone_pkey":
            self._connection.rollback()
            return self._already_recorded(milestones)
        return None

    def _already_recorded(self, milestones: Sequence[Milestone]) -> AlreadyRecorded:
        ids = array([milestone.id for milestone in milestones])
        rows = look_up(self._connection, _SQL["recorded_before"], {"ids": ids})
        return AlreadyRecorded(frozenset(str(row[0]) for row in rows))


def _record_aliases(aliases: Sequence[Alias], send: Sending) -> None:
    send(
        _SQL["record_aliases"],
        {
            **alias_columns([a.key for a in aliases]),
            "renamed_at": array([a.renamed_at for a in aliases]),
            "first_halves": array([a.first_half for a in aliases]),
            "settled": array([a.settled for a in aliases]),
        },
    )


def _record_dead_letters(letters: Sequence[DeadLetter], send: Sending) -> None:
    send(
        _SQL["record_dead_letters"],
        {
            **origin_columns([letter.origin for letter in letters], "offsets"),
            "error_classes": array([letter.error_class for letter in letters]),
            "messages": array([letter.message for letter in letters]),
            "fields": array([letter.field for letter in letters]),
        },
    )


def _last(span: Span) -> tuple[int | None, int | None, int | None]:
    """The last record, if this span is what brings `stored` there."""
    if span.last is None or span.last.offset < span.stored:
        return None, None, None
    return span.last


def _state(row: Any) -> DocumentState:
    known, value, since, ended_at, occurrences, recent, transactions, moved_to, *last = row
    topic_id, partition, offset, within = last
    origin = Origin(topic_id, partition, offset) if topic_id else None
    counts = {} if occurrences == "{}" else _decode_occurrences(occurrences)
    inside = () if within == "[]" else _decode_names(within)
    return DocumentState(known, value, since, ended_at, counts, recent, transactions, moved_to, origin, inside)
