"""A worker goes on by itself, or says why it cannot: no partition stays dead while the process lives."""

from collections.abc import Callable

import pytest
from confluent_kafka import TopicPartition

from tests.processes.readings import assert_announced
from tests.processes.truth import changes, milestones
from tests.processes.workers import Deployment, WorkerProcess
from tests.services import KafkaService, PostgresService

Deploy = Callable[[KafkaService, str], Deployment]


def _overtaken_by_retention(deployment: Deployment, *arguments: str) -> WorkerProcess:
    """A worker that has read 200 records, and finds all but one of the next 400 gone when it comes back."""
    stream = changes(600)
    deployment.create(partitions=1)
    deployment.feed(stream[:200])
    worker = deployment.start(*arguments)
    deployment.wait_until_published()
    worker.freeze()
    # The frozen worker may have one fetch waiting at the broker: a single record answers it, so that the rest,
    # which is to be lost, cannot reach the worker's socket before it is deleted.
    deployment.feed(stream[200:201])
    deployment.feed(stream[201:])
    answer = deployment.admin.delete_records([TopicPartition(deployment.topic, 0, 600)])
    for removed in answer.values():
        removed.result(10.0)
    worker.go_on()
    return worker


@pytest.mark.fault("26", "offsets out of range: stop and advice")
def test_a_running_worker_that_retention_overtakes_stops_and_names_the_gap(deployment: Deployment) -> None:
    worker = _overtaken_by_retention(deployment)
    assert worker.ended() == 1
    assert "--allow-gap" in worker.log


@pytest.mark.fault("26", "offsets out of range, with --allow-gap")
def test_a_running_worker_that_may_leave_a_gap_goes_on_behind_it(deployment: Deployment) -> None:
    worker = _overtaken_by_retention(deployment, "--allow-gap")
    after = changes(900)[600:]
    deployment.feed(after)
    deployment.wait_until_published()
    assert worker.is_running
    deployment.drain()
    rows = deployment.rows()
    # All but the occurrence, which counts what came before the gap.
    behind = [row.reached[:-1] for row in rows if row.offset >= 600]
    assert sorted(behind, key=str) == sorted((reached[:-1] for reached in milestones(after)), key=str)
    assert_announced(deployment.events(), rows)


@pytest.mark.fault("15", "PostgreSQL away at the start")
def test_a_worker_that_starts_before_postgres_waits_for_it(
    kafka: KafkaService, own_postgres: PostgresService, deploy: Deploy
) -> None:
    deployment = deploy(kafka, own_postgres.create_database())
    stream = changes(300)
    deployment.create(partitions=2)
    deployment.feed(stream)
    own_postgres.terminate()
    worker = deployment.start()
    deployment.wait(lambda: "waiting for a server" in worker.log, "it waits for PostgreSQL")
    own_postgres.start()
    deployment.wait_until_published()
    assert worker.is_running
    deployment.drain()
    deployment.assert_exactly(milestones(stream))


@pytest.mark.fault("41", "output topic missing")
def test_a_worker_whose_output_topic_is_gone_stops_and_names_it(deployment: Deployment) -> None:
    stream = changes(300)
    deployment.create(partitions=1)
    deployment.feed(stream[:100])
    worker = deployment.start()
    deployment.wait_until_published()
    for answer in deployment.admin.delete_topics([f"{deployment.topic}-reached"]).values():
        answer.result(10.0)
    deployment.feed(stream[100:])
    assert worker.ended() == 1
    assert f"{deployment.topic}-reached" in worker.log
    assert "create" in worker.log
