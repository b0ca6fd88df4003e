"""A partition is read from where its watermarks say, whatever the client was about to do when it was told so."""

import time
from contextlib import closing

import pytest
from confluent_kafka import TopicPartition

from consumer.core.inputs import Inputs
from consumer.core.positions import Start
from consumer.core.records import Span
from consumer.kafka.source import Source
from consumer.kafka.subscription import place_at
from tests.processes.workers import Deployment

_PARTITIONS = 4
_RECORDS = 400


class _Assigned(Source):
    """Is assigned partitions while the client knows no broker yet, as under load; its group gives it none."""

    def __init__(self, deployment: Deployment) -> None:
        servers = {"bootstrap.servers": deployment.kafka.bootstrap_servers, "group.id": deployment.group}
        super().__init__(servers, Inputs((f"{deployment.topic}-none",)))
        self._on_assign(self._consumer, [TopicPartition(deployment.topic, number) for number in range(_PARTITIONS)])

    def moved_to(self, timeout_s: float = 10.0) -> dict[int, int]:
        """Where positions move to without records: behind markers."""
        found: dict[int, int] = {}
        deadline_s = time.monotonic() + timeout_s
        while len(found) < _PARTITIONS and time.monotonic() < deadline_s:
            batch = self.poll(10_000, 1 << 20, 0.1)
            found |= {key.partition: span.next_offset for key, span in (batch.spans if batch else {}).items()}
        return found

    def take_up(self, topic: str, offset: int = 0) -> None:
        """Lets all partitions be read."""
        for number in range(_PARTITIONS):
            self.start(Start(Span(topic, "id", number, offset, offset, offset), offset, None, known=False))

    def stray(self, topic: str, offset: int) -> None:
        """What a client does that mixes up places."""
        for number in range(_PARTITIONS):
            place_at(self._consumer, TopicPartition(topic, number, offset))

    def firsts(self, timeout_s: float = 10.0) -> dict[int, int]:
        """The offset that comes first from each partition."""
        found: dict[int, int] = {}
        deadline_s = time.monotonic() + timeout_s
        while len(found) < _PARTITIONS and time.monotonic() < deadline_s:
            batch = self.poll(10_000, 1 << 20, 0.1)
            for record in batch.records if batch else ():
                found.setdefault(record.partition() or 0, record.offset() or 0)
        return found


def _fill(deployment: Deployment) -> None:
    deployment.create(_PARTITIONS)
    producer = deployment.producer()
    for number in range(_RECORDS):
        producer.produce(deployment.topic, b"{}", b"{}", number % _PARTITIONS)
    assert producer.flush(30) == 0


@pytest.mark.fault("52", "partitions are taken up while the client looks their places up again")
def test_a_partition_that_is_taken_up_while_the_client_looks_up_its_place_loses_nothing(deployment: Deployment) -> None:
    _fill(deployment)
    # The client tries again after half a second.
    for delay_ms in range(470, 540, 5):
        with closing(_Assigned(deployment)) as source:
            began_s = time.monotonic()
            while time.monotonic() - began_s < delay_ms / 1_000:
                source.poll(1, 1 << 20, 0.01)
            source.take_up(deployment.topic)
            assert source.firsts() == dict.fromkeys(range(_PARTITIONS), 0), delay_ms


@pytest.mark.parametrize("strays_to", [50, _RECORDS // _PARTITIONS], ids=["into the log", "to its end"])
def test_a_client_that_reads_elsewhere_is_called_back(deployment: Deployment, strays_to: int) -> None:
    _fill(deployment)
    with closing(_Assigned(deployment)) as source:
        source.take_up(deployment.topic, 10)
        source.stray(deployment.topic, strays_to)
        assert source.firsts() == dict.fromkeys(range(_PARTITIONS), 10)


def test_what_is_not_in_the_log_any_more_is_passed_over_once_that_is_certain(deployment: Deployment) -> None:
    deployment.create(_PARTITIONS)
    aborted = deployment.producer({"transactional.id": deployment.topic})
    aborted.init_transactions(30)
    for end in (aborted.abort_transaction, aborted.commit_transaction):
        aborted.begin_transaction()
        for number in range(_PARTITIONS):
            aborted.produce(deployment.topic, b"{}", b"{}", number)
        assert aborted.flush(30) == 0
        end(30)
    with closing(_Assigned(deployment)) as source:
        source.take_up(deployment.topic)
        # Behind the aborted record and its marker.
        assert source.firsts() == dict.fromkeys(range(_PARTITIONS), 2)
    with closing(_Assigned(deployment)) as source:
        source.take_up(deployment.topic, 3)
        assert source.moved_to() == dict.fromkeys(range(_PARTITIONS), 4)


def test_a_position_moves_behind_a_marker_while_other_partitions_are_busy(deployment: Deployment) -> None:
    deployment.create(_PARTITIONS)
    source_of_one = deployment.producer({"transactional.id": deployment.topic})
    source_of_one.init_transactions(30)
    source_of_one.begin_transaction()
    source_of_one.produce(deployment.topic, b"{}", b"{}", 0)
    source_of_one.commit_transaction(30)
    busy = deployment.producer()
    with closing(_Assigned(deployment)) as source:
        source.take_up(deployment.topic)
        moved: dict[int, int] = {}
        deadline_s = time.monotonic() + 10.0
        while moved.get(0) != 2 and time.monotonic() < deadline_s:
            busy.produce(deployment.topic, b"{}", b"{}", 1)
            busy.flush(10)
            batch = source.poll(10_000, 1 << 20, 0.1)
            if batch is not None:
                moved |= {key.partition: span.next_offset for key, span in batch.spans.items()}
                source.advance(batch)
    assert moved[0] == 2
