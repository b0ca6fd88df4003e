"""Rules on records, in memory: nothing is stored, nothing is announced."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from consumer.core.cases import Case, records_of
from consumer.core.compiled import Rules
from consumer.core.evaluation import BOTH_HALVES, Alias, AliasKey, Context, alias_keys, evaluate
from consumer.core.events import Decoded
from consumer.core.matching import StateKey, match
from consumer.core.milestones import Milestone
from consumer.core.records import Batch, Partition, Record, Span, offset_of, partition_of
from consumer.core.states import DocumentState
from consumer.core.trackers import DocumentType


class Decoder(Protocol):
    """Bytes to change events."""

    def decode(self, batch: Batch) -> Decoded: ...


class Tried(NamedTuple):
    """What one record came to: milestones, why rules could not tell (by tracker and reason), and why it is poison."""

    milestones: Sequence[Milestone]
    unjudged: Counter[tuple[str, str]]
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
        decoded = self._decoder.decode(Batch([record], {Partition(*key): span}, None))
        candidates = match(decoded.events, self._rules)
        seen = {alias: self._aliases[alias] for alias in alias_keys(candidates) if alias in self._aliases}
        halves = {alias: BOTH_HALVES if known.settled else known.first_half for alias, known in seen.items()}
        reached = evaluate(candidates, self._states, halves, Context(0, self._rules.revision, {}))
        for alias, made in reached.aliases.items():
            old = self._aliases.get(alias)
            self._aliases[alias] = made if old is None else Alias(alias, old.renamed_at, old.first_half, settled=True)
        return Tried(reached.milestones, reached.unjudged, [letter.message for letter in decoded.poison])


def failures_of(case: Case, trial: Trial, described: DocumentType) -> list[str]:
    """In which changes a case is not as it is written; none if it holds."""
    failures: list[str] = []
    for number, (change, record) in enumerate(zip(case.changes, records_of(case, described), strict=True), 1):
        tried = trial.take(record)
        reached = {milestone.milestone_tracker: milestone.value for milestone in tried.milestones}
        reasons = dict(tried.unjudged.keys())
        place = f"change {number}"
        failures += [f"{place} cannot be read: {message}" for message in tried.poison]
        for tracker, value in change.reaches.items():
            if tracker not in reached:
                why = f" ({reasons[tracker]})" if tracker in reasons else ""
                failures.append(f"{place} does not reach {tracker!r}{why}")
            elif value not in (None, reached[tracker]):
                failures.append(f"{place} reaches {tracker!r} with {reached[tracker]!r} instead of {value!r}")
        failures += [
            f"{place} reaches {tracker!r} with {value!r}, which is not expected"
            for tracker, value in reached.items()
            if tracker not in change.reaches
        ]
    return failures
