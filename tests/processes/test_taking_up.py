"""A partition is read from where its watermarks say, whatever the client was about to do when it was told so."""

import time

import pytest
from confluent_kafka import TopicPartition

from consumer.core.inputs import Inputs
from consumer.core.positions import Start
from consumer.core.records import Span
from consumer.kafka.source import Source
from tests.processes.workers import Deployment

_PARTITIONS = 4
_RECORDS = 400


class _Assigned(Source):
    """Is assigned partitions while the client knows no broker yet, as under load; its group gives it none."""

    def __init__(self, deployment: Deployment) -> None:
        servers = {"bootstrap.servers": deployment.kafka.bootstrap_servers, "group.id": deployment.group}
        super().__init__(servers, Inputs((f"{deployment.topic}-none",)))
        self._on_assign(self._consumer, [TopicPartition(deployment.topic, number) for number in range(_PARTITIONS)])

    def firsts(self, timeout_s: float = 10.0) -> dict[int, int]:
        """The offset that comes first from each partition."""
        found: dict[int, int] = {}
        deadline_s = time.monotonic() + timeout_s
        while len(found) < _PARTITIONS and time.monotonic() < deadline_s:
            batch = self.poll(10_000, 1 << 20, 0.1)
            for record in batch.records if batch else ():
                found.setdefault(record.partition() or 0, record.offset() or 0)
        return found


@pytest.mark.fault("52", "partitions are taken up while the client looks their places up again")
def test_a_partition_that_is_taken_up_while_the_client_looks_up_its_place_loses_nothing(deployment: Deployment) -> None:
    deployment.create(_PARTITIONS)
    producer = deployment.producer()
    for number in range(_RECORDS):
        producer.produce(deployment.topic, b"{}", b"{}", number % _PARTITIONS)
    assert producer.flush(30) == 0
    # The client tries again after half a second.
    for delay_ms in range(470, 540, 5):
        source = _Assigned(deployment)
        try:
            began_s = time.monotonic()
            while time.monotonic() - began_s < delay_ms / 1_000:
                source.poll(1, 1 << 20, 0.01)
            for number in range(_PARTITIONS):
                source.start(Start(Span(deployment.topic, "id", number, 0, 0, 0), 0, None, known=False))
            assert source.firsts() == dict.fromkeys(range(_PARTITIONS), 0), delay_ms
        finally:
            source.close()
