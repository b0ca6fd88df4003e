"""What the faults share: one world of servers, and a trial for each run."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.trial import Trial
from tests.faults.world import World, new_world


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Servers that faults may harm; each trial leaves them healed."""
    with new_world() as servers:
        yield servers


@pytest.fixture
def trial(world: World, topic: str, tmp_path: Path, seed: int) -> Iterator[Trial]:
    """A run of one fault, on a topic and in a database of its own."""
    with closing(Trial(world, topic, tmp_path, seed)) as made:
        yield made
