"""What the process tests share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumer.native import envelopes
from tests.processes.workers import Deployment
from tests.services import KafkaService


@pytest.fixture
def deployment(kafka: KafkaService, database: str, topic: str, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment on the run's servers; its workers end with the test."""
    deployed = Deployment(kafka, database, topic, tmp_path)
    yield deployed
    deployed.close()


@pytest.fixture(params=[True, False], ids=["native", "python"])
def native(request: pytest.FixtureRequest) -> bool:
    """Whether records come through compiled code, where there is any."""
    wanted = bool(request.param)
    if wanted and envelopes is None:
        pytest.skip("no C compiler was found when this was installed")
    return wanted


@pytest.fixture
def deploy(topic: str, tmp_path: Path) -> Iterator[Callable[[KafkaService, str], Deployment]]:
    """Makes a deployment on servers of the test's own."""
    made: list[Deployment] = []

    def on(kafka: KafkaService, dsn: str) -> Deployment:
        made.append(Deployment(kafka, dsn, topic, tmp_path))
        return made[-1]

    yield on
    for deployed in made:
        deployed.close()
