"""Each finding about servers: facts that make it, and facts as similar as can be that do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import pytest
from msgspec.structs import replace

from consumer.core.facts import ClusterFacts, DatabaseFacts, GroupFacts, Standing, TopicFacts
from consumer.core.inputs import Inputs
from consumer.core.positions import LogEnds, StoredPosition
from consumer.core.records import Partition, Record
from consumer.core.trackers import DocumentType, Tracker
from consumer.core.values import Encoding
from consumer.diagnosis.cluster import Wanted
from consumer.diagnosis.findings import Finding, Level, counted, worst
from consumer.diagnosis.kinds import KINDS, SECTIONS
from consumer.errors import ConfigError, Fatal, PublishDown, StoreDown
from consumer.examining import Examination, Servers, Terms
from consumer.formats.shapes import DEFAULTS
from consumer.formats.wire import SchemaId
from consumer.kafka.sampling import beginnings
from tests.unit.diagnosed import codes, update
from tests.unit.samples import AT_MS, TOPIC, tracker

LETTERS, REACHED, GROUP = f"{TOPIC}.dead-letter", "milestone-reached", "milestones"
ALL = frozenset({"READ", "WRITE", "DESCRIBE", "CREATE"})
PLACE = Partition(TOPIC, 0)
Facts = TypeVar("Facts")
RETENTION = {REACHED: 1_000, LETTERS: 2_000}


def topic(name: str, config: Mapping[str, str] | None = None, **said: object) -> TopicFacts:
    usual = {"cleanup.policy": "delete", "retention.ms": str(RETENTION.get(name, -1)), "max.message.bytes": "1000"}
    return replace(TopicFacts(name, f"id of {name}", 2, 3, 0, ALL, usual | dict(config or {})), **said)


def cluster(*topics: TopicFacts, without: str = "", **said: object) -> ClusterFacts:
    there = {one.name: one for one in (topic(TOPIC), topic(REACHED), topic(LETTERS), *topics) if one.name != without}
    group = GroupFacts(GROUP, "STABLE", 1, "cooperative-sticky", ALL)
    sound = ClusterFacts("c", 3, "4.1", ALL, there, group, {PLACE: LogEnds(0, 2)}, {PLACE: 2})
    return replace(sound, **said)


def database(**said: object) -> DatabaseFacts:
    sound = DatabaseFacts(
        version="18.1", version_number=18_00_01, role="erp_worker", is_superuser=False, is_read_only=False,
        encoding="UTF8", settings={"fsync": "on", "synchronous_commit": "on"}, connections_free=90, clock_ahead_s=0.1,
    )  # fmt: skip
    return replace(sound, **said)


@dataclass(slots=True)
class World:
    """Servers as an examination asks them; an error in place of facts is raised."""

    kafka: ClusterFacts | Exception = field(default_factory=cluster)
    postgres: DatabaseFacts | Exception = field(default_factory=database)
    records: Sequence[Record] | Exception = (update(0, {"name": "SO-1", "status": "Open"}),)
    whole: bool = True
    stored: Mapping[Partition, StoredPosition] = field(default_factory=dict)
    trackers: Sequence[Tracker] = (tracker(),)
    configured: Sequence[Tracker] | None = None
    silence: str | None = None
    subject: Standing | Exception | None = None
    registers: bool = False
    wanted: Mapping[str, object] = field(default_factory=dict)
    documents: Mapping[str, DocumentType] = field(default_factory=dict)

    @property
    def terms(self) -> Terms:
        """What is configured."""
        inputs = Inputs((TOPIC,), None, (REACHED, LETTERS))
        said = Wanted(inputs, REACHED, LETTERS, False, "milestones-main", RETENTION, 1)
        return Terms(replace(said, **self.wanted), GROUP, 100, self.configured, self.documents, DEFAULTS)

    def findings(self) -> list[Finding]:
        subject = None if self.subject is None else _Subject(self.subject, registers=self.registers)
        servers = Servers(_Cluster(self), _Database(self), _Registry(self), subject)
        return Examination(servers, self.terms, lambda: AT_MS / 1_000).run()


class _Cluster:
    def __init__(self, world: World) -> None:
        self._world = world

    def facts(self) -> ClusterFacts:
        return given(self._world.kafka)

    def newest(self, ends: Mapping[Partition, LogEnds], count: int) -> tuple[Sequence[Record], bool]:
        assert (PLACE in ends, count) == (True, 100)
        return given(self._world.records), self._world.whole


class _Database:
    def __init__(self, world: World) -> None:
        self._world = world

    def facts(self) -> DatabaseFacts:
        return given(self._world.postgres)

    def trackers(self) -> Sequence[Tracker]:
        return self._world.trackers

    def positions(self) -> Mapping[Partition, StoredPosition]:
        return self._world.stored


class _Registry:
    def __init__(self, world: World) -> None:
        self._world = world

    def silence(self) -> str | None:
        return self._world.silence

    def texts(self, schema: SchemaId) -> Sequence[str]:
        raise AssertionError(f"no record names {schema}")


class _Subject:
    name = "milestone-reached-value"

    def __init__(self, standing: Standing | Exception, *, registers: bool) -> None:
        self._standing, self.registers = standing, registers

    def standing(self) -> Standing:
        return given(self._standing)


def given(answer: Facts | Exception) -> Facts:
    """The answer, or the error that is given in its place."""
    if isinstance(answer, Exception):
        raise answer
    return answer


def registered() -> World:
    """A registry that has the schema of milestones."""
    return World(subject=Standing.REGISTERED)


class Case(NamedTuple):
    """A finding's code, a world that has it, and one that does not."""

    code: str
    broken: Callable[[], World]
    sound: Callable[[], World]


