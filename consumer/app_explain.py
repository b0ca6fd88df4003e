"""The composition root of explanations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from consumer.app import input_ends, options_of, topics_of, trackers_in_force
from consumer.app_audit import Progress, registry_of
from consumer.config import Settings
from consumer.core.audit import Span
from consumer.core.compiled import Rules, compile_rules
from consumer.core.letters import Place
from consumer.core.positions import LogEnds
from consumer.core.records import Chunk, Partition, Record
from consumer.core.told import Told
from consumer.core.trackers import trackers_from_json
from consumer.errors import ConfigError
from consumer.explanations import Explained, Explaining, Wanted
from consumer.formats.decoder import ChangeDecoder
from consumer.kafka.log import Log
from consumer.kafka.registry import Registry
from consumer.kafka.topics import Topics
from consumer.postgres.audit import AuditedTables, audited_tables
from consumer.reading import DeadLetters, Revisions, batch_of
from consumer.recomputing import Recomputation
from consumer.scratch.book import Book


class _Rulings:
    """The rules in force for each offset: those that a worker evaluated it with, or will."""

    def __init__(
        self, rules: Mapping[str, Rules], now: str, revisions: Revisions, teller: Callable[[Rules], ChangeDecoder]
    ) -> None:
        self._rules, self._now, self._revisions, self._teller = rules, now, revisions, teller
        self._tellers: dict[str, ChangeDecoder] = {}

    def of(self, span: Span, offset: int) -> tuple[Rules, ChangeDecoder]:
        """The rules for a record, and what reads it for them."""
        recorded = self._revisions.at(span.topic_id, span.partition, offset) if offset < span.stored else None
        revision = recorded or self._now
        if revision not in self._tellers:
            self._tellers[revision] = self._teller(self._rules[revision])
        return self._rules[revision], self._tellers[revision]

    def told(self, span: Span, record: Record, offset: int) -> Told:
        """What one record says."""
        return self.of(span, offset)[1].tell(record, batch_of(span, [record]))

    def document_types(self) -> set[str]:
        """Those that some tracker follows now, or did."""
        return {document_type for rules in self._rules.values() for document_type, _ in rules.by_field}


class _Sources(NamedTuple):
    """What explanations read: the log's spans, the tables, and the rules of each revision."""

    spans: Mapping[Partition, Span]
    tables: AuditedTables
    rulings: _Rulings


def explain_document(
    settings: Settings, document_type: str, name: str | None, progress: Progress
) -> Iterator[Explained]:
    """Each record of a document, or (None) of all of its type, in order; all partitions are read.

    Raises:
        ConfigError: no tracker follows documents of this type.
        MilestonesError: a server is away.
    """
    with audited_tables(settings.dsn) as tables, registry_of(settings) as registry:
        sources = _sources(settings, tables, registry)
        known = sources.rulings.document_types()
        if document_type not in known:
            raise ConfigError(
                f"no tracker follows {document_type!r}; there are trackers for {', '.join(sorted(known)) or 'nothing'}"
            )
        yield from _explained(settings, Wanted(document_type, name), sources, progress)


def explain_record(settings: Settings, place: Place, progress: Progress) -> Explained:
    """One record, with its partition read up to there: what other partitions say of its document is not looked at.

    Raises:
        ConfigError: there is no such record.
        MilestonesError: a server is away.
    """
    key = Partition(place.topic, place.partition)
    with audited_tables(settings.dsn) as tables, registry_of(settings) as registry:
        sources = _sources(settings, tables, registry)
        span = sources.spans.get(key)
        if span is None:
            topics = ", ".join(sorted({one.topic for one in sources.spans}))
            raise ConfigError(f"--at {place}: there is no such partition; the input topics are {topics}")
        if not span.holds(place.offset):
            raise ConfigError(f"--at {place}: the log holds offsets {span.first} to {span.end - 1} there")
        records = [r for chunk in _log(settings, {key: (place.offset, place.offset + 1)}) for r in chunk[key]]
        if not records:
            raise ConfigError(f"--at {place}: there is no record at this offset; perhaps a transaction's marker")
        told = sources.rulings.told(span, records[0], place.offset)
        upto = {
            key: Span(span.topic, span.topic_id, span.partition, span.first, place.offset + 1, span.stored, 0, True)
        }
        wanted = Wanted(told.document_type, told.reference_name, key, place.offset)
        return next(_explained(settings, wanted, sources._replace(spans=upto), progress))


def _explained(settings: Settings, wanted: Wanted, sources: _Sources, progress: Progress) -> Iterator[Explained]:
    spans = sources.spans
    progress.begin(sum(span.end - span.first for span in spans.values()))
    dead = {key: DeadLetters(span, sources.tables) for key, span in spans.items()}
    with Book() as book:
        explaining = Explaining(wanted, spans, sources.rulings.of, dead, (book, Recomputation(book, spans)))
        for chunk in _log(settings, {key: (span.first, span.end) for key, span in spans.items()}):
            yield from explaining.take(chunk)
            progress.advance(sum(map(len, chunk.values())))


def _log(settings: Settings, offsets: Mapping[Partition, tuple[int, int]]) -> Iterator[Chunk]:
    yield from Log(settings.kafka).chunks({key: LogEnds(*ends) for key, ends in offsets.items()})


def _sources(settings: Settings, tables: AuditedTables, registry: Registry | None) -> _Sources:
    topics, documents = topics_of(settings), settings.document_types()
    now = trackers_in_force(settings)
    recorded = {revision: trackers_from_json(revision, text) for revision, text in tables.trackers().items()}
    rules = {name: compile_rules(one, documents) for name, one in {**recorded, now.revision: now}.items()}
    options = options_of(settings)
    revisions = Revisions(tables.revision_starts())
    rulings = _Rulings(rules, now.revision, revisions, lambda some: ChangeDecoder(some, options, registry))
    return _Sources(_spans(settings, topics, tables, revisions), tables, rulings)


def _spans(settings: Settings, topics: Topics, tables: AuditedTables, revisions: Revisions) -> dict[Partition, Span]:
    """All that the log has, from where this database began."""
    ends, positions = input_ends(settings, topics), tables.positions()
    ids = {topic: topics.topic_id(topic) for topic in {key.topic for key in ends}}
    spans = {}
    for key, end in ends.items():
        row = positions.get(key)
        is_same = row is not None and row.topic_id == ids[key.topic]
        stored = row.next_offset if row is not None and is_same else 0
        first = max(end.low, revisions.first_offset(ids[key.topic], key.partition) or 0)
        spans[key] = Span(key.topic, ids[key.topic], key.partition, min(first, end.high), end.high, stored, 0, True)
    return spans
