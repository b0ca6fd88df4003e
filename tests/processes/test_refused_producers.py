"""A producer that Kafka will not have is a stop that says what to allow, whichever way events come into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from consumer.errors import Fatal, PublishDown
from consumer.kafka.publisher import Publisher
from tests.processes.test_outlet import EVENTS, a_publisher, publish
from tests.processes.workers import Deployment
from tests.services import LOOKS_AT_RIGHTS, KafkaService, open_kafka

_RULES = [
    (ResourceType.BROKER, "kafka-cluster", AclOperation.ALL, AclPermissionType.ALLOW),
    (ResourceType.TOPIC, "*", AclOperation.ALL, AclPermissionType.ALLOW),
    (ResourceType.TOPIC, "*", AclOperation.WRITE, AclPermissionType.DENY),
    (ResourceType.BROKER, "kafka-cluster", AclOperation.IDEMPOTENT_WRITE, AclPermissionType.DENY),
]


@pytest.fixture
def read_only() -> Iterator[KafkaService]:
    """A broker of which nothing may be asked but to read."""
    with closing(open_kafka(private=True, settings=LOOKS_AT_RIGHTS)) as service:
        yield service


def test_a_producer_that_may_not_write_at_all_is_a_stop(
    read_only: KafkaService, database: str, topic: str, tmp_path: Path, native: bool
) -> None:
    deployment = Deployment(read_only, database, topic, tmp_path)
    deployment.create(1)
    for kind, name, operation, permission in _RULES:
        rule = AclBinding(kind, name, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*", operation, permission)
        for answer in deployment.admin.create_acls([rule]).values():
            answer.result(10.0)
    publisher = a_publisher(deployment, "at_least_once", native=native)
    with pytest.raises(Fatal, match=r"Kafka refused to write to its topics: allow this user IDEMPOTENT_WRITE"):
        _until_it_is_told(deployment, publisher)
    publisher.close()


def _until_it_is_told(deployment: Deployment, publisher: Publisher) -> None:
    for _ in range(5):
        try:
            publish(publisher, deployment.topic, EVENTS[:2])
        except PublishDown:  # The client may say at first only that there was an error.
            continue
        pytest.fail("it was published")