def stored(next_offset: int, group: str = GROUP) -> Mapping[Partition, StoredPosition]:
    return {PLACE: StoredPosition(f"id of {TOPIC}", group, next_offset, next_offset, None)}


def with_topic(name: str, **said: object) -> World:
    return World(cluster(replace(topic(name), **said)))


def with_config(name: str, **config: str) -> World:
    return World(cluster(topic(name, {key.replace("_", "."): value for key, value in config.items()})))


def columns(**encodings: Encoding) -> Mapping[str, DocumentType]:
    return {"Sales Order": DocumentType("Sales Order", columns=encodings)}


def newer_by(ms: int) -> World:
    one = update(0, {"name": "SO-1", "status": "Open"})
    return World(records=[type(one)(one.in_topic, 0, 0, one.with_key, one.with_value, None, AT_MS + ms)])


PATTERN = {"inputs": Inputs((), "erp.*", (REACHED, LETTERS))}
MADE = {"create_topics": True}

CASES: Sequence[Case] = (
    Case("broker-unreachable", lambda: World(PublishDown("no broker answers")), World),
    Case("broker-old", lambda: with_topic(TOPIC, topic_id="AAAAAAAAAAAAAAAAAAAAAA"), World),
    Case("transactions-refused", lambda: World(cluster(transactions_refused="not authorised")), World),
    Case("topic-missing", lambda: World(cluster(without=REACHED)),
         lambda: World(cluster(without=REACHED), wanted=MADE)),
    Case("topic-to-be-made", lambda: World(cluster(without=REACHED), wanted=MADE), lambda: World(wanted=MADE)),
    Case("pattern-unmatched", lambda: World(wanted=PATTERN), lambda: World(cluster(topic("erp.x")), wanted=PATTERN)),
    Case("not-allowed", lambda: with_topic(TOPIC, operations=frozenset({"DESCRIBE"})),
         lambda: with_topic(TOPIC, operations=None)),
    Case("not-allowed", lambda: with_topic(REACHED, operations=frozenset({"READ", "DESCRIBE"})),
         lambda: with_topic(REACHED, operations=frozenset({"WRITE", "DESCRIBE"}))),
    Case("not-allowed", lambda: World(cluster(group=GroupFacts(GROUP, "STABLE", 1, "", frozenset({"DESCRIBE"})))),
         lambda: World(cluster(group=GroupFacts(GROUP, "STABLE", 1, "", None)))),
    Case("not-allowed", lambda: World(cluster(without=REACHED, operations=frozenset()), wanted=MADE),
         lambda: World(cluster(operations=frozenset()), wanted=MADE)),
    Case("not-allowed", lambda: World(records=Fatal("may not be read; allow READ")), World),
    Case("input-compacted", lambda: with_config(TOPIC, cleanup_policy="compact,delete"), World),
    Case("input-retention", lambda: with_config(TOPIC, retention_ms="3600000"),
         lambda: with_config(TOPIC, retention_ms="86400000")),
    Case("output-narrow", lambda: with_topic(TOPIC, partitions=3), lambda: with_topic(TOPIC, partitions=1)),
    Case("output-compacted", lambda: with_config(REACHED, cleanup_policy="compact"), World),
    Case("output-retention", lambda: with_config(REACHED, retention_ms="999"), World),
    Case("dead-letter-size", lambda: with_config(TOPIC, max_message_bytes="1001"),
         lambda: with_config(LETTERS, max_message_bytes="1001")),
    Case("replication", lambda: with_topic(TOPIC, replication=1), lambda: with_topic(TOPIC, replication=2)),
    Case("replicas-lag", lambda: with_topic(TOPIC, lagging=1), World),
    Case("workers-idle", lambda: World(wanted={"workers": 3}), lambda: World(wanted={"workers": 2})),
    Case("group-foreign", lambda: World(cluster(group=GroupFacts(GROUP, "STABLE", 1, "range", ALL))), World),
    Case("not-allowed", lambda: World(cluster(group=GroupFacts(GROUP, "", 0, "", frozenset()))), World),
    Case("group-empty", lambda: World(cluster(group=GroupFacts(GROUP, "EMPTY", 0, "", ALL))),
         lambda: World(cluster(group=GroupFacts(GROUP, "", 0, "", frozenset())))),
    Case("run-would-stop", lambda: World(stored=stored(3)), lambda: World(stored=stored(2))),
    Case("run-would-stop", lambda: World(stored=stored(2, "another")), lambda: World(stored=stored(0))),
    Case("registry-unreachable", lambda: World(silence="ConnectError"), World),
    Case("registry-unreachable", lambda: World(subject=PublishDown("does not answer")), registered),
    Case("registry-unreachable", lambda: World(subject=Fatal("refuses this program")), registered),
    Case("output-schema-missing", lambda: World(subject=Standing.WELCOME), registered),
    Case("output-schema-missing", lambda: World(subject=Standing.WELCOME),
         lambda: World(subject=Standing.WELCOME, registers=True)),
    Case("output-schema-to-be-made", lambda: World(subject=Standing.WELCOME, registers=True), registered),
    Case("output-schema-incompatible", lambda: World(subject=Standing.INCOMPATIBLE, registers=True), registered),
    Case("postgres-unreachable", lambda: World(postgres=StoreDown("cannot be reached")), World),
    Case("postgres-old", lambda: World(postgres=database(version_number=15_00_12)), World),
    Case("postgres-read-only", lambda: World(postgres=database(is_read_only=True)), World),
    Case("postgres-read-only", lambda: World(postgres=StoreDown("session is read-only")),
         lambda: World(postgres=StoreDown("cannot be reached"))),
    Case("migrations", lambda: World(postgres=database(schema_fault="0003_redrive missing; run `milestones migrate`")),
         World),
    Case("rights-missing", lambda: World(postgres=database(missing_rights=("insert on milestone",))), World),
    Case("superuser", lambda: World(postgres=database(is_superuser=True)), World),
    Case("durability", lambda: World(postgres=database(settings={"synchronous_commit": "off"})),
         lambda: World(postgres=database(settings={"synchronous_commit": "local"}))),
    Case("connections", lambda: World(postgres=database(connections_free=2)),
         lambda: World(postgres=database(connections_free=3))),
    Case("database-encoding", lambda: World(postgres=database(encoding="SQL_ASCII")), World),
    Case("clocks", lambda: World(postgres=database(clock_ahead_s=-3.0)),
         lambda: World(postgres=database(clock_ahead_s=-1.0))),
    Case("clocks", lambda: newer_by(6_000), lambda: newer_by(4_000)),
    Case("trackers-unapplied", lambda: World(configured=[tracker(), tracker("Task")]),
         lambda: World(configured=[tracker()])),
    Case("trackers-unapplied", lambda: World(configured=[]),
         lambda: World(configured=[], trackers=[tracker(managed_by="hand")])),
    Case("scale-unused", lambda: World(configured=[tracker(scale=2)]),
         lambda: World(configured=[tracker(scale=2, **{"as": "decimal"})])),
    Case("scale-unused", lambda: World(documents=columns(status=Encoding("date", 2))),
         lambda: World(documents=columns(status=Encoding("decimal", 2)))),
    Case("column-unfollowed", lambda: World(documents=columns(statuz=Encoding("text"))),
         lambda: World(documents=columns(status=Encoding("text")))),
    Case("no-trackers", lambda: World(trackers=[]), World),
    Case("sample-short", lambda: World(whole=False), World),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_a_finding_is_made_where_something_is_wrong(case: Case) -> None:
    found = [one for one in case.broken().findings() if one.code == case.code]
    assert found
    assert all(one.fix and "{" not in one.fix for one in found)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_a_finding_is_not_made_where_it_only_looks_so(case: Case) -> None:
    assert case.code not in codes(case.sound().findings())


def test_every_finding_about_servers_has_its_case() -> None:
    of_records = {"registry-missing", "schema-unknown"}
    sections = ("The configuration", "Kafka", "PostgreSQL")
    kinds = {kind.code for section in sections for kind in SECTIONS[section]} - of_records
    assert {case.code for case in CASES} == kinds | {"sample-short"}


def test_codes_are_used_once() -> None:
    assert len(KINDS) == sum(map(len, SECTIONS.values()))


def test_sound_servers_and_records_give_nothing_to_do() -> None:
    findings = World().findings()
    assert codes(findings) == set()
    assert {one.code for one in findings} >= {"broker", "input", "group", "postgres", "registry", "formats", "newest"}


def test_one_server_away_leaves_the_other_examined() -> None:
    without_kafka = World(PublishDown("no broker answers"), database(is_superuser=True))
    assert codes(without_kafka.findings()) == {"broker-unreachable", "superuser"}
    without_postgres = World(postgres=StoreDown("cannot be reached"), configured=[tracker("Task")])
    assert codes(without_postgres.findings()) == {"postgres-unreachable", "type-unseen", "type-untracked"}


def test_nothing_can_be_said_with_both_servers_away() -> None:
    with pytest.raises(Fatal, match="no broker answers; cannot be reached"):
        World(PublishDown("no broker answers"), StoreDown("cannot be reached")).findings()


def test_a_wrong_configuration_is_no_finding() -> None:
    with pytest.raises(ConfigError):
        World(ConfigError("kafka: no such property")).findings()
    with pytest.raises(ConfigError):
        World(postgres=ConfigError("postgres.dsn is not a connection string")).findings()


def test_trackers_of_config_yaml_and_those_made_by_hand_are_looked_for() -> None:
    by_hand = tracker("Task", managed_by="hand")
    found = World(configured=[tracker()], trackers=[tracker(), by_hand]).findings()
    assert [one.place for one in found if one.code == "type-unseen"] == ["Task"]


def test_a_message_about_all_partitions_is_told_once() -> None:
    places = {Partition(TOPIC, number): LogEnds(0, 2) for number in (0, 1)}
    gone = {key: StoredPosition("another id", GROUP, 1, 1, None) for key in places}
    found = World(cluster(ends=places), stored=gone).findings()
    assert [one.place for one in found if one.code == "run-would-stop"] == [f"{TOPIC}-0 and 1 more"]


def test_the_worst_finding_decides() -> None:
    findings = [
        KINDS["superuser"].at("p", "f"),
        KINDS["broker-old"].at("p", "f"),
        KINDS["replication"].at("p", "f", topics="t"),
    ]
    assert [worst(findings), worst(findings[2:]), worst([])] == [Level.PROBLEM, Level.NOTE, Level.OK]
    assert [counted(1, "record"), counted(2_000, "record")] == ["1 record", "2,000 records"]


def ends(**lengths: int) -> dict[Partition, LogEnds]:
    return {Partition(name, 0): LogEnds(10, 10 + length) for name, length in lengths.items()}


def test_a_sample_is_taken_evenly_from_the_ends_of_partitions() -> None:
    assert beginnings(ends(a=100, b=100), 20) == {Partition("a", 0): 100, Partition("b", 0): 100}


def test_what_a_short_partition_lacks_the_others_give() -> None:
    assert beginnings(ends(a=2, b=100, c=0), 20) == {Partition("a", 0): 10, Partition("b", 0): 92}


def test_every_partition_gives_one_record_at_least() -> None:
    assert beginnings(ends(a=9, b=9, c=9), 2) == {Partition(name, 0): 18 for name in "abc"}
