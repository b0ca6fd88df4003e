"""The composition root of the doctor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from consumer.app import options_of
from consumer.app_output import SECTION, avro_schema, subject_of
from consumer.config import Settings
from consumer.core.facts import DatabaseFacts, Standing
from consumer.core.positions import StoredPosition
from consumer.core.records import Partition
from consumer.core.trackers import Tracker
from consumer.diagnosis.cluster import Wanted
from consumer.examining import Examination, Servers, Terms
from consumer.kafka.inspection import Cluster
from consumer.kafka.registry import Registry
from consumer.kafka.subjects import Subjects
from consumer.postgres.inspection import database_facts, positions_there, trackers_there

_PATIENCE_S = 30.0
"""How long one answer of the schema registry is waited for; a worker comes back for it."""


class _Database:
    """PostgreSQL, for an examination."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def facts(self) -> DatabaseFacts:
        return database_facts(self._dsn)

    def trackers(self) -> list[Tracker]:
        return trackers_there(self._dsn)

    def positions(self) -> dict[Partition, StoredPosition]:
        return positions_there(self._dsn)


class _Subject:
    """The subject of announcements, for an examination."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.name, self.registers = subject_of(settings), settings.output.register_schema

    def standing(self) -> Standing:
        with closing(Subjects(self._settings.output_registry, SECTION)) as subjects:
            return subjects.standing(self.name, avro_schema())


@contextmanager
def examination(settings: Settings, sample: int, workers: int, now_s: Callable[[], float]) -> Iterator[Examination]:
    """An examination of the servers and the newest `sample` records. It writes nothing, and joins no group."""
    outputs = (settings.output.topic, settings.dead_letter_topic)
    prefix = f"{settings.group}-{settings.processing.instance}"
    exactly_once = settings.output.guarantee == "exactly_once"
    retention_ms = (settings.output.retention_ms, settings.output.dead_letter_retention_ms)
    wanted = Wanted(
        settings.inputs, *outputs, settings.input.create_topics, prefix,
        dict(zip(outputs, retention_ms, strict=True)), workers,
    )  # fmt: skip
    cluster = Cluster(settings.kafka, settings.inputs, outputs, f"{prefix}-doctor" if exactly_once else None)
    registry = Registry(settings.input.registry, patience_s=_PATIENCE_S) if settings.input.registry else None
    documents, options = settings.document_types(), options_of(settings)
    terms = Terms(wanted, settings.group, sample, settings.tracker_list(), documents, options)
    try:
        subject = _Subject(settings) if settings.output.format == "avro" else None
        yield Examination(Servers(cluster, _Database(settings.dsn), registry, subject), terms, now_s)
    finally:
        if registry is not None:
            registry.close()
