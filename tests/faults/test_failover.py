"""Faults 16 and 56: PostgreSQL fails over to a replica that has everything, or lags behind."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from consumer.app import apply_configured_trackers
from consumer.config import load
from tests.faults.failover import FailoverWorld, failover_world
from tests.faults.trial import Trial
from tests.faults.world import World


@pytest.fixture
def pair(world: World) -> Iterator[FailoverWorld]:
    """A primary and its replica."""
    with failover_world(world) as made:
        yield made


@pytest.fixture
def on_pair(pair: FailoverWorld, topic: str, tmp_path: Path, seed: int) -> Iterator[Trial]:
    """A trial whose PostgreSQL can fail over."""
    with closing(Trial(pair, topic, tmp_path, seed)) as made:
        yield made


@pytest.mark.fault("16", "PostgreSQL fails over to a replica in step")
def test_a_replica_in_step_takes_over(pair: FailoverWorld, on_pair: Trial) -> None:
    on_pair.begin()
    pair.replicate_synchronously()
    on_pair.work()
    on_pair.work()
    on_pair.wait_for_progress(on_pair.draw.randint(100, 400))
    pair.fail_over()
    on_pair.wait_for_recovery(on_pair.note("failed over"))
    on_pair.settle()


@pytest.mark.fault("56", "PostgreSQL fails over to a replica that lags", sample=False)
def test_what_a_lagging_replica_lacks_is_evaluated_again_in_silence(pair: FailoverWorld, on_pair: Trial) -> None:
    on_pair.begin()
    if on_pair.seed % 2:
        # The replica has the trackers, and lacks all that was ever evaluated with them.
        apply_configured_trackers(load(on_pair.write_config()))
        pair.stop_replication()
    on_pair.work()
    on_pair.work()
    on_pair.wait_for_progress(on_pair.draw.randint(100, 400))
    if not on_pair.seed % 2:
        pair.stop_replication()
    on_pair.wait_for_progress(on_pair.draw.randint(20, 300))
    on_pair.restored()
    pair.fail_over()
    on_pair.note("failed over")
    on_pair.wait_for_progress()
    on_pair.settle()
