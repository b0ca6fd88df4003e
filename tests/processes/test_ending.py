"""A worker that is asked to end does, whichever server is away: within the grace time, with 0; asked twice, at once."""

import time
from collections.abc import Callable

import psycopg
import pytest

from tests.processes.truth import changes, milestones
from tests.processes.workers import Deployment, WorkerProcess
from tests.services import KafkaService, PostgresService

Deploy = Callable[[KafkaService, str], Deployment]

_GRACE_S = 28.0


def _at_work(deployment: Deployment, guarantee: str = "exactly_once") -> WorkerProcess:
    """A worker with much before it."""
    deployment.config["output"]["guarantee"] = guarantee
    deployment.create(partitions=2)
    deployment.feed(changes(4_000))
    worker = deployment.start()
    deployment.wait(lambda: sum(deployment.stored().values()) > 200, "some are stored")
    return worker


def _ends_well(worker: WorkerProcess) -> None:
    worker.terminate()
    assert worker.ended(_GRACE_S) == 0, worker.log[-4_000:]
    assert "Traceback" not in worker.log


@pytest.mark.fault("9", "SIGTERM without a broker")
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
@pytest.mark.parametrize("after_s", [0.0, 4.0], ids=["at once", "after a while"])
def test_a_worker_without_its_broker_ends_within_the_grace_time(
    own_kafka: KafkaService, database: str, deploy: Deploy, guarantee: str, after_s: float
) -> None:
    deployment = deploy(own_kafka, database)
    worker = _at_work(deployment, guarantee)
    own_kafka.kill()
    time.sleep(after_s)
    _ends_well(worker)
    own_kafka.start()
    deployment.finish()
    rows = deployment.rows()
    assert len(rows) == len(milestones(changes(4_000)))


@pytest.mark.fault("9", "SIGTERM without PostgreSQL")
@pytest.mark.parametrize("after_s", [0.0, 4.0], ids=["at once", "after a while"])
def test_a_worker_without_postgres_ends_within_the_grace_time(
    kafka: KafkaService, own_postgres: PostgresService, deploy: Deploy, after_s: float
) -> None:
    deployment = deploy(kafka, own_postgres.create_database())
    worker = _at_work(deployment)
    own_postgres.kill()
    time.sleep(after_s)
    _ends_well(worker)
    own_postgres.start()
    deployment.finish()
    deployment.assert_exactly(milestones(changes(4_000)))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_worker_that_waits_for_postgres_at_its_start_ends_with_0(
    kafka: KafkaService, own_postgres: PostgresService, deploy: Deploy, workers: str
) -> None:
    deployment = deploy(kafka, own_postgres.create_database())
    deployment.create(partitions=1)
    own_postgres.terminate()
    worker = deployment.start("--workers", workers)
    deployment.wait(lambda: "waiting for a server" in worker.log, "it waits for PostgreSQL")
    _ends_well(worker)


def test_a_worker_that_waits_for_the_broker_at_its_start_ends_with_0(
    own_kafka: KafkaService, database: str, deploy: Deploy
) -> None:
    deployment = deploy(own_kafka, database)
    deployment.create(partitions=1)
    own_kafka.terminate()
    worker = deployment.start()
    deployment.wait(lambda: "waiting for a server" in worker.log, "it waits for Kafka")
    _ends_well(worker)


@pytest.mark.fault("9", "a second SIGTERM")
def test_asked_twice_a_worker_ends_at_once(deployment: Deployment) -> None:
    # It then waits for PostgreSQL for a sixth of that.
    deployment.config["kafka"]["session.timeout.ms"] = 30_000
    worker = _at_work(deployment)
    with psycopg.connect(deployment.dsn) as connection:
        connection.execute("select 1 from stream_position for update")
        worker.terminate()
        time.sleep(1.0)
        assert worker.is_running
        worker.terminate()
        assert worker.ended(1.0) == 128 + 15
    deployment.finish()
    deployment.assert_exactly(milestones(changes(4_000)))
