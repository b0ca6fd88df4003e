"""The job as a plain loop over three libraries: both sinks, one after the other, and no protocol around them."""

from __future__ import annotations

import sys

import msgspec
import psycopg
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from bench.peers.clock import Clock
from bench.raw import FETCHED_WELL, reader

_TRACKED = {"tabSales Order", "tabTask", "tabProject"}
INSERT = """
insert into peer select type, name, came_from, value, to_timestamp(ms / 1000.0), partition, at
from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::integer[], %s::bigint[])
     as u (type, name, came_from, value, ms, partition, at)
on conflict do nothing
"""


class Source(msgspec.Struct, gc=False):
    """Of the source block."""

    table: str


class Row(msgspec.Struct, gc=False):
    """Of a row."""

    name: str
    status: str | None = None


class Change(msgspec.Struct, gc=False):
    """Of an envelope."""

    source: Source
    ts_ms: int = 0
    before: Row | None = None
    after: Row | None = None


Milestone = tuple[str, str, str | None, str | None, int, int, int]
decode = msgspec.json.Decoder(Change).decode
encode = msgspec.json.Encoder().encode


def milestone(change: Change, partition: int, offset: int) -> Milestone | None:
    """What a change is, if it is one."""
    before, after = change.before, change.after
    if change.source.table not in _TRACKED or before is None or after is None or before.status == after.status:
        return None
    return change.source.table[3:], after.name, before.status, after.status, change.ts_ms, partition, offset


def main() -> None:
    """Arguments: servers, input topic, records, output topic, database."""
    servers, topic, records, output, dsn = sys.argv[1:6]
    consumer = reader(servers, "loop", FETCHED_WELL)
    producer = Producer(
        {"bootstrap.servers": servers, "linger.ms": 20, "compression.type": "lz4", "transactional.id": output}
    )
    producer.init_transactions()
    consumer.subscribe([topic])
    clock = Clock(int(records))
    with psycopg.connect(dsn) as connection:
        while not clock.done:
            messages = consumer.consume(10_000, 0.2)
            if messages:
                clock.begin()
                _write(messages, consumer, producer, output, connection)
                clock.tick(len(messages))
    consumer.close()
    clock.print()


def _write(
    messages: list[Message], consumer: Consumer, producer: Producer, output: str, connection: psycopg.Connection
) -> None:
    ends = {(m.topic() or "", m.partition() or 0): (m.offset() or 0) + 1 for m in messages}
    found = [milestone(decode(m.value() or b""), m.partition() or 0, m.offset() or 0) for m in messages]
    reached = [one for one in found if one is not None]
    if reached:
        connection.execute(INSERT, [list(column) for column in zip(*reached, strict=True)])
    connection.commit()
    producer.begin_transaction()
    for one in reached:
        producer.produce(output, encode(one), one[1])
    offsets = [TopicPartition(name, partition, end) for (name, partition), end in ends.items()]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata())
    producer.commit_transaction()


if __name__ == "__main__":
    main()
