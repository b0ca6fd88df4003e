"""A store in memory that keeps the promises of `ports.Store`; `test_contract.py` holds it and the real one to them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import msgspec

from consumer.core.evaluation import BOTH_HALVES, Alias, AliasKey, Evaluation
from consumer.core.followed import FollowedTracker
from consumer.core.milestones import Milestone
from consumer.core.positions import StoredPosition
from consumer.core.records import DeadLetter, Origin, Partition, Span
from consumer.core.states import DocumentState, StateKey
from consumer.core.trackers import Rule, Tracker
from consumer.errors import AlreadyRecorded, Superseded

NOW_US = 1_795_377_900_000_000


@dataclass
class Tables:
    """What is committed."""

    positions: dict[Partition, StoredPosition] = field(default_factory=dict)
    milestones: dict[str, Milestone] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    states: dict[StateKey, DocumentState] = field(default_factory=dict)
    aliases: dict[AliasKey, Alias] = field(default_factory=dict)
    letters: dict[Origin, DeadLetter] = field(default_factory=dict)
    starts: dict[tuple[str, str, int], int] = field(default_factory=dict)
    revision: str = field(default_factory=lambda: str(uuid4()))
    trackers: tuple[Tracker, ...] = ()

    def follow(self, *trackers: Tracker) -> None:
        """Commits a new revision."""
        self.revision, self.trackers = str(uuid4()), trackers


class Database:
    """What several stores share; `tables` is replaced whole by each commit."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.fails_at_commit: BaseException | None = None


class MemoryStore:
    """One worker's store."""

    def __init__(self, database: Database, group: str = "milestones") -> None:
        self._database = database
        self._group = group

    def connect(self) -> None:
        """Memory is always there."""

    def positions(self, partitions: Sequence[Partition]) -> dict[Partition, StoredPosition]:
        held = self._database.tables.positions
        return {key: held[key] for key in partitions if key in held}

    def create_positions(self, spans: Sequence[Span]) -> None:
        for s in spans:
            row = StoredPosition(s.topic_id, self._group, s.stored, s.published, None)
            self._database.tables.positions.setdefault(Partition(s.topic, s.partition), row)

    @contextmanager
    def transaction(self, spans: Mapping[Partition, Span]) -> Iterator[MemoryTransaction]:
        draft = copy.deepcopy(self._database.tables)
        transaction = MemoryTransaction(draft)
        transaction.move(self._group, spans)
        yield transaction
        failure, self._database.fails_at_commit = self._database.fails_at_commit, None
        if failure is not None:
            raise failure
        self._database.tables = draft

    def stored_verdicts(self, spans: Mapping[Partition, Span]) -> tuple[list[Milestone], list[DeadLetter]]:
        tables = self._database.tables
        todo = {key: span for key, span in spans.items() if span.stored_before}
        for key, span in todo.items():
            held = tables.positions.get(key)
            if held is None or held.next_offset != span.stored_after:
                raise Superseded("not what was stored")
        wanted = {Origin(s.topic_id, s.partition, offset) for s in todo.values() for offset in s.stored_before}
        rows = [
            m
            for m in tables.milestones.values()
            if Origin(m.origin_topic_id, m.origin_partition, m.origin_offset) in wanted and m.announce and not m.silent
        ]
        rows.sort(key=lambda m: (m.origin_partition, m.origin_offset, m.id))
        return rows, [tables.letters[origin] for origin in sorted(wanted & tables.letters.keys())]


class MemoryTransaction:
    """Works on a draft that becomes the tables at COMMIT."""

    def __init__(self, draft: Tables) -> None:
        self._draft = draft
        self.recorded_at = NOW_US

    def move(self, group: str, spans: Mapping[Partition, Span]) -> None:
        for key, span in spans.items():
            held = self._draft.positions.get(key)
            if held is None or held[:3] != (span.topic_id, group, span.stored):
                raise Superseded("another instance was here")
            fresh = span.last if span.last is not None and span.last.offset >= span.stored else held.last
            self._draft.positions[key] = StoredPosition(span.topic_id, group, span.stored_after, span.confirmed, fresh)

    def trackers(self, known_revision: str) -> tuple[str, str] | None:
        draft = self._draft
        if draft.revision == known_revision:
            return None
        return draft.revision, msgspec.json.encode(draft.trackers).decode()

    def record_revision_starts(self, revision: str, starts: Sequence[Origin]) -> None:
        for topic_id, partition, offset in starts:
            self._draft.starts.setdefault((revision, topic_id, partition), offset)

    def document_states(self, keys: Iterable[StateKey]) -> dict[StateKey, DocumentState]:
        found: dict[StateKey, DocumentState] = {}
        wanted = list(keys)
        while wanted:
            key = wanted.pop()
            state = found[key] = copy.deepcopy(self._draft.states.get(key, DocumentState()))
            if state.moved_to is not None and (target := key._replace(reference_name=state.moved_to)) not in found:
                wanted.append(target)
        return found

    def first_halves(self, keys: Sequence[AliasKey]) -> dict[AliasKey, str]:
        known = {key: self._draft.aliases[key] for key in keys if key in self._draft.aliases}
        return {key: BOTH_HALVES if alias.settled else alias.first_half for key, alias in known.items()}

    def record(self, evaluation: Evaluation, dead_letters: Sequence[DeadLetter]) -> None:
        draft = self._draft
        taken = {m.id for m in evaluation.milestones} & (draft.milestones.keys() | draft.deleted)
        if taken:
            raise AlreadyRecorded(frozenset(taken))
        draft.milestones |= {m.id: m for m in evaluation.milestones}
        draft.states |= copy.deepcopy(evaluation.changed)
        for key, alias in evaluation.aliases.items():
            old = draft.aliases.get(key)
            draft.aliases[key] = alias if old is None else msgspec.structs.replace(old, settled=True)
        for letter in dead_letters:
            draft.letters.setdefault(letter.origin, letter)

    def follow(self, trackers: Sequence[FollowedTracker]) -> Sequence[str]:
        if not trackers:
            return ()
        there = {tracker.name: tracker for tracker in self._draft.trackers}
        outranked = []
        for said in trackers:
            known = there.get(said.name)
            if known is not None and known.managed_by != "frappe":
                outranked.append(said.name)
            elif said.document_type:
                there[said.name] = self._followed(said, there)
            else:
                there.pop(said.name, None)
        wanted = tuple(there[name] for name in sorted(there))
        if wanted != self._draft.trackers:
            self._draft.follow(*wanted)
        return sorted(outranked)

    def _followed(self, said: FollowedTracker, there: Mapping[str, Tracker]) -> Tracker:
        field = (said.document_type, said.track_field)
        alike = [
            there[name].rule
            for name in sorted(there)
            if (there[name].document_type, there[name].track_field) == field and name != said.name
        ]
        rule = Rule(encoding=alike[0].encoding, scale=alike[0].scale, filled=alike[0].filled) if alike else Rule()
        return Tracker(
            name=said.name,
            document_type=said.document_type,
            track_field=said.track_field,
            rule=rule,
            disabled=said.disabled,
            managed_by="frappe",
        )
