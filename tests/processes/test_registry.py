"""A cold schema registry: the records that need it wait, all others go on, and nothing becomes a dead letter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import msgspec
import psycopg
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from tests.processes.workers import Deployment
from tests.services import RegistryService, open_registry
from tests.unit.avro import STATUS_SCHEMA, avro, change, confluent

pytestmark = pytest.mark.all

IN_AVRO, IN_JSON = 0, 1


@pytest.fixture
def own_registry() -> Iterator[RegistryService]:
    with closing(open_registry(private=True)) as service:
        yield service


def feed(deployment: Deployment, count: int, schema: int) -> None:
    """The same documents change in Avro in one partition, and others in JSON in another."""
    producer = deployment.producer()
    for at in range(count):
        avro_change = change("u", {"status": "Draft"}, {"status": f"s{at}"}, lsn=at)
        json_change = change("u", {"status": "Draft"}, {"status": f"s{at}"}, lsn=at)
        producer.produce(deployment.topic, confluent(schema, avro(STATUS_SCHEMA, avro_change)), f"A-{at % 7}", IN_AVRO)
        producer.produce(deployment.topic, msgspec.json.encode(json_change), f"J-{at % 7}", IN_JSON)
    assert producer.flush(60) == 0


def rows(deployment: Deployment, prefix: str) -> int:
    with psycopg.connect(deployment.dsn) as connection:
        counted = connection.execute(
            "select count(*), count(distinct id) from milestone where reference_name like %s", [f"{prefix}-%"]
        ).fetchone()
    assert counted is not None
    assert counted[0] == counted[1]
    return int(counted[0])


def registered(registry: RegistryService) -> int:
    with SchemaRegistryClient({"url": registry.confluent_api}) as client:
        number: int = client.register_schema(
            "status-value", Schema(msgspec.json.encode(STATUS_SCHEMA).decode(), "AVRO")
        )
    return number


def deployed(deployment: Deployment, registry: RegistryService) -> None:
    deployment.config["input"]["registry"] = {"url": registry.confluent_api, "timeout": 2}
    deployment.config["trackers"] = [{"document_type": "Sales Order", "track_field": "status"}]
    deployment.create(partitions=2)


@pytest.mark.fault("28", "registry down, cold cache")
def test_a_partition_waits_for_a_registry_that_is_away(deployment: Deployment, own_registry: RegistryService) -> None:
    deployed(deployment, own_registry)
    number = registered(own_registry)
    own_registry.terminate()
    feed(deployment, 120, number)
    worker = deployment.start()
    deployment.wait(lambda: rows(deployment, "J") == 120, "the other partition goes on")
    deployment.wait(lambda: "partitions wait for a schema" in worker.log, "it says what it waits for")
    assert rows(deployment, "A") == 0
    own_registry.start()
    assert registered(own_registry) == number
    deployment.wait(lambda: rows(deployment, "A") == 120, "the registry is back")
    deployment.wait_until_published()
    deployment.drain()
    assert (len(deployment.events()), deployment.dead_letters()) == (240, [])


@pytest.mark.fault("28", "registry down, warm cache")
def test_a_worker_that_knows_the_schema_needs_no_registry(
    deployment: Deployment, own_registry: RegistryService
) -> None:
    deployed(deployment, own_registry)
    number = registered(own_registry)
    feed(deployment, 30, number)
    worker = deployment.start()
    deployment.wait_until_published()
    own_registry.terminate()
    feed(deployment, 60, number)
    deployment.wait_until_published()
    deployment.drain()
    assert "wait for a schema" not in worker.log
    # The second time the first 30 changes are the same ones.
    assert (rows(deployment, "A"), deployment.dead_letters()) == (60, [])


@pytest.mark.fault("30", "Avro with a wrong magic byte, cut, with bytes behind")
def test_avro_that_is_damaged_is_a_dead_letter_and_the_rest_goes_on(
    deployment: Deployment, own_registry: RegistryService
) -> None:
    deployed(deployment, own_registry)
    number = registered(own_registry)
    good = confluent(number, avro(STATUS_SCHEMA, change("u", {"status": "Draft"}, {"status": "Open"}, lsn=1)))
    damaged = [b"\x01" + good[1:], good[:3], good[: len(good) // 2], good + b"\x00"]
    producer = deployment.producer()
    for value in damaged:
        producer.produce(deployment.topic, value, b"B-1", IN_AVRO)
    assert producer.flush(60) == 0
    feed(deployment, 30, number)
    deployment.finish()
    letters = deployment.dead_letters()
    assert [letter.value for letter in letters] == damaged
    assert {letter.reason("error.class") for letter in letters} == {"MalformedRecord"}
    assert (rows(deployment, "A"), rows(deployment, "J")) == (30, 30)


@pytest.mark.fault("29", "a schema that comes after its records")
def test_a_schema_that_comes_after_its_records_is_waited_for(
    deployment: Deployment, own_registry: RegistryService
) -> None:
    deployed(deployment, own_registry)
    feed(deployment, 60, 1)
    worker = deployment.start()
    deployment.wait(lambda: rows(deployment, "J") == 60, "the other partition goes on")
    deployment.wait(lambda: "does not know id 1 yet" in worker.log, "it says what it waits for")
    assert registered(own_registry) == 1
    deployment.wait(lambda: rows(deployment, "A") == 60, "the schema came")
    deployment.wait_until_published()
    deployment.drain()
    assert (len(deployment.events()), deployment.dead_letters()) == (120, [])


def test_a_waiting_partition_that_another_worker_takes_over_waits_there(
    deployment: Deployment, own_registry: RegistryService
) -> None:
    deployed(deployment, own_registry)
    number = registered(own_registry)
    feed(deployment, 30, number)
    first = deployment.start()
    deployment.wait_until_published()
    own_registry.terminate()
    first.kill()
    feed(deployment, 30, number)
    second = deployment.start()
    deployment.wait(lambda: "partitions wait for a schema" in second.log, "the second waits")
    second.kill()
    own_registry.start()
    registered(own_registry)
    deployment.finish()
    assert (rows(deployment, "A"), rows(deployment, "J")) == (30, 30)
    assert deployment.dead_letters() == []
