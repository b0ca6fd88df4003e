"""Starts one approval request for each milestone of one tracker: a subscriber to copy from.

A request is a row whose primary key is the event's id. The row is committed first and the offset after it, so a crash
at any moment brings at most the same events again, and `on conflict do nothing` passes over those that are there.
There is no code for shutting down: being killed is safe. Events may be in JSON or, with --registry, in Avro.
See docs/subscribing.md.

    python examples/approval.py --tracker "Sales Order-status" --dsn postgresql://approvals@127.0.0.1/approvals
"""

import argparse
import json
import os
from collections.abc import Callable
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

Reader = Callable[[bytes], Any]

TABLE = """
select pg_advisory_xact_lock(hashtext('approval_request'));  -- two that start at once would both create it
create table if not exists approval_request (
    id uuid primary key, reference_type text not null, reference_name text not null, value text not null,
    reached_at timestamptz not null, state text not null default 'pending', requested_at timestamptz default now()
)"""
REQUEST = """
insert into approval_request (id, reference_type, reference_name, value, reached_at)
values (%(id)s, %(reference_type)s, %(reference_name)s, %(value)s, %(reached_at)s)
on conflict (id) do nothing"""


def reader(registry: str | None) -> Reader:
    """What reads a value: JSON, or Avro with the schemas of a registry."""
    avro: Reader | None = None
    if registry is not None:
        from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415 - for Avro only
        from confluent_kafka.schema_registry.avro import AvroDeserializer  # noqa: PLC0415

        avro = AvroDeserializer(SchemaRegistryClient({"url": registry}))

    def read(value: bytes) -> Any:  # noqa: ANN401 - both give objects of any kind
        if not value.startswith(b"\x00"):
            return json.loads(value)
        if avro is None:
            raise SystemExit("the events are in Avro; name the schema registry with --registry")
        return avro(value)

    return read


def milestones(messages: list[Message], tracker: str, read: Reader) -> list[dict[str, object]]:
    """The milestones of one tracker among messages; event types of later versions are passed over."""
    reached = []
    for message in messages:
        if error := message.error():
            raise KafkaException(error)
        if dict(message.headers() or []).get("ce_type") == b"milestones.milestone-reached.v1":
            reached.append(read(message.value() or b"{}"))
    return [milestone for milestone in reached if milestone["milestone_tracker"] == tracker]


def follow(consumer: Consumer, database: psycopg.Connection, tracker: str, read: Reader) -> None:
    """Requests approvals for as long as the process lives."""
    while True:
        messages = consumer.consume(500, 0.2)
        if not messages:
            continue
        with database.transaction():
            database.cursor().executemany(REQUEST, milestones(messages, tracker, read))
        done = {(m.topic() or "", m.partition() or 0): (m.offset() or 0) + 1 for m in messages}
        try:
            consumer.commit(offsets=[TopicPartition(*place, offset) for place, offset in done.items()])
        except KafkaException as error:
            print(f"offsets not committed, these events may come again: {error}", flush=True)


def main() -> None:
    """Reads the options, makes the table, and follows the topic."""
    options = argparse.ArgumentParser(description="Start an approval request for each milestone of one tracker.")
    options.add_argument("--tracker", required=True)
    options.add_argument("--dsn", default=os.environ.get("POSTGRES_DSN"), help="default: $POSTGRES_DSN")
    options.add_argument("--bootstrap-servers", default=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"))
    options.add_argument("--registry", help="URL of the schema registry, for events in Avro")
    options.add_argument("--topic", default="milestone-reached")
    options.add_argument("--group", default="approvals")
    options.add_argument("-X", metavar="PROPERTY=VALUE", action="append", default=[], help="any librdkafka property")
    chosen = options.parse_args()
    consumer = Consumer(
        {
            **dict(setting.split("=", 1) for setting in chosen.X),
            "bootstrap.servers": chosen.bootstrap_servers,
            "group.id": chosen.group,
            "isolation.level": "read_committed",  # Events of aborted transactions are never seen.
            "enable.auto.commit": False,  # Offsets are committed here, behind the rows.
            "auto.offset.reset": "earliest",  # A new group begins with the oldest milestone.
        }
    )
    with psycopg.connect(chosen.dsn, autocommit=True) as database:
        database.execute(TABLE)  # Sent as one text, both statements are one transaction.
        consumer.subscribe([chosen.topic])
        follow(consumer, database, chosen.tracker, reader(chosen.registry))


if __name__ == "__main__":
    main()
