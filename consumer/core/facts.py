"""What was seen of Kafka, of PostgreSQL and of the clocks: facts without a judgement."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from consumer.core.positions import LogEnds
from consumer.core.records import Partition


class Standing(StrEnum):
    """How a subject of the schema registry takes a schema."""

    REGISTERED = "registered"
    WELCOME = "not registered yet"
    INCOMPATIBLE = "incompatible"


class TopicFacts(msgspec.Struct, frozen=True):
    """A topic that exists.

    `replication` is that of the partition with the fewest replicas, `lagging` counts partitions with a replica out of
    sync. `operations` are those that this user may do, by Kafka's names; None where the broker does not tell. So with
    `config`.
    """

    name: str
    topic_id: str
    partitions: int
    replication: int
    lagging: int = 0
    operations: frozenset[str] | None = None
    config: Mapping[str, str] | None = None


class GroupFacts(msgspec.Struct, frozen=True):
    """The consumer group; `assignor` is empty where nobody runs, `state` where this user may not see it."""

    name: str
    state: str
    members: int
    assignor: str = ""
    operations: frozenset[str] | None = None


class ClusterFacts(msgspec.Struct, frozen=True):
    """A Kafka that answered. `release` is the least that it can be, as `4.1`; empty where it cannot be told.

    `transactions_refused`: why it would not begin a transaction; None where it would, or was not asked.
    """

    cluster_id: str
    brokers: int
    release: str
    operations: frozenset[str] | None
    topics: Mapping[str, TopicFacts]
    group: GroupFacts
    ends: Mapping[Partition, LogEnds] = {}
    committed: Mapping[Partition, int | None] = {}
    transactions_refused: str | None = None


class DatabaseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A PostgreSQL that answered.

    `schema_fault` is what is wrong with its migrations, None if nothing; `missing_rights` are written as
    `select on milestone`. `clock_ahead_s`: its clock less this machine's.
    """

    version: str
    version_number: int
    role: str
    is_superuser: bool
    is_read_only: bool
    encoding: str
    settings: Mapping[str, str]
    connections_free: int
    clock_ahead_s: float
    schema_fault: str | None = None
    missing_rights: tuple[str, ...] = ()
