"""SIGKILL at every point of a batch, then a restart: nothing lost, nothing twice."""

import pytest

from tests.processes.truth import Change, changes, milestones
from tests.processes.workers import Deployment

BEFORE_THE_STORE_COMMIT = ("polled", "decoded", "evaluated", "inserted")
BETWEEN_THE_COMMITS = ("stored", "produced", "offsets-sent")


def _killed_at(deployment: Deployment, point: str) -> list[Change]:
    stream = changes(600)
    deployment.create(partitions=2)
    deployment.feed(stream)
    killed = deployment.start(fault=f"{point}:4:kill")
    assert killed.ended() == -9, killed.log
    return stream


@pytest.mark.parametrize("point", BEFORE_THE_STORE_COMMIT)
def test_a_worker_killed_before_the_postgres_commit_leaves_nothing_of_its_batch(
    deployment: Deployment, point: str
) -> None:
    stream = _killed_at(deployment, point)
    stored = deployment.stored()
    assert sum(stored.values()) < len(stream)
    assert all(row.offset < stored[row.partition] for row in deployment.rows())
    deployment.finish()
    deployment.assert_exactly(milestones(stream))


@pytest.mark.parametrize("point", BETWEEN_THE_COMMITS)
def test_a_worker_killed_between_the_commits_has_its_rows_announced_once_by_the_next(
    deployment: Deployment, point: str
) -> None:
    stream = _killed_at(deployment, point)
    published = deployment.published()
    stored = deployment.stored()
    assert any(stored[key] > max(published.get(key, 0), 0) for key in stored)
    deployment.finish()
    deployment.assert_exactly(milestones(stream))
