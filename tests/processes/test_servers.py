"""PostgreSQL and Kafka go away and come back while workers run."""

from collections.abc import Callable

from tests.processes.truth import changes, milestones
from tests.processes.workers import Deployment
from tests.services import KafkaService, PostgresService

Deploy = Callable[[KafkaService, str], Deployment]


def _half_done(deployment: Deployment) -> bool:
    return sum(deployment.stored().values()) > 400


def test_postgres_restarted_in_mid_run_loses_and_doubles_nothing(
    kafka: KafkaService, own_postgres: PostgresService, deploy: Deploy
) -> None:
    deployment = deploy(kafka, own_postgres.create_database())
    stream = changes(3_000)
    deployment.create(partitions=2)
    deployment.feed(stream[:2_000])
    worker = deployment.start()
    deployment.wait(lambda: _half_done(deployment), "some are stored")
    own_postgres.restart()
    deployment.feed(stream[2_000:])
    deployment.wait_until_published()
    own_postgres.kill()
    own_postgres.start()
    deployment.wait_until_published()
    assert worker.is_running
    deployment.drain()
    deployment.assert_exactly(milestones(stream))


def test_the_broker_restarted_in_mid_run_loses_and_doubles_nothing(
    own_kafka: KafkaService, database: str, deploy: Deploy
) -> None:
    deployment = deploy(own_kafka, database)
    stream = changes(3_000)
    deployment.create(partitions=2)
    deployment.feed(stream[:2_000])
    worker = deployment.start()
    deployment.wait(lambda: _half_done(deployment), "some are stored")
    own_kafka.kill()
    own_kafka.start()
    deployment.feed(stream[2_000:2_500])
    deployment.wait_until_published()
    own_kafka.restart()
    deployment.feed(stream[2_500:])
    deployment.wait_until_published()
    assert worker.is_running
    deployment.drain()
    deployment.assert_exactly(milestones(stream))
