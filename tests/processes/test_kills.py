"""SIGKILL at every point of a batch, then a restart: nothing lost, nothing twice."""

import pytest

from tests.processes.truth import changes, milestones
from tests.processes.workers import Deployment

BEFORE_THE_STORE_COMMIT = ("polled", "decoded", "evaluated", "inserted")
BETWEEN_THE_COMMITS = ("stored", "produced", "offsets-sent")


@pytest.mark.parametrize("point", [*BEFORE_THE_STORE_COMMIT, *BETWEEN_THE_COMMITS])
def test_a_worker_killed_anywhere_in_a_batch_leaves_nothing_lost_and_nothing_twice(
    deployment: Deployment, point: str
) -> None:
    stream = changes(600)
    deployment.create(partitions=2)
    deployment.feed(stream)
    killed = deployment.start(fault=f"{point}:4:kill")
    assert killed.ended() == -9, killed.log
    behind = sum(deployment.stored().values()) > sum(max(offset, 0) for offset in deployment.published().values())
    assert behind == (point in BETWEEN_THE_COMMITS)
    deployment.finish()
    deployment.assert_exactly(milestones(stream))
