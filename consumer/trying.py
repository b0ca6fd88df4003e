"""Rules on records, in memory: nothing is stored, nothing is announced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from consumer.core.cases import Case, records_of
from consumer.core.compiled import Rules
from consumer.core.evaluation import BOTH_HALVES, Alias, AliasKey, Context, alias_keys, evaluate
from consumer.core.events import Decoded
from consumer.core.explaining import Known, explain
from consumer.core.matching import match
from consumer.core.milestones import Milestone
from consumer.core.records import Batch, Partition, Record, Span, offset_of, partition_of
from consumer.core.states import DocumentState, StateKey
from consumer.core.told import Told
from consumer.core.trackers import DocumentType


class Decoder(Protocol):
    """Bytes to change events, and what a record says in full."""

    def decode(self, batch: Batch) -> Decoded: ...
    def tell(self, record: Record, batch: Batch) -> Told: ...


class Tried(NamedTuple):
    """What one record came to: milestones, by tracker why it is none, and why it is poison."""

    milestones: Sequence[Milestone]
    against: Mapping[str, str]
    poison: Sequence[str]


class Trial:
    """Rules, and the documents as they stand after the records that were taken."""

    def __init__(self, rules: Rules, decoder: Decoder) -> None:
        self._rules, self._decoder = rules, decoder
        self._states: defaultdict[StateKey, DocumentState] = defaultdict(DocumentState)
        self._aliases: dict[AliasKey, Alias] = {}

    def take(self, record: Record) -> Tried:
        """Evaluates the next record."""
        key, offset = partition_of(record), offset_of(record)
        span = Span(key.topic, key.topic, key.partition, offset, offset, offset + 1)
        batch = Batch([record], {Partition(*key): span}, None)
        # Before the states change: an explanation looks at what the record meets.
        verdicts = explain(self._decoder.tell(record, batch), self._rules, Known(self._states))
        decoded = self._decoder.decode(batch)
        candidates = match(decoded.events, self._rules)
        seen = {alias: self._aliases[alias] for alias in alias_keys(candidates) if alias in self._aliases}
        halves = {alias: BOTH_HALVES if known.settled else known.first_half for alias, known in seen.items()}
        reached = evaluate(candidates, self._states, halves, Context(0, self._rules.revision, {}))
        for alias, made in reached.aliases.items():
            old = self._aliases.get(alias)
            self._aliases[alias] = made if old is None else Alias(alias, old.renamed_at, old.first_half, settled=True)
        against = {one.tracker: f"{one.reason}: {one.detail}" for one in verdicts if not one.reached}
        return Tried(reached.milestones, against, [letter.message for letter in decoded.poison])


def failures_of(case: Case, trial: Trial, described: DocumentType) -> list[str]:
    """In which changes a case is not as it is written; none if it holds."""
    failures: list[str] = []
    for number, (change, record) in enumerate(zip(case.changes, records_of(case, described), strict=True), 1):
        tried = trial.take(record)
        reached = {milestone.milestone_tracker: milestone.value for milestone in tried.milestones}
        place = f"change {number}"
        failures += [f"{place} cannot be read: {message}" for message in tried.poison]
        for tracker, value in change.reaches.items():
            if tracker not in reached:
                why = tried.against.get(tracker, "no tracker of this document type")
                failures.append(f"{place} does not reach {tracker!r}: {why}")
            elif value not in (None, reached[tracker]):
                failures.append(f"{place} reaches {tracker!r} with {reached[tracker]!r} instead of {value!r}")
        failures += [
            f"{place} reaches {tracker!r} with {value!r}, which is not expected"
            for tracker, value in reached.items()
            if tracker not in change.reaches
        ]
    return failures
