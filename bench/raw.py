"""How fast this client consumes a topic and counts. Prints one JSON line.

`ahead` fetches 300 MB ahead, with the client's own defaults for the rest, one of which is to wait for a second once the
queue was full: so it was measured in the table that this project began with, and so the bars are meant. `worker` has
the worker's settings, with which the queue never runs dry.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Mapping
from typing import Final

from confluent_kafka import Consumer

from bench.memory import peak_mb
from consumer.core.inputs import Inputs
from consumer.kafka.settings import input_settings

_OF_THE_WORKER: Final = input_settings({"bootstrap.servers": "", "group.id": ""}, Inputs(("any",)))
FETCHED_WELL: Final = {
    name: _OF_THE_WORKER[name]
    for name in ("queued.min.messages", "queued.max.messages.kbytes", "fetch.queue.backoff.ms")
}
"""A small queue that is filled again at once: two and a half times the rate of `FAR_AHEAD`."""

FAR_AHEAD: Final = {"queued.min.messages": 100_000, "queued.max.messages.kbytes": 300_000}


def reader(servers: str, group: str, fetched: Mapping[str, object] = FAR_AHEAD) -> Consumer:
    """A consumer from the beginning of a topic."""
    return Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"{group}-{time.time_ns()}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "fetch.message.max.bytes": 4 << 20,
            "fetch.max.bytes": 64 << 20,
            **fetched,
        }
    )


def like_the_worker(servers: str, topic: str) -> Consumer:
    """A consumer with the worker's settings, from the beginning."""
    kafka = {"bootstrap.servers": servers, "group.id": f"like-{time.time_ns()}"}
    return Consumer({**input_settings(kafka, Inputs((topic,))), "auto.offset.reset": "earliest"})


def main() -> None:
    """Arguments: bootstrap servers, topic, number of records, `ahead` or `worker`."""
    servers, topic, records = sys.argv[1], sys.argv[2], int(sys.argv[3])
    consumer = reader(servers, "raw") if sys.argv[4] == "ahead" else like_the_worker(servers, topic)
    assigned: list[float] = []
    # From the assignment on: what is fetched before the first call returns was not read for nothing.
    consumer.subscribe([topic], on_assign=lambda *_: assigned.append(time.perf_counter()))
    count = 0
    while count < records:
        count += len(consumer.consume(10_000 if sys.argv[4] == "ahead" else 500, 0.2))
    seconds = time.perf_counter() - assigned[0]
    usage = resource.getrusage(resource.RUSAGE_SELF)
    consumer.close()
    print(json.dumps({"rate": count / seconds, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
