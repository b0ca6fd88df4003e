"""A stream of records through decoding, matching and evaluation, and what each stage made of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from consumer.captured import CapturedRecord
from consumer.core.evaluation import BOTH_HALVES, Alias, AliasKey, alias_keys, evaluate
from consumer.core.events import ChangeEvent, Kind
from consumer.core.matching import match
from consumer.core.milestones import Milestone
from consumer.core.records import DeadLetter
from consumer.core.states import DocumentState, StateKey
from consumer.core.trackers import DocumentType, Tracker
from consumer.formats.avro_schemas import Schemas
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.shapes import DEFAULTS, Options
from tests.unit.samples import FakeRecord, batch_of, context, key_of, rules_of

Reached = tuple[str, str | None, str]
"""Value, from_value, and how that is known."""


class Stream:
    """One document type's changes, or several, over several batches. Each record gets the next offset."""

    def __init__(
        self,
        *trackers: Tracker,
        documents: Mapping[str, DocumentType] | None = None,
        options: Options = DEFAULTS,
        schemas: Schemas | None = None,
    ) -> None:
        self._rules = rules_of(*trackers, documents=documents)
        self._decoder = ChangeDecoder(self._rules, options, schemas)
        self.taken = 0
        self._aliases: dict[AliasKey, Alias] = {}
        self.states: defaultdict[StateKey, DocumentState] = defaultdict(DocumentState)
        self.milestones: list[Milestone] = []
        self.events: list[ChangeEvent] = []
        self.poison: list[DeadLetter] = []
        self.skipped: Counter[str] = Counter()
        self.absent: Counter[tuple[str, str]] = Counter()
        self.missed: Counter[tuple[str, str]] = Counter()
        self.unjudged: Counter[tuple[str, str]] = Counter()

    def take(self, *records: FakeRecord) -> list[Reached]:
        """One batch; what was reached."""
        placed = [replace(one, at=at) for at, one in enumerate(records, self.taken)]
        self.taken += len(records)
        decoded = self._decoder.decode(batch_of(*placed))
        candidates = match(decoded.events, self._rules)
        seen = {key: self._aliases[key] for key in alias_keys(candidates) if key in self._aliases}
        halves = {key: BOTH_HALVES if alias.settled else alias.first_half for key, alias in seen.items()}
        result = evaluate(candidates, self.states, halves, context())
        for key, alias in result.aliases.items():
            old = self._aliases.get(key)
            self._aliases[key] = alias if old is None else Alias(key, old.renamed_at, old.first_half, settled=True)
        self.milestones += result.milestones
        self.events += decoded.events
        self.poison += decoded.poison
        self.skipped += decoded.skipped + result.skipped
        self.absent += decoded.absent
        self.missed += result.missed
        self.unjudged += result.unjudged
        return [(m.value, m.from_value, m.from_value_known) for m in result.milestones]

    def state(self, name: str = "SO-1", track_field: str = "status") -> DocumentState:
        """Where a Sales Order stands."""
        return self.states[key_of(name, track_field)]

    def values(self, track_field: str) -> list[str | None]:
        """The values that creates, updates and snapshots told of a field, in order."""
        told = [event for event in self.events if event.kind in (Kind.CREATE, Kind.UPDATE, Kind.SNAPSHOT)]
        return [change.after for event in told for change in event.fields if change.track_field == track_field]


def as_records(captured: Iterable[CapturedRecord]) -> list[FakeRecord]:
    """Captured records, as the client would hand them out."""
    return [FakeRecord(r.topic, r.partition, r.offset, r.key, r.value, list(r.headers), r.timestamp) for r in captured]


def each_once_more(records: Sequence[FakeRecord], partition: int) -> Iterator[FakeRecord]:
    """The same records, delivered to another partition."""
    return (replace(one, in_partition=partition) for one in records)


def with_schema(columns: Sequence[Mapping[str, object]], payload: object) -> dict[str, object]:
    """An envelope in JsonConverter's wrapper, with the schema of its rows' columns."""
    rows = [{"field": name, "type": "struct", "fields": list(columns)} for name in ("before", "after")]
    return {"schema": {"type": "struct", "fields": rows}, "payload": payload}
