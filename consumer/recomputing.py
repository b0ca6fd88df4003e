"""What the input gives, computed again as a pure function: from what records say to the milestones they make."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from consumer.core.audit import Span
from consumer.core.evaluation import Alias, AliasKey, Context, Evaluation, alias_keys, evaluate
from consumer.core.matching import Candidate, state_keys
from consumer.core.milestones import Milestone
from consumer.core.records import Partition
from consumer.core.states import DocumentState, StateKey
from consumer.reading import Reading

_CANDIDATES_AT_ONCE = 2_000


class Memory(Protocol):
    """What a recomputation remembers."""

    def states(self, keys: Iterable[StateKey]) -> dict[StateKey, DocumentState]: ...
    def first_halves(self, keys: Iterable[AliasKey]) -> dict[AliasKey, str]: ...
    def recorded(self, ids: Sequence[str]) -> frozenset[str]: ...
    def save(self, states: Mapping[StateKey, DocumentState], partition: Partition) -> None: ...
    def link(self, names: Iterable[tuple[StateKey, StateKey]]) -> None: ...
    def save_aliases(self, aliases: Mapping[AliasKey, Alias]) -> None: ...
    def expect(self, milestones: Iterable[tuple[Milestone, bool, bool]]) -> None: ...


class Recomputation:
    """Evaluates what was read, in order, and remembers what it gives."""

    def __init__(self, memory: Memory, spans: Mapping[Partition, Span]) -> None:
        self._memory, self._spans = memory, spans
        self._waiting: defaultdict[tuple[Partition, str], list[Candidate]] = defaultdict(list)

    def take(self, reading: Reading) -> None:
        """Evaluates what records say, once it is enough to go through the memory for."""
        for key, revision, candidates in reading.candidates:
            self._waiting[key, revision] += candidates
        if sum(map(len, self._waiting.values())) >= _CANDIDATES_AT_ONCE:
            self.settle()

    def settle(self) -> None:
        """Evaluates what was taken and is not evaluated yet."""
        for (key, revision), candidates in self._waiting.items():
            self._evaluate(key, revision, candidates)
        self._waiting.clear()

    def _evaluate(self, key: Partition, revision: str, candidates: Sequence[Candidate]) -> None:
        reached = self._evaluated(candidates, revision)
        self._memory.save(reached.changed, key)
        self._memory.link((one.key, one.other_key) for one in candidates if one.other_key is not None)
        self._memory.save_aliases(reached.aliases)
        began_before = not self._spans[key].whole
        self._memory.expect((one, began_before, one.id in reached.resting) for one in reached.milestones)

    def _evaluated(self, candidates: Sequence[Candidate], revision: str) -> Evaluation:
        """As a store transaction does it: what was recorded before is a duplicate, however long ago."""
        recorded: frozenset[str] = frozenset()
        while True:
            states = self._memory.states(state_keys(candidates))
            halves = self._memory.first_halves(alias_keys(candidates))
            reached = evaluate(candidates, states, halves, Context(0, revision, {}, recorded))
            again = self._memory.recorded(list(reached.ids)) - recorded
            if not again:
                return reached
            recorded |= again
