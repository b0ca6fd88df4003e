"""A partition is read from where its watermarks say, whatever the client was about to do when it was told so."""

import time
from contextlib import closing

import pytest

from tests.processes.assigned import PARTITIONS, Assigned
from tests.processes.workers import Deployment

_RECORDS = 400


def _fill(deployment: Deployment) -> None:
    deployment.create(PARTITIONS)
    producer = deployment.producer()
    for number in range(_RECORDS):
        producer.produce(deployment.topic, b"{}", b"{}", number % PARTITIONS)
    assert producer.flush(30) == 0


@pytest.mark.fault("52", "partitions are taken up while the client looks their places up again")
def test_a_partition_that_is_taken_up_while_the_client_looks_up_its_place_loses_nothing(
    deployment: Deployment, native: bool
) -> None:
    _fill(deployment)
    # The client tries again after half a second.
    for delay_ms in range(470, 540, 5):
        with closing(Assigned(deployment, native=native)) as source:
            began_s = time.monotonic()
            while time.monotonic() - began_s < delay_ms / 1_000:
                source.poll(1, 1 << 20, 0.01)
            source.take_up(deployment.topic)
            assert source.firsts() == dict.fromkeys(range(PARTITIONS), 0), delay_ms


@pytest.mark.parametrize("strays_to", [50, _RECORDS // PARTITIONS], ids=["into the log", "to its end"])
def test_a_client_that_reads_elsewhere_is_called_back(deployment: Deployment, native: bool, strays_to: int) -> None:
    _fill(deployment)
    with closing(Assigned(deployment, native=native)) as source:
        source.take_up(deployment.topic, 10)
        source.stray(deployment.topic, strays_to)
        assert source.firsts() == dict.fromkeys(range(PARTITIONS), 10)


def test_what_is_not_in_the_log_any_more_is_passed_over_once_that_is_certain(
    deployment: Deployment, native: bool
) -> None:
    deployment.create(PARTITIONS)
    aborted = deployment.producer({"transactional.id": deployment.topic})
    aborted.init_transactions(30)
    for end in (aborted.abort_transaction, aborted.commit_transaction):
        aborted.begin_transaction()
        for number in range(PARTITIONS):
            aborted.produce(deployment.topic, b"{}", b"{}", number)
        assert aborted.flush(30) == 0
        end(30)
    with closing(Assigned(deployment, native=native)) as source:
        source.take_up(deployment.topic)
        # Behind the aborted record and its marker.
        assert source.firsts() == dict.fromkeys(range(PARTITIONS), 2)
    with closing(Assigned(deployment, native=native)) as source:
        source.take_up(deployment.topic, 3)
        assert source.moved_to() == dict.fromkeys(range(PARTITIONS), 4)


def test_a_position_moves_behind_a_marker_while_other_partitions_are_busy(deployment: Deployment, native: bool) -> None:
    deployment.create(PARTITIONS)
    source_of_one = deployment.producer({"transactional.id": deployment.topic})
    source_of_one.init_transactions(30)
    source_of_one.begin_transaction()
    source_of_one.produce(deployment.topic, b"{}", b"{}", 0)
    source_of_one.commit_transaction(30)
    busy = deployment.producer()
    with closing(Assigned(deployment, native=native)) as source:
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
