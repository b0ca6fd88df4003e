"""A source whose partitions a test assigns, without a group."""

from __future__ import annotations

import time

from confluent_kafka import TopicPartition

from consumer.core.inputs import Inputs
from consumer.core.positions import Start
from consumer.core.records import Span
from consumer.kafka.source import Source
from tests.processes.workers import Deployment
from tests.unit.samples import TOPIC_ID

PARTITIONS = 4


class Assigned(Source):
    """Is assigned partitions while the client knows no broker yet, as under load; its group gives it none."""

    def __init__(self, deployment: Deployment, *, native: bool) -> None:
        servers = {"bootstrap.servers": deployment.kafka.bootstrap_servers, "group.id": deployment.group}
        super().__init__(servers, Inputs((f"{deployment.topic}-none",)), native=native)
        self.assign(deployment.topic)

    def assign(self, topic: str) -> None:
        """As the group would."""
        self._on_assign(self._consumer, [TopicPartition(topic, number) for number in range(PARTITIONS)])

    def moved_to(self, timeout_s: float = 10.0) -> dict[int, int]:
        """Where positions move to without records: behind markers."""
        found: dict[int, int] = {}
        deadline_s = time.monotonic() + timeout_s
        while len(found) < PARTITIONS and time.monotonic() < deadline_s:
            batch = self.poll(10_000, 1 << 20, 0.1)
            found |= {key.partition: span.next_offset for key, span in (batch.spans if batch else {}).items()}
        return found

    def take_up(self, topic: str, offset: int = 0) -> None:
        """Lets all partitions be read."""
        for number in range(PARTITIONS):
            self.start(Start(Span(topic, TOPIC_ID, number, offset, offset, offset), offset, None, known=False))

    def stray(self, topic: str, offset: int) -> None:
        """What a client does that mixes up places."""
        for number in range(PARTITIONS):
            self._place(TopicPartition(topic, number, offset))

    def firsts(self, timeout_s: float = 10.0) -> dict[int, int]:
        """The offset that comes first from each partition."""
        found: dict[int, int] = {}
        deadline_s = time.monotonic() + timeout_s
        while len(found) < PARTITIONS and time.monotonic() < deadline_s:
            batch = self.poll(10_000, 1 << 20, 0.1)
            for record in batch.records if batch else ():
                found.setdefault(record.partition() or 0, record.offset() or 0)
        return found

    @property
    def intake(self) -> type:
        """In which way records come."""
        return type(self._intake)
