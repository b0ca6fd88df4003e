"""The servers that a change goes through before it is a Kafka record."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.processes.workers import Deployment
from tests.services import (
    ConnectService,
    KafkaService,
    MariaDBService,
    PostgresService,
    RegistryService,
    open_connect,
    open_mariadb,
    open_postgres,
    open_registry,
)

LOGICAL = {"wal_level": "logical"}


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDBService]:
    """The run's MariaDB: each test makes a database of its own."""
    with closing(open_mariadb()) as service:
        yield service


@pytest.fixture(scope="session")
def logical_postgres() -> Iterator[PostgresService]:
    """A PostgreSQL whose changes can be read, for the documents; milestones are stored in another."""
    with closing(open_postgres(private=True, settings=LOGICAL)) as service:
        yield service


@pytest.fixture(scope="session")
def registry() -> Iterator[RegistryService]:
    """The run's schema registry."""
    with closing(open_registry()) as service:
        yield service


@pytest.fixture
def connect(kafka: KafkaService) -> Iterator[ConnectService]:
    """A Connect worker of this test's own, which may be killed and started again."""
    with closing(open_connect(kafka)) as service:
        yield service


@pytest.fixture
def deploy(kafka: KafkaService, database: str, tmp_path: Path) -> Iterator[Callable[[str], Deployment]]:
    """Makes a deployment that reads this topic; its workers end with the test."""
    made: list[Deployment] = []

    def on(topic: str) -> Deployment:
        made.append(Deployment(kafka, database, topic, tmp_path))
        return made[-1]

    yield on
    for deployed in made:
        deployed.close()
