"""Fault 14: a worker that reaches the broker of its input, and not the one that coordinates its group."""

from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.two_brokers import OnOneBroker, two_brokers
from tests.faults.world import World


@pytest.mark.fault("14", "a worker cut off from the coordinator only", sample=False)
def test_a_worker_cut_off_from_the_coordinator_stores_nothing_that_is_another_ones(
    world: World, topic: str, tmp_path: Path, seed: int
) -> None:
    with two_brokers(world) as brokers, closing(OnOneBroker(brokers, topic, tmp_path, seed)) as trial:
        trial.begin()
        cut_off = trial.work()
        trial.wait_for_progress(200)
        brokers.links[trial.coordinator].cut()
        since = trial.note("cut off")
        trial.config["kafka"]["bootstrap.servers"] = brokers.direct
        trial.work()
        trial.wait_for_recovery(since)
        assert cut_off.is_running
        brokers.links[trial.coordinator].mend()
        trial.note("back")
        trial.wait_for_members(2)
        trial.wait_for_progress()
        trial.settle()
