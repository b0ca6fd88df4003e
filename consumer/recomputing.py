"""What the input gives, computed again as a pure function: the same decoding, matching and evaluation as a worker's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Protocol

from consumer.core.audit import RevisionStart, Span
from consumer.core.evaluation import Alias, AliasKey, Context, Evaluation, alias_keys, evaluate
from consumer.core.events import Decoded
from consumer.core.matching import Candidate, StateKey, match, state_keys
from consumer.core.milestones import Milestone
from consumer.core.records import Batch, Chunk, DeadLetter, Partition, Record, offset_of, place_of
from consumer.core.records import Span as BatchSpan
from consumer.core.states import DocumentState
from consumer.core.trackers import Rules
from consumer.errors import Fatal

_OFFSETS_AT_ONCE = 20_000
_CANDIDATES_AT_ONCE = 2_000


class Decoder(Protocol):
    """Bytes to change events."""

    def decode(self, batch: Batch) -> Decoded: ...


class Verdicts(Protocol):
    """Dead letters, which stay what they are."""

    def dead_letters(self, topic_id: str, partition: int, first: int, last: int) -> set[int]: ...


class Memory(Protocol):
    """What a recomputation remembers."""

    def states(self, keys: Iterable[StateKey]) -> dict[StateKey, DocumentState]: ...
    def first_halves(self, keys: Iterable[AliasKey]) -> dict[AliasKey, str]: ...
    def recorded(self, ids: Sequence[str]) -> frozenset[str]: ...
    def save(self, states: Mapping[StateKey, DocumentState], partition: Partition) -> None: ...
    def link(self, names: Iterable[tuple[StateKey, StateKey]]) -> None: ...
    def save_aliases(self, aliases: Mapping[AliasKey, Alias]) -> None: ...
    def expect(self, milestones: Iterable[tuple[Milestone, bool]]) -> None: ...


class Ruling:
    """Which rules were in force where.

    Args:
        rules: the rules of each revision.
        decoder_for: makes a decoder for rules.
    """

    def __init__(
        self, starts: Iterable[RevisionStart], rules: Mapping[str, Rules], decoder_for: Callable[[Rules], Decoder]
    ) -> None:
        self._starts: defaultdict[tuple[str, int], list[RevisionStart]] = defaultdict(list)
        for start in sorted(starts, key=lambda one: (one.first_offset, one.number)):
            self._starts[start.topic_id, start.partition].append(start)
        self._rules, self._decoder_for = rules, decoder_for
        self._decoders: dict[str, tuple[Rules, Decoder]] = {}

    def first_offset(self, topic_id: str, partition: int) -> int | None:
        """Where the evaluation of a partition began; None where it never did."""
        starts = self._starts.get((topic_id, partition))
        return starts[0].first_offset if starts else None

    def evaluated(self) -> Set[tuple[str, int]]:
        """The topic ids and partitions that were ever evaluated."""
        return self._starts.keys()

    def at(self, topic_id: str, partition: int, offset: int) -> str | None:
        """The revision that was in force for a record."""
        starts = self._starts.get((topic_id, partition), [])
        return next((start.revision for start in reversed(starts) if start.first_offset <= offset), None)

    def split(self, span: Span, records: Sequence[Record]) -> Iterable[tuple[str, Sequence[Record]]]:
        """A partition's records in their order, by the revision that was in force for them."""
        starts = self._starts.get((span.topic_id, span.partition), [])
        places = [place_of(records, start.first_offset) for start in starts[1:]]
        for start, first, end in zip(starts, [0, *places], [*places, len(records)], strict=False):
            if first < end:
                yield start.revision, records[first:end]

    def in_force(self, revision: str) -> tuple[Rules, Decoder]:
        """The rules of a revision, and a decoder made for them."""
        made = self._decoders.get(revision)
        if made is None:
            rules = self._rules[revision]
            made = self._decoders[revision] = rules, self._decoder_for(rules)
        return made


class Recomputation:
    """Evaluates records in order, and remembers what they give. Dead letters are left out: what was decided stays."""

    def __init__(self, ruling: Ruling, memory: Memory, spans: Mapping[Partition, Span], verdicts: Verdicts) -> None:
        self.ruling, self._memory, self._spans = ruling, memory, spans
        self._verdicts = {key: _Ahead(span, verdicts) for key, span in spans.items()}
        self._waiting: defaultdict[tuple[Partition, str], list[Candidate]] = defaultdict(list)

    def take(self, chunk: Chunk) -> list[DeadLetter]:
        """Decodes records, and evaluates what they say once it is enough to go through the memory for.

        Returns:
            Those that must be dead letters, and are not.

        Raises:
            Fatal: the schema registry does not answer.
        """
        poison: list[DeadLetter] = []
        for key, records in chunk.items():
            undecided = self._verdicts[key].undecided(records)
            for revision, alike in self.ruling.split(self._spans[key], undecided):
                poison += self._read(key, revision, alike)
        if sum(map(len, self._waiting.values())) >= _CANDIDATES_AT_ONCE:
            self.settle()
        return poison

    def settle(self) -> None:
        """Evaluates what was taken and is not evaluated yet."""
        for (key, revision), candidates in self._waiting.items():
            self._evaluate(key, revision, candidates)
        self._waiting.clear()

    def _read(self, key: Partition, revision: str, records: Sequence[Record]) -> Sequence[DeadLetter]:
        span = self._spans[key]
        rules, decoder = self.ruling.in_force(revision)
        batch = Batch(records, {key: BatchSpan(span.topic, span.topic_id, span.partition, 0, 0, span.end)}, None)
        decoded = decoder.decode(batch)
        if decoded.held:
            raise Fatal(f"{decoded.held_because}; without it the input cannot be read: start again when it answers")
        if decoded.events:
            self._waiting[key, revision] += match(decoded.events, rules)
        return decoded.poison

    def _evaluate(self, key: Partition, revision: str, candidates: Sequence[Candidate]) -> None:
        reached = self._evaluated(candidates, revision)
        self._memory.save(reached.changed, key)
        self._memory.link((one.key, one.other_key) for one in candidates if one.other_key is not None)
        self._memory.save_aliases(reached.aliases)
        began_before = not self._spans[key].whole
        self._memory.expect((milestone, began_before) for milestone in reached.milestones)

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


class _Ahead:
    """The dead letters of one partition, asked for a stretch ahead of the records."""

    def __init__(self, span: Span, verdicts: Verdicts) -> None:
        self._span, self._verdicts = span, verdicts
        self._known: Set[int] = frozenset()
        self._known_to = span.first - 1

    def undecided(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records that are no dead letters."""
        first, last = offset_of(records[0]), offset_of(records[-1])
        if last > self._known_to:
            self._known_to = max(last, first + _OFFSETS_AT_ONCE)
            self._known = self._verdicts.dead_letters(self._span.topic_id, self._span.partition, first, self._known_to)
        return [r for r in records if offset_of(r) not in self._known] if self._known else records
