"""SQL in, milestones out: real databases, Debezium, converters and registry, against what the database logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import psycopg
import pytest

from tests.debezium import documents, oracle
from tests.debezium.changes import ChangeStream, steps
from tests.debezium.connectors import Config, avro_converter, json_converter
from tests.debezium.oracle import Document, Reached, Tracked
from tests.debezium.sources import MariaDBSource, PostgresSource
from tests.processes.workers import Deployment
from tests.services import ConnectService, KafkaService, MariaDBService, PostgresService, RegistryService

pytestmark = pytest.mark.all

_MILESTONES = """
select reference_type, reference_name, track_field, from_value, value
from milestone order by origin_partition, origin_offset, id
"""

# JSON without schemas says nothing of scales and NULLs unless it is told to.
_TEXT: Config = {
    **json_converter(schemas=False),
    "decimal.handling.mode": "string",
    "value.converter.replace.null.with.default": "false",
}
_CONVERTERS: Mapping[str, Callable[[RegistryService], Config]] = {
    "json": lambda registry: _TEXT,  # noqa: ARG005
    "json-schema": lambda registry: json_converter(schemas=True),  # noqa: ARG005
    "avro": avro_converter,
    "avro-confluent": lambda registry: avro_converter(registry, confluent=True),
}

# A long text that stays as it was is not in the new row, and the old one is not sent: what it was stood under the old
# name alone. That may be in another partition, and be read later than what happens under the new name.
_TOLD_BY_EVERY_RENAME = tuple(field for field in oracle.TRACKED if field != ("Task", "description"))


@pytest.fixture
def mariadb_stream(mariadb: MariaDBService, kafka: KafkaService, topic: str) -> ChangeStream:
    """Documents in a database of their own."""
    within = topic.replace("-", "_")
    return ChangeStream(topic, MariaDBSource(mariadb, kafka, within), documents.MARIADB, within, seed=11)


@pytest.fixture
def postgres_stream(logical_postgres: PostgresService, topic: str) -> ChangeStream:
    """Documents in a database of their own; orders with the whole old row, tasks with its key alone."""
    return ChangeStream(topic, PostgresSource(logical_postgres), documents.POSTGRES, "public", seed=12)


@pytest.mark.parametrize("converter", _CONVERTERS)
def test_rows_are_what_mariadb_itself_logged(
    mariadb_stream: ChangeStream,
    converter: str,
    connect: ConnectService,
    registry: RegistryService,
    deploy: Callable[[str], Deployment],
) -> None:
    deployment = _deployment(deploy(mariadb_stream.topic), registry, oracle.TRACKED, partitions=3)
    _live_through(mariadb_stream, deployment, connect, _CONVERTERS[converter](registry))
    _assert_as_logged(mariadb_stream, deployment, oracle.TRACKED)


@pytest.mark.parametrize("converter", _CONVERTERS)
@pytest.mark.parametrize("partitions", [1, 3])
def test_rows_are_what_postgres_itself_logged(
    postgres_stream: ChangeStream,
    converter: str,
    partitions: int,
    connect: ConnectService,
    registry: RegistryService,
    deploy: Callable[[str], Deployment],
) -> None:
    tracked = oracle.TRACKED if partitions == 1 else _TOLD_BY_EVERY_RENAME
    deployment = _deployment(deploy(postgres_stream.topic), registry, tracked, partitions)
    _live_through(postgres_stream, deployment, connect, _CONVERTERS[converter](registry))
    _assert_as_logged(postgres_stream, deployment, tracked)


def _deployment(deployment: Deployment, registry: RegistryService, tracked: Tracked, partitions: int) -> Deployment:
    deployment.config["trackers"] = oracle.trackers(tracked)
    deployment.config["input"]["registry"] = {"url": registry.confluent_api}
    deployment.create(partitions)
    return deployment


def _live_through(stream: ChangeStream, deployment: Deployment, connect: ConnectService, converter: Config) -> None:
    stream.start(deployment.kafka, connect, converter)
    for step in steps(stream, deployment.kafka, connect):
        step()
    deployment.finish()  # In the midst: what it learnt of documents must last.
    stream.work(60)
    stream.wait_until_sent(deployment.kafka, connect)
    deployment.finish()


def _assert_as_logged(stream: ChangeStream, deployment: Deployment, tracked: Tracked) -> None:
    logged = oracle.milestones(stream.source, tracked)
    assert len(logged) > 50
    assert deployment.dead_letters() == []
    deployment.assert_clean()
    found = _by_document(deployment)
    differ = {at for at in found.keys() | logged.keys() if found.get(at) != logged.get(at)}
    assert {at: found.get(at) for at in differ} == {at: logged.get(at) for at in differ}


def _by_document(deployment: Deployment) -> dict[Document, list[Reached]]:
    found: dict[Document, list[Reached]] = {}
    with psycopg.connect(deployment.dsn) as connection:
        rows: list[tuple[Any, ...]] = connection.execute(_MILESTONES).fetchall()
    for document_type, name, field, from_value, value in rows:
        found.setdefault((document_type, name, field), []).append(Reached(from_value, value))
    return found
