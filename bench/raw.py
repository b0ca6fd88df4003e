"""The limit: how fast this client consumes the topic and counts. Prints one JSON line."""

from __future__ import annotations

import json
import resource
import sys
import time

from confluent_kafka import Consumer

from bench.memory import peak_mb


def reader(servers: str, group: str) -> Consumer:
    """A consumer that fetches as far ahead as it can, from the beginning."""
    return Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"{group}-{time.time_ns()}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "queued.min.messages": 100_000,
            "queued.max.messages.kbytes": 300_000,
            "fetch.message.max.bytes": 4 << 20,
            "fetch.max.bytes": 64 << 20,
        }
    )


def main() -> None:
    """Arguments: bootstrap servers, topic, number of records."""
    servers, topic, records = sys.argv[1], sys.argv[2], int(sys.argv[3])
    consumer = reader(servers, "raw")
    assigned: list[float] = []
    # From the assignment on: what is fetched before the first call returns was not read for nothing.
    consumer.subscribe([topic], on_assign=lambda *_: assigned.append(time.perf_counter()))
    count = 0
    while count < records:
        count += len(consumer.consume(10_000, 0.2))
    seconds = time.perf_counter() - assigned[0]
    usage = resource.getrusage(resource.RUSAGE_SELF)
    consumer.close()
    print(json.dumps({"rate": count / seconds, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
