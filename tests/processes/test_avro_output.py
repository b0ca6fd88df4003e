"""`output.format: avro` on real servers: each milestone once, whatever is killed, in both formats on one topic."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from consumer.app_audit import Progress
from consumer.app_replay import announce
from consumer.config import load
from consumer.core.replay import Selection
from tests.processes.readings import Event
from tests.processes.test_audit import audit
from tests.processes.truth import Reached, changes, milestones
from tests.processes.workers import Deployment
from tests.services import RegistryService, open_registry

pytestmark = pytest.mark.all


@pytest.fixture
def own_registry() -> Iterator[RegistryService]:
    with closing(open_registry(private=True)) as service:
        yield service


@pytest.fixture
def in_avro(deployment: Deployment, own_registry: RegistryService) -> Deployment:
    """A deployment that announces in Avro."""
    deployment.config["output"] |= {
        "format": "avro",
        "registry": {"url": own_registry.confluent_api, "timeout": 2},
        "register_schema": True,
    }
    return deployment


def told(deployment: Deployment, registry: RegistryService) -> list[tuple[str, Reached]]:
    """What a subscriber with Confluent's deserializer reads: ids and milestones."""
    with SchemaRegistryClient({"url": registry.confluent_api}) as client:
        deserialize = AvroDeserializer(client)
        context = SerializationContext(f"{deployment.topic}-reached", MessageField.VALUE)
        read = [(event.id, deserialize(event.value, context)) for event in deployment.events()]
    return [(id_, reached(datum)) for id_, datum in read]


def reached(datum: dict[str, Any]) -> Reached:
    """The milestone that a value tells of."""
    gtid = datum["source_identity"].partition("#")[0]
    document = datum["reference_type"], datum["reference_name"]
    return Reached(*document, datum["from_value"], datum["value"], gtid, datum["occurrence"])


def assert_told(deployment: Deployment, registry: RegistryService) -> None:
    """Every row is announced once, and as it stands."""
    found = told(deployment, registry)
    rows = [(row.id, row.reached) for row in deployment.rows()]
    assert len(found) == len(rows)
    assert dict(found) == dict(rows)


@pytest.mark.parametrize("point", ["stored", "produced", "offsets-sent"])
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_what_a_killed_worker_left_is_announced_as_it_was_stored(
    in_avro: Deployment, own_registry: RegistryService, point: str, guarantee: str
) -> None:
    stream = changes(1_000)
    in_avro.config["output"]["guarantee"] = guarantee
    in_avro.create(partitions=2)
    in_avro.feed(stream)
    assert in_avro.start("--until-end", fault=f"{point}:5:kill").ended() < 0
    in_avro.finish()
    found = told(in_avro, own_registry)
    assert set(found) == {(row.id, row.reached) for row in in_avro.rows()}
    assert Counter(row.reached for row in in_avro.rows()) == Counter(milestones(stream))
    if guarantee == "exactly_once":
        assert_told(in_avro, own_registry)
    in_avro.assert_clean()


def test_a_rewound_group_is_told_the_same_bytes_again(in_avro: Deployment) -> None:
    in_avro.create(partitions=1)
    in_avro.feed(changes(300))
    in_avro.finish()
    once = in_avro.events()
    in_avro.rewind_published({0: 0})
    in_avro.finish()
    again = in_avro.events()
    assert [event.content for event in again] == [event.content for event in once] * 2


def test_both_formats_on_one_topic_are_audited(in_avro: Deployment) -> None:
    in_avro.create(partitions=2)
    for format_, count in (("json", 400), ("avro", 800), ("json", 1_200)):
        in_avro.config["output"]["format"] = format_
        in_avro.feed(changes(1_200)[count - 400 : count])
        in_avro.finish()
        in_avro.assert_clean()
    kinds = {kind_of(event) for event in in_avro.events()}
    assert kinds == {(b"application/json", True), (b"application/avro", False)}
    # A row that says something else than its announcement in Avro.
    with psycopg.connect(in_avro.dsn) as connection:
        connection.execute("set session_replication_role = replica")
        [id_] = [event.id for event in in_avro.events() if kind_of(event)[0] == b"application/avro"][:1]
        connection.execute("update milestone set actor = 'somebody else' where id = %s", [id_])
    code, report = audit(in_avro)
    assert (code, report["differences"]) == (3, {"announced differently": 1, "different": 1})


def kind_of(event: Event) -> tuple[bytes | None, bool]:
    """What the event's header says of its value, and whether it is JSON."""
    return dict(event.headers)["content-type"], (event.value or b"").startswith(b"{")


def test_repairs_and_replays_are_in_avro_too(in_avro: Deployment, own_registry: RegistryService) -> None:
    stream = changes(400)
    in_avro.create(partitions=1)
    in_avro.feed(stream)
    in_avro.finish()
    with psycopg.connect(in_avro.dsn) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("delete from milestone where id = (select min(id::text)::uuid from milestone)")
    in_avro.kafka.delete_topic(f"{in_avro.topic}-reached")
    in_avro.kafka.create_topic(f"{in_avro.topic}-reached", 1)
    audit(in_avro, "--repair", "--execute")
    assert_told(in_avro, own_registry)
    in_avro.assert_clean()
    count = len(in_avro.events())
    steps = Progress(lambda _: None, lambda _: None)
    announce(load(in_avro.write_config()), Selection(), steps, execute=True)
    later = in_avro.events()[count:]
    assert len(later) == count
    assert {kind_of(event) for event in later} == {(b"application/avro", False)}
    assert all("replayed" in dict(event.headers) for event in later)


def test_a_schema_that_nobody_registered_is_a_stop(in_avro: Deployment) -> None:
    del in_avro.config["output"]["register_schema"]
    in_avro.create(partitions=1)
    in_avro.feed(changes(50))
    worker = in_avro.start()
    assert worker.ended() == 1
    assert f"subject {in_avro.topic}-reached-value has not this program's schema" in worker.log
    assert in_avro.rows() == []


def test_a_registry_that_is_away_is_waited_for(in_avro: Deployment, own_registry: RegistryService) -> None:
    own_registry.terminate()
    in_avro.create(partitions=1)
    in_avro.feed(changes(50))
    worker = in_avro.start()
    in_avro.wait(lambda: "the schema registry does not answer" in worker.log, "it says what it waits for")
    own_registry.start()
    in_avro.wait_until_published()
    in_avro.drain()
    assert_told(in_avro, own_registry)
    with SchemaRegistryClient({"url": own_registry.confluent_api}) as client:
        latest = client.get_latest_version(f"{in_avro.topic}-reached-value")
    assert json.loads(latest.schema.schema_str or "")["name"] == "MilestoneReached"
