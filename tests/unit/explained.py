"""Records explained one by one, as they are evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from consumer.core.explaining import Known, Verdict, explain
from consumer.core.matching import match
from consumer.core.milestones import Milestone
from consumer.core.told import Told
from consumer.core.trackers import DocumentType, Tracker
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.shapes import DEFAULTS, Options
from tests.unit.samples import FakeRecord, batch_of, rules_of
from tests.unit.streams import Stream


class ExplainedStream(Stream):
    """A stream that also says why."""

    def __init__(
        self, *trackers: Tracker, documents: Mapping[str, DocumentType] | None = None, options: Options = DEFAULTS
    ) -> None:
        super().__init__(*trackers, documents=documents, options=options)
        self._explained_rules = rules_of(*trackers, documents=documents)
        self._teller = ChangeDecoder(self._explained_rules, options, None)
        self._seen_at: dict[str, str] = {}

    def why(self, record: FakeRecord) -> list[Verdict]:
        """What the next record is for each tracker; then it is taken."""
        placed = replace(record, at=self.taken)
        told = self._teller.tell(placed, batch_of(placed))
        verdicts = self._verdicts(told, f"document-changes/{placed.in_partition}/{placed.at}")
        self.take(record)
        return verdicts

    def each(self, records: Iterable[FakeRecord]) -> Iterator[tuple[FakeRecord, list[Verdict], list[Milestone]]]:
        """Each record with its verdicts, and the milestones that evaluation made of it."""
        for record in records:
            before = len(self.milestones)
            verdicts = self.why(record)
            yield record, verdicts, self.milestones[before:]

    def _verdicts(self, told: Told, place: str) -> list[Verdict]:
        events = [] if told.event is None else [told.event]
        keys = {candidate.key for candidate in match(events, self._explained_rules)}
        known = Known({key: self.states[key] for key in keys} | self.states, frozenset(self.ids()), self._seen_at)
        verdicts = explain(told, self._explained_rules, known)
        if told.event is not None:
            self._seen_at.setdefault(told.event.identity.text, place)
        return verdicts

    def ids(self) -> set[str]:
        """The milestones that are there."""
        return {milestone.id for milestone in self.milestones}
