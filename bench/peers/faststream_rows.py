"""The job in FastStream: rows, at least once (acknowledged after the insert), large batches.

Fetched are 300 MB ahead (`ahead`), as in the table that this project began with, or as the worker does it (`worker`).
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import psycopg
from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker

from bench.peers.clock import Clock
from bench.peers.loop import INSERT, decode, milestone
from bench.raw import FAR_AHEAD, FETCHED_WELL

servers, topic, records, _output, dsn, fetched = sys.argv[1:7]
clock = Clock(int(records))
broker = KafkaBroker(
    servers,
    apply_types=False,
    logger=None,
    config=FAR_AHEAD if fetched == "ahead" else FETCHED_WELL,
)
app = FastStream(broker, logger=None)
connections: list[psycopg.AsyncConnection[Any]] = []


@app.on_startup
async def connect() -> None:
    """To the database."""
    connections.append(await psycopg.AsyncConnection.connect(dsn))


async def decoded(message: Any) -> list[Any]:  # noqa: ANN401 - the library's own
    """Every value of a batch."""
    return [decode(value) for value in message.body]


@broker.subscriber(
    topic,
    group_id=f"faststream-{time.time_ns()}",
    auto_offset_reset="earliest",
    batch=True,
    max_records=10_000,
    ack_policy=AckPolicy.MANUAL,
    decoder=decoded,
    fetch_max_bytes=64 << 20,
    max_partition_fetch_bytes=4 << 20,
)
async def handle(changes: list[Any]) -> None:
    """One batch."""
    clock.begin()
    batch = broker.context.get_local("message")
    found = [
        milestone(change, raw.partition(), raw.offset()) for change, raw in zip(changes, batch.raw_message, strict=True)
    ]
    reached = [one for one in found if one is not None]
    connection = connections[0]
    if reached:
        await connection.execute(INSERT, [list(column) for column in zip(*reached, strict=True)])
        await connection.commit()
    await batch.ack()
    clock.tick(len(changes))
    if clock.done:
        app.exit()


asyncio.run(app.run())
clock.print()
