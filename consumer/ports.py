"""What a batch needs of the world: PostgreSQL, Kafka, a decoder, the trackers. `app.py` says who provides it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from consumer.core.compiled import Rules
from consumer.core.evaluation import AliasKey, Evaluation
from consumer.core.events import Decoded
from consumer.core.matching import StateKey
from consumer.core.milestones import Event, Milestone
from consumer.core.records import Batch, DeadLetter, Origin, Partition, Span
from consumer.core.states import DocumentState


class StoreTransaction(Protocol):
    """What a batch says to PostgreSQL between the compare-and-set and COMMIT."""

    @property
    def recorded_at(self) -> int: ...
    def trackers(self, known_revision: str) -> tuple[str, str] | None: ...
    def record_revision_starts(self, revision: str, starts: Sequence[Origin]) -> None: ...
    def document_states(self, keys: Iterable[StateKey]) -> dict[StateKey, DocumentState]: ...
    def first_halves(self, keys: Sequence[AliasKey]) -> dict[AliasKey, str]: ...
    def record(self, evaluation: Evaluation, dead_letters: Sequence[DeadLetter]) -> None: ...


class Store(Protocol):
    """PostgreSQL."""

    def connect(self) -> None: ...
    def transaction(self, spans: Mapping[Partition, Span]) -> AbstractContextManager[StoreTransaction]: ...
    def stored_verdicts(self, spans: Mapping[Partition, Span]) -> tuple[list[Milestone], list[DeadLetter]]: ...


class Outbox(Protocol):
    """An open publish transaction."""

    def publish(self, topic: str, event: Event) -> None: ...


class Publisher(Protocol):
    """Kafka. `prepare` ends what a former life of this worker left open; before that nobody can tell `published`."""

    def prepare(self) -> None: ...
    def transaction(self, batch: Batch) -> AbstractContextManager[Outbox]: ...


class Decoder(Protocol):
    """Bytes to change events, under one revision of the trackers."""

    def decode(self, batch: Batch) -> Decoded: ...


class RulesInForce(Protocol):
    """The trackers that this worker matches with.

    `learn` takes on a revision (id and JSON) and tells whether it is in force now; `starts` are the partitions of a
    batch that were not stored with this revision before, `began` notes that they now are. What the database may have
    lost is forgotten with `forget_starts`.
    """

    @property
    def rules(self) -> Rules: ...
    def decoder_for(self, rules: Rules) -> Decoder: ...
    def learn(self, revision: str, trackers: str) -> bool: ...
    def starts(self, revision: str, spans: Mapping[Partition, Span]) -> Sequence[Origin]: ...
    def began(self, revision: str, starts: Sequence[Origin]) -> None: ...
    def forget_starts(self) -> None: ...
