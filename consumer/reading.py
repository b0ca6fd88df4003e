"""What records of a stretch of the input say, before any document's state is known: an audit's first half."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import NamedTuple, Protocol

from consumer.core.audit import RevisionStart, Span
from consumer.core.compiled import Rules
from consumer.core.events import Decoded
from consumer.core.matching import Candidate, match
from consumer.core.records import (
    Batch,
    Chunk,
    DeadLetter,
    LastRecord,
    Partition,
    Record,
    fingerprint,
    offset_of,
    place_of,
)
from consumer.core.records import Span as BatchSpan
from consumer.errors import Fatal

_OFFSETS_AT_ONCE = 20_000


class Decoder(Protocol):
    """Bytes to change events."""

    def decode(self, batch: Batch) -> Decoded: ...


class Verdicts(Protocol):
    """Dead letters, which stay what they are."""

    def dead_letters(self, topic_id: str, partition: int, first: int, last: int) -> set[int]: ...


class Reading(NamedTuple):
    """What some records came to.

    `candidates`: by partition and revision of the trackers, in order of the records. `poison`: those that must be dead
    letters, and are not. `unproven`: where the log holds another record than the last one that was stored.
    """

    records: int
    candidates: Sequence[tuple[Partition, str, Sequence[Candidate]]]
    poison: Sequence[DeadLetter]
    unproven: Sequence[tuple[Partition, int]]


class Revisions:
    """Which revision of the trackers was in force where."""

    def __init__(self, starts: Iterable[RevisionStart]) -> None:
        self._starts: defaultdict[tuple[str, int], list[RevisionStart]] = defaultdict(list)
        for start in sorted(starts, key=lambda one: (one.first_offset, one.number)):
            self._starts[start.topic_id, start.partition].append(start)

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


class Decoders:
    """The rules of each revision, and a decoder made for them.

    Args:
        decoder_for: makes a decoder for rules.
    """

    def __init__(self, rules: Mapping[str, Rules], decoder_for: Callable[[Rules], Decoder]) -> None:
        self._rules, self._decoder_for = rules, decoder_for
        self._made: dict[str, Decoder] = {}

    def of(self, revision: str) -> tuple[Rules, Decoder]:
        """Those of a revision."""
        rules = self._rules[revision]
        if revision not in self._made:
            self._made[revision] = self._decoder_for(rules)
        return rules, self._made[revision]


class Reader:
    """Decodes and matches records. Dead letters are left out: what was decided stays.

    Args:
        proofs: the record that each partition's position remembers as the last one.
    """

    def __init__(
        self,
        rulings: tuple[Revisions, Decoders],
        spans: Mapping[Partition, Span],
        proofs: Mapping[Partition, LastRecord],
        verdicts: Verdicts,
    ) -> None:
        self._revisions, self._decoders = rulings
        self._spans, self._proofs = spans, proofs
        self._verdicts = {key: DeadLetters(span, verdicts) for key, span in spans.items()}

    def read(self, chunk: Chunk) -> Reading:
        """What records say.

        Raises:
            Fatal: the schema registry does not answer.
        """
        candidates: list[tuple[Partition, str, Sequence[Candidate]]] = []
        poison: list[DeadLetter] = []
        for key, records in chunk.items():
            undecided = self._verdicts[key].undecided(records)
            for revision, alike in self._revisions.split(self._spans[key], undecided):
                found, refused = self._decoded(self._spans[key], revision, alike)
                if found:
                    candidates.append((key, revision, found))
                poison += refused
        return Reading(sum(map(len, chunk.values())), candidates, poison, self._unproven(chunk))

    def _decoded(
        self, span: Span, revision: str, records: Sequence[Record]
    ) -> tuple[Sequence[Candidate], Sequence[DeadLetter]]:
        rules, decoder = self._decoders.of(revision)
        decoded = decoder.decode(batch_of(span, records))
        if decoded.held:
            raise Fatal(f"{decoded.held_because}; without it the input cannot be read: start again when it answers")
        return match(decoded.events, rules), decoded.poison

    def _unproven(self, chunk: Chunk) -> list[tuple[Partition, int]]:
        unproven = []
        for key, records in chunk.items():
            proof = self._proofs.get(key)
            if proof is None or offset_of(records[-1]) < proof.offset:
                continue
            record = records[place_of(records, proof.offset)]
            if offset_of(record) == proof.offset and fingerprint(record) != proof:
                unproven.append((key, proof.offset))
        return unproven


def batch_of(span: Span, records: Sequence[Record]) -> Batch:
    """Records of one partition, as decoding wants them: all without a verdict."""
    key = Partition(span.topic, span.partition)
    return Batch(records, {key: BatchSpan(span.topic, span.topic_id, span.partition, 0, 0, span.end)}, None)


class DeadLetters:
    """The dead letters of one partition, asked for a stretch ahead of the records."""

    def __init__(self, span: Span, verdicts: Verdicts) -> None:
        self._span, self._verdicts = span, verdicts
        self._known: Set[int] = frozenset()
        self._known_to = span.first - 1

    def undecided(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records that are none."""
        dead = self.among(records)
        return [r for r in records if offset_of(r) not in dead] if dead else records

    def among(self, records: Sequence[Record]) -> Set[int]:
        """The offsets of dead letters, those of these records with others; records come in order."""
        first, last = offset_of(records[0]), offset_of(records[-1])
        if last > self._known_to:
            self._known_to = max(last, first + _OFFSETS_AT_ONCE)
            self._known = self._verdicts.dead_letters(self._span.topic_id, self._span.partition, first, self._known_to)
        return self._known
