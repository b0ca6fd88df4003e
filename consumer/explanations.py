"""Explanations: what each record of a document was for each tracker, with the input evaluated again up to there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from consumer.core.audit import Span
from consumer.core.compiled import Rules
from consumer.core.events import Kind
from consumer.core.explaining import Known, Verdict, change_shown, explain
from consumer.core.matching import Candidate, match, state_keys
from consumer.core.records import Batch, Chunk, Partition, Record, offset_of
from consumer.core.states import DocumentState, StateKey
from consumer.core.told import DEAD_LETTER, Told
from consumer.reading import DeadLetters, Reading, batch_of
from consumer.recomputing import Recomputation


class Teller(Protocol):
    """Bytes to what they say, in full."""

    def tell(self, record: Record, batch: Batch) -> Told: ...


class Memory(Protocol):
    """What the recomputation remembers."""

    def states(self, keys: Iterable[StateKey]) -> dict[StateKey, DocumentState]: ...
    def recorded(self, ids: Sequence[str]) -> frozenset[str]: ...


class Wanted(NamedTuple):
    """A document, or (None) all of its type; or one record (`offset` of `partition`) and its document."""

    document_type: str
    name: str | None
    partition: Partition | None = None
    offset: int | None = None

    def takes(self, key: Partition, record: Record, told: Told) -> bool:
        """Whether a record is to be explained."""
        if self.offset is not None:
            return key == self.partition and offset_of(record) == self.offset
        if self.name is None:
            return told.document_type == self.document_type
        return told.is_of(self.document_type, self.name)


class Explained(msgspec.Struct, frozen=True):
    """One record: where it stands (`<topic>/<partition>/<offset>`), what it says, and what it was for each tracker.

    `at`: time of the change, µs since the epoch. `changes`: what it tells of tracked fields. `revision`: of the
    trackers that it was evaluated with. `evaluated`: whether a worker has been there yet. `poison`: why it cannot be
    read, or that it is a dead letter.
    """

    place: str
    kind: str
    document_type: str
    document: str
    revision: str
    evaluated: bool
    verdicts: Sequence[Verdict]
    at: int | None = None
    actor: str | None = None
    changes: Mapping[str, str] = {}
    poison: str = ""


class Explaining:
    """Reads the input in order, and explains what is wanted of it.

    Args:
        rulings: the trackers in force for an offset of a partition: their rules, and what reads records for them.
        dead: the offsets of dead letters, in order of the records asked for.
    """

    def __init__(
        self,
        wanted: Wanted,
        spans: Mapping[Partition, Span],
        rulings: Callable[[Span, int], tuple[Rules, Teller]],
        dead: Mapping[Partition, DeadLetters],
        memory: tuple[Memory, Recomputation],
    ) -> None:
        self._wanted, self._spans, self._rulings, self._dead = wanted, spans, rulings, dead
        self._memory, self._recomputation = memory
        self._seen_at: dict[str, str] = {}

    def take(self, chunk: Chunk) -> Iterator[Explained]:
        """What is wanted among some records."""
        for key, records in chunk.items():
            span = self._spans[key]
            batch = batch_of(span, records)
            dead = self._dead[key].among(records)
            for record in records:
                rules, teller = self._rulings(span, offset_of(record))
                told = teller.tell(record, batch)
                if offset_of(record) in dead:
                    told = msgspec.structs.replace(told, event=None, kind=DEAD_LETTER, poison=told.poison or _DECIDED)
                candidates = self._candidates(told, rules)
                if self._wanted.takes(key, record, told):
                    yield self._explained(span, offset_of(record), told, (rules, candidates))
                if candidates:
                    self._recomputation.take(Reading(1, [(key, rules.revision, candidates)], [], []))

    def _candidates(self, told: Told, rules: Rules) -> list[Candidate]:
        """Only of documents of the wanted type: no other moves their states."""
        event = told.event
        return [] if event is None or event.document_type != self._wanted.document_type else match([event], rules)

    def _explained(self, span: Span, offset: int, told: Told, found: tuple[Rules, Sequence[Candidate]]) -> Explained:
        rules, candidates = found
        place, event = f"{span.topic}/{span.partition}/{offset}", told.event
        self._recomputation.settle()
        verdicts = explain(told, rules, self._known(candidates))
        if event is not None:
            self._seen_at.setdefault(event.identity.text, place)
        return Explained(
            place=place,
            kind=told.kind,
            document_type=told.document_type,
            document=told.reference_name,
            revision=rules.revision,
            evaluated=offset < span.stored,
            verdicts=verdicts,
            at=told.at,
            actor=told.actor,
            changes={} if event is None or event.kind is Kind.DELETE else _changes(candidates),
            poison=told.poison,
        )

    def _known(self, candidates: Sequence[Candidate]) -> Known:
        states = self._memory.states(state_keys(candidates))
        ids = [id_ for one in candidates for id_ in one.ids.values()]
        return Known(states, self._memory.recorded(ids), self._seen_at)


_DECIDED = "it is a dead letter, and stays one until it is sent again"


def _changes(candidates: Sequence[Candidate]) -> dict[str, str]:
    return {one.change.track_field: change_shown(one.change) for one in candidates if one.change.after_known}
