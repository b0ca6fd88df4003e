"""A callback that raises inside the client stops the worker with the reason, and loses nothing."""

import pytest

from tests.processes.raising import RAISING
from tests.processes.truth import changes, milestones
from tests.processes.workers import Deployment


@pytest.mark.fault("48", "a callback that fails")
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
@pytest.mark.parametrize("name", RAISING)
def test_a_callback_that_raises_is_a_stop_and_nothing_is_lost(
    deployment: Deployment, name: str, guarantee: str
) -> None:
    deployment.config["output"]["guarantee"] = guarantee
    stream = changes(1_500)
    deployment.create(partitions=4)
    deployment.feed(stream[:1_000])
    raising = deployment.start(program=("tests.processes.raising", name))
    if "revoke" in name:
        deployment.wait(lambda: sum(deployment.stored().values()) > 100, "some are stored")
        deployment.start()
    assert raising.ended() == 1, raising.log[-4_000:]
    assert "Kafka's client failed in" in raising.log
    assert "ValueError: raised on purpose" in raising.log
    assert "Traceback" not in raising.log
    deployment.feed(stream[1_000:])
    if "revoke" not in name:
        deployment.start()
    deployment.wait_until_published()
    deployment.drain()
    deployment.assert_exactly(milestones(stream))
