"""From a change record's time stamp to its event in a read_committed subscriber, at a steady rate."""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, TopicPartition

from bench.generate import Mix, create_topic, paced

_WARM_UP_S = 3.0


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds."""

    p50_ms: float
    p99_ms: float
    events: int


class Load(msgspec.Struct, frozen=True):
    """So many records a second, for so many seconds."""

    records_per_s: int
    seconds: float
    mix: Mix


class _Event(msgspec.Struct):
    origin: dict[str, str | int]


def measure(servers: str, config: Path, topics: tuple[str, str], load: Load) -> Latency:
    """Runs the program on an empty topic, sends at a rate, and times the events."""
    input_topic, output_topic = topics
    create_topic(servers, input_topic, 4)
    create_topic(servers, output_topic, 4)
    worker = subprocess.Popen([sys.executable, "-m", "consumer", "run", "--config", str(config)])
    try:
        seen = _Subscriber(servers, output_topic)
        time.sleep(_WARM_UP_S)
        sent = paced(servers, input_topic, load.records_per_s, load.seconds, load.mix)
        arrived = seen.wait(sent.milestones)
    finally:
        worker.terminate()
        worker.wait(30)
    return _latency(arrived, _sent_at(servers, input_topic, sent.records), sent.milestones)


class _Subscriber:
    """Reads read_committed in a thread and notes when each origin arrived."""

    def __init__(self, servers: str, topic: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "latency",
                "isolation.level": "read_committed",
            }
        )
        self._consumer.assign([TopicPartition(topic, number, 0) for number in range(4)])
        self._arrived: dict[tuple[int, int], float] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        decode = msgspec.json.Decoder(_Event).decode
        while not self._done.is_set():
            message = self._consumer.poll(0.1)
            if message is None or message.error() is not None:
                continue
            origin = decode(message.value() or b"").origin
            self._arrived[int(origin["partition"]), int(origin["offset"])] = time.time() * 1000

    def wait(self, events: int) -> dict[tuple[int, int], float]:
        deadline = time.monotonic() + 30
        while len(self._arrived) < events and time.monotonic() < deadline:
            time.sleep(0.1)
        self._done.set()
        self._thread.join()
        self._consumer.close()
        return self._arrived


def _sent_at(servers: str, topic: str, records: int) -> dict[tuple[int, int], int]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "latency-sent"})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(4)])
    sent: dict[tuple[int, int], int] = {}
    while len(sent) < records:
        for message in consumer.consume(10_000, 1.0):
            if message.error() is None:
                sent[message.partition() or 0, message.offset() or 0] = message.timestamp()[1]
    consumer.close()
    return sent


def _latency(arrived: Mapping[tuple[int, int], float], sent: Mapping[tuple[int, int], int], milestones: int) -> Latency:
    """The first second is left out: the worker has just begun."""
    begin = min(sent.values()) + 1_000
    if len(arrived) != milestones:
        raise RuntimeError(f"{len(arrived)} events arrived, not {milestones}")
    times = sorted(at - sent[origin] for origin, at in arrived.items() if sent[origin] >= begin)
    cuts = statistics.quantiles(times, n=100)
    return Latency(round(cuts[49], 1), round(cuts[98], 1), len(times))
