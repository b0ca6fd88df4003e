"""A sample of the stream, read once and looked at from all sides."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from consumer.core.compiled import Rules, compile_rules
from consumer.core.events import Decoded
from consumer.core.records import Batch, Partition, Record, Span, next_offset_of, offset_of, partition_of
from consumer.core.trackers import DocumentType, Trackers
from consumer.diagnosis.sight import Seen, Sight
from consumer.errors import MilestonesError, SchemaPending
from consumer.formats.avro_schemas import Schemas
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.shapes import Options
from consumer.formats.wire import SchemaId


class Sample(msgspec.Struct, frozen=True):
    """The records, the changes of rows among them, what the decoder makes of all, and the schemas that were missing."""

    batch: Batch
    seen: Sequence[Seen]
    decoded: Decoded
    rules: Rules
    options: Options
    missing: Mapping[SchemaId, str]
    registry: Schemas | None = None

    @property
    def records(self) -> Sequence[Record]:
        """All of them."""
        return self.batch.records

    def by_type(self) -> Mapping[str, list[Seen]]:
        """The changes of tracked document types."""
        found: defaultdict[str, list[Seen]] = defaultdict(list)
        for one in self.seen:
            if one.plan is not None:
                found[one.plan.document_type].append(one)
        return found

    def untracked(self) -> Counter[str]:
        """How many changes each table has that nobody follows."""
        return Counter(one.table for one in self.seen if one.plan is None)


class _Asked:
    """Schemas, each asked for once, whatever came of it: a registry that is away is not waited for again and again."""

    def __init__(self, registry: Schemas) -> None:
        self._registry = registry
        self.missing: dict[SchemaId, str] = {}

    def texts(self, schema: SchemaId) -> Sequence[str]:
        if schema in self.missing:
            raise SchemaPending(self.missing[schema])
        try:
            return self._registry.texts(schema)
        except MilestonesError as error:
            self.missing[schema] = str(error)
            raise SchemaPending(str(error)) from error


def sample_of(
    records: Sequence[Record],
    trackers: Trackers,
    documents: Mapping[str, DocumentType],
    options: Options,
    registry: Schemas | None,
) -> Sample:
    """Reads records as a worker would, and once more as a doctor does.

    Raises:
        ConfigError: the trackers contradict each other.
    """
    rules = compile_rules(trackers, documents)
    asked = None if registry is None else _Asked(registry)
    batch = _batch(records)
    decoded = ChangeDecoder(rules, options, asked).decode(batch)
    sight = Sight(rules, options, asked)
    seen = [one for record in records if (one := sight.of(record)) is not None]
    return Sample(batch, seen, decoded, rules, options, {} if asked is None else asked.missing, asked)


def _batch(records: Sequence[Record]) -> Batch:
    """Nothing of it is stored; the topic's name stands for its id."""
    spans: dict[Partition, Span] = {}
    for record in records:
        key = partition_of(record)
        first = spans[key].stored if key in spans else offset_of(record)
        spans[key] = Span(key.topic, key.topic, key.partition, first, first, next_offset_of(record))
    return Batch(records, spans)


def share(part: int, whole: int) -> str:
    """`12 of 5,000 (0.2 %)`."""
    percent = f"{100 * part / whole:.1f}".removesuffix(".0") if whole else "0"
    return f"{part:,} of {whole:,} ({percent} %)"
