"""What `milestones doctor` does: it asks Kafka, PostgreSQL and the registry, reads a sample, and says what it finds.

A server that cannot be reached is a finding, and the others are looked at all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from consumer.core.facts import ClusterFacts, DatabaseFacts, Standing
from consumer.core.positions import LogEnds, StoredPosition
from consumer.core.records import Partition, Record
from consumer.core.trackers import DocumentType, Tracker, Trackers
from consumer.diagnosis.cluster import Wanted, cluster_findings, position_findings
from consumer.diagnosis.configuration import configuration_findings
from consumer.diagnosis.database import clock_findings, database_findings
from consumer.diagnosis.examination import sample_findings
from consumer.diagnosis.findings import Finding, fine
from consumer.diagnosis.kinds import finding
from consumer.diagnosis.sample import Sample, sample_of
from consumer.errors import ConfigError, Fatal, MilestonesError
from consumer.formats.avro_schemas import Schemas
from consumer.formats.shapes import Options


class Cluster(Protocol):
    """Kafka: its facts, and the newest records up to these ends, with whether all of them came."""

    def facts(self) -> ClusterFacts: ...
    def newest(self, ends: Mapping[Partition, LogEnds], count: int) -> tuple[Sequence[Record], bool]: ...


class Database(Protocol):
    """PostgreSQL."""

    def facts(self) -> DatabaseFacts: ...
    def trackers(self) -> Sequence[Tracker]: ...
    def positions(self) -> Mapping[Partition, StoredPosition]: ...


class Registry(Schemas, Protocol):
    """The schema registry; `silence` says why it cannot be asked."""

    def silence(self) -> str | None: ...


class Subject(Protocol):
    """Where the schema of announcements stands in the registry, for `output.format: avro`."""

    @property
    def name(self) -> str: ...
    @property
    def registers(self) -> bool: ...
    def standing(self) -> Standing: ...


class Servers(NamedTuple):
    """All that is looked at; None for what is not configured."""

    cluster: Cluster
    database: Database
    registry: Registry | None = None
    subject: Subject | None = None


class Terms(msgspec.Struct, frozen=True):
    """What config.yaml and the command line say. `trackers` None: the file leaves them to the database."""

    wanted: Wanted
    group: str
    sample: int
    trackers: Sequence[Tracker] | None
    documents: Mapping[str, DocumentType]
    options: Options


class Examination:
    """One examination; `now_s` is the clock of this machine, in seconds since the epoch."""

    def __init__(self, servers: Servers, terms: Terms, now_s: Callable[[], float]) -> None:
        self._cluster, self._database, self._registry, self._subject = servers
        self._terms, self._now_s = terms, now_s
        self._unreachable: list[MilestonesError] = []
        self._trackers: Sequence[Tracker] = terms.trackers or ()
        self._kafka: ClusterFacts | None = None
        self._clock_ahead_s: float | None = None

    def run(self) -> list[Finding]:
        """Everything, in the order in which it was found.

        Raises:
            ConfigError: something is configured that cannot be tried.
            Fatal: neither Kafka nor PostgreSQL could be looked at.
        """
        findings = [*self._of_kafka(), *self._of_registry(), *self._of_subject(), *self._of_database()]
        if len(self._unreachable) == 2:
            raise Fatal("; ".join(map(str, self._unreachable)))
        return findings + ([] if self._kafka is None else [*self._of_sample(self._kafka)])

    def _of_kafka(self) -> Iterator[Finding]:
        try:
            self._kafka = self._cluster.facts()
        except ConfigError:
            raise
        except MilestonesError as error:
            self._unreachable.append(error)
            yield finding("broker-unreachable", "broker", str(error))
        else:
            yield from cluster_findings(self._kafka, self._terms.wanted)

    def _of_registry(self) -> Iterator[Finding]:
        if self._registry is None:
            return
        silence = self._registry.silence()
        yield (
            fine("registry", "registry", "it answers")
            if silence is None
            else finding("registry-unreachable", "registry", silence)
        )

    def _of_subject(self) -> Iterator[Finding]:
        subject = self._subject
        if subject is None:
            return
        try:
            standing = subject.standing()
        except ConfigError:
            raise
        except MilestonesError as error:
            yield finding("registry-unreachable", "registry", str(error))
            return
        if standing is Standing.REGISTERED:
            yield fine("output-schema", subject.name, "the schema of milestones is registered")
        elif standing is Standing.INCOMPATIBLE:
            code, found = "output-schema-incompatible", "the registry would refuse schemas/milestone-reached.avsc"
            yield finding(code, subject.name, found, subject=subject.name)
        elif subject.registers:
            yield finding("output-schema-to-be-made", subject.name, "the schema is not there", subject=subject.name)
        else:
            yield finding("output-schema-missing", subject.name, "the schema is not there", subject=subject.name)

    def _of_database(self) -> Iterator[Finding]:
        try:
            facts = self._database.facts()
        except ConfigError:
            raise
        except MilestonesError as error:
            self._unreachable.append(error)
            code = "postgres-read-only" if "read-only" in str(error) else "postgres-unreachable"
            yield finding(code, "postgres", str(error))
            return
        self._clock_ahead_s = facts.clock_ahead_s
        yield from database_findings(facts, self._terms.wanted.workers)
        if facts.schema_fault is None and not facts.missing_rights:
            yield from self._of_tables()

    def _of_tables(self) -> Iterator[Finding]:
        there = self._database.trackers()
        wanted = self._terms.trackers
        if wanted is None:
            self._trackers = there
        else:
            self._trackers = [*wanted, *(tracker for tracker in there if tracker.managed_by == "hand")]
            applied = {tracker.name: tracker for tracker in there if tracker.managed_by != "hand"}
            unlike = [t.name for t in wanted if t.name not in applied or t.differs_from(applied[t.name])]
            unlike += sorted(applied.keys() - {tracker.name for tracker in wanted})
            if unlike:
                yield finding("trackers-unapplied", "trackers", f"{len(unlike)} differ: {', '.join(unlike[:5])}")
        if self._kafka is not None:
            yield from position_findings(self._kafka, self._terms.group, self._database.positions())

    def _of_sample(self, kafka: ClusterFacts) -> Iterator[Finding]:
        yield from configuration_findings(self._trackers, self._terms.documents)
        if not self._trackers:
            yield finding("no-trackers", "trackers", "neither config.yaml nor the database has any")
        try:
            records, whole = self._cluster.newest(kafka.ends, self._terms.sample)
        except Fatal as error:
            yield finding("not-allowed", "input", str(error), operations="READ", resource="the input topics")
            return
        if not whole:
            yield finding("sample-short", "sample", f"{len(records):,} records were read")
        sample = self._sample(records)
        now_ms = int(self._now_s() * 1_000)
        yield from clock_findings(records, sample.seen, now_ms, self._clock_ahead_s)
        yield from sample_findings(sample)

    def _sample(self, records: Sequence[Record]) -> Sample:
        trackers = Trackers("", tuple(self._trackers))
        return sample_of(records, trackers, self._terms.documents, self._terms.options, self._registry)
