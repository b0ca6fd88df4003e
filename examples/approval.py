"""Starts one approval request for each milestone of one tracker: a subscriber to copy from.

A request is a row whose primary key is the event's id. The row is committed first and the offset after it, so a crash
at any moment brings at most the same events again, and `on conflict do nothing` passes over those that are there.
There is no code for shutting down: being killed is safe. See docs/subscribing.md.

    python examples/approval.py --tracker "Sales Order-status" --dsn postgresql://approvals@127.0.0.1/approvals
"""

import argparse
import json
import os

import psycopg
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

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


def milestones(messages: list[Message], tracker: str) -> list[dict[str, object]]:
    """The milestones of one tracker among messages; event types of later versions are passed over."""
    reached = []
    for message in messages:
        if error := message.error():
            raise KafkaException(error)
        if dict(message.headers() or []).get("ce_type") == b"milestones.milestone-reached.v1":
            reached.append(json.loads(message.value() or b"{}"))
    return [milestone for milestone in reached if milestone["milestone_tracker"] == tracker]


def follow(consumer: Consumer, database: psycopg.Connection, tracker: str) -> None:
    """Requests approvals for as long as the process lives."""
    while True:
        messages = consumer.consume(500, 0.2)
        if not messages:
            continue
        with database.transaction():
            database.cursor().executemany(REQUEST, milestones(messages, tracker))
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
        follow(consumer, database, chosen.tracker)


if __name__ == "__main__":
    main()
