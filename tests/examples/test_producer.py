"""`examples/producer.py` on real Kafka and PostgreSQL: killed at random moments, it sends every change in order."""

import json
import random
import threading
import time

import psycopg
from jsonschema import Draft202012Validator

from tests.examples.outbox import EXAMPLE, document_change, make_outbox, producing, unsent, write
from tests.processes.readings import Event, events
from tests.processes.truth import Change, changes
from tests.services import KafkaService
from tests.services.service import wait_until

CHANGES = 600
KILLS = 5
PARTITIONS = 3
SCHEMA = json.loads((EXAMPLE.parents[1] / "schemas" / "document-change.schema.json").read_text(encoding="utf-8"))


def _sent(kafka: KafkaService, topic: str) -> list[Event]:
    return events(kafka.bootstrap_servers, topic)


def _of_each_document(sent: list[Event]) -> dict[tuple[str, str], list[str]]:
    """Document to the ids of its changes, in the order of its partition, each where it came first."""
    found: dict[tuple[str, str], list[str]] = {}
    for event in sent:
        source = json.loads(event.value or b"")["source"]
        ids = found.setdefault((source["document_type"], (event.key or b"").decode()), [])
        if source["id"] not in ids:
            ids.append(source["id"])
    return found


def _expected(stream: list[Change]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for change in stream:
        found.setdefault((change.document_type, change.name), []).append(change.gtid)
    return found


def test_every_change_is_sent_in_order_however_often_the_producer_is_killed(
    kafka: KafkaService, database: str, topic: str
) -> None:
    kafka.create_topic(topic, partitions=PARTITIONS)
    make_outbox(database)
    stream, moments = changes(CHANGES), random.Random(5)
    writing = threading.Thread(target=write, args=(database, stream, 0.005))
    writing.start()
    for _ in range(KILLS):
        with producing(kafka, database, topic) as producer:
            time.sleep(moments.uniform(0.3, 0.9))
            assert producer.poll() is None
    writing.join(60.0)
    with producing(kafka, database, topic):
        wait_until(lambda: unsent(database) == 0, timeout_s=60.0, what="all is sent")
    assert _of_each_document(_sent(kafka, topic)) == _expected(stream)


def test_each_record_is_as_the_schema_says_and_each_document_stays_in_one_partition(
    kafka: KafkaService, database: str, topic: str
) -> None:
    kafka.create_topic(topic, partitions=PARTITIONS)
    make_outbox(database)
    stream = changes(60)
    write(database, stream)
    with producing(kafka, database, topic):
        wait_until(lambda: unsent(database) == 0, timeout_s=60.0, what="all is sent")
    sent = _sent(kafka, topic)
    values = [json.loads(event.value or b"") for event in sent]
    for value in values:
        Draft202012Validator(SCHEMA).validate(value)
    assert sorted(json.dumps(value, sort_keys=True) for value in values) == sorted(
        json.dumps(document_change(change), sort_keys=True) for change in stream
    )
    assert len({event.partition for event in sent}) == PARTITIONS
    assert len({(event.key, event.partition) for event in sent}) == len({event.key for event in sent})


def test_changes_of_a_transaction_that_is_rolled_back_are_not_sent(
    kafka: KafkaService, database: str, topic: str
) -> None:
    kafka.create_topic(topic)
    make_outbox(database)
    with psycopg.connect(database) as connection:
        connection.execute("insert into document_outbox (name, change) values ('GHOST', '{}')")
        connection.rollback()
    write(database, changes(1))
    with producing(kafka, database, topic):
        wait_until(lambda: unsent(database) == 0, timeout_s=60.0, what="all is sent")
    assert [event.key for event in _sent(kafka, topic)] == [changes(1)[0].name.encode()]
