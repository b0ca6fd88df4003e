"""Every kind of rule under faults: 24 trackers of one document type, and whatever may break, several times in a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.feeder import Feeder
from tests.faults.test_kills import POINTS
from tests.faults.trial import AT_LEAST_ONCE, EXACTLY_ONCE, Trial
from tests.faults.world import World
from tests.processes import ruled, tally

_PARTITIONS, _RATE, _FAULTS = 4, 150, 3


class RuledTrial(Trial):
    """A trial whose stream is one for rules."""

    def __init__(self, world: World, topic: str, folder: Path, seed: int) -> None:
        super().__init__(world, topic, folder, seed)
        self.config["trackers"] = ruled.TRACKERS

    def begin_ruled(self) -> None:
        """Topic and tables are made, the source begins, and somebody looks on."""
        self.create(_PARTITIONS)
        self.watch(_PARTITIONS)
        producer = self.producer({"enable.idempotence": True, "retry.backoff.max.ms": 500})
        self.source = Feeder[ruled.RuledChange](
            producer, self.topic, ruled.endless(self.seed), _RATE, lambda change: (change.partition(_PARTITIONS),)
        )

    def settle_ruled(self) -> None:
        """The source ends, all is worked off; rows, events and the program's own audit agree with what rules mean."""
        sent = self.source.stop()
        self.wait_until_published()
        self.drain()
        self.watcher.stop()
        tally.current().records += len(sent)
        meant, stored = ruled.meant(sent), ruled.stored(self.dsn)
        events = self.events()
        ids = [event.id for event in events]
        counts = tally.current()
        counts.lost = (meant - stored).total() + max(stored.total() - len(set(ids)), 0)
        counts.doubled_rows = (stored - meant).total()
        counts.doubled_events = len(ids) - len(set(ids)) if self.once else 0
        assert stored == meant, self.account()
        assert set(ids) == {row.id for row in self.rows()}, self.account()
        assert (counts.doubled_events, self.watcher.violations, self.dead_letters()) == (0, [], []), self.account()
        self.assert_clean()

    def faults(self) -> list[Callable[[], None]]:
        """What may break."""
        return [
            self._killed, self._killed, self._postgres_killed, self._links_cut, self._replies_lost, self._frozen,
            self._broker_killed,
        ]  # fmt: skip

    def _killed(self) -> None:
        point = self.draw.choice(list(POINTS))
        killed = self.work(fault=f"{point}:{self.draw.randint(1, 8)}:kill")
        assert killed.ended() == -9, killed.log
        self.note(f"killed at {point}")

    def _postgres_killed(self) -> None:
        self.world.postgres.kill()
        self.world.postgres.start()
        self.note("PostgreSQL was killed")

    def _links_cut(self) -> None:
        for link in (self.world.kafka_link, self.world.postgres_link):
            link.cut()
            time.sleep(self.draw.uniform(0.1, 1.0))
            link.mend()
        self.note("both links were cut")

    def _replies_lost(self) -> None:
        link = self.draw.choice([self.world.kafka_link, self.world.postgres_link])
        link.swallow("downstream")
        time.sleep(self.draw.uniform(0.1, 1.0))
        link.cut()
        link.mend()
        self.note("replies were lost")

    def _frozen(self) -> None:
        worker = self.work()
        self.wait_for_members(2)
        worker.freeze()
        time.sleep(self.draw.uniform(0.5, 5.0))
        worker.go_on()
        worker.terminate()
        assert worker.ended() == 0, worker.log
        self.note("a worker was frozen")

    def _broker_killed(self) -> None:
        self.world.kafka.kill()
        self.world.kafka.start()
        self.note("the broker was killed")

    def close(self) -> None:
        if hasattr(self, "source"):
            self.source.abandon()
        super().close()


@pytest.fixture
def ruled_trial(world: World, topic: str, tmp_path: Path, seed: int) -> Iterator[RuledTrial]:
    with closing(RuledTrial(world, topic, tmp_path, seed)) as made:
        yield made


@pytest.mark.seeds(10)
@pytest.mark.parametrize(
    "guarantee",
    [
        pytest.param(name, id=name, marks=pytest.mark.fault("1–17", f"every kind of rule, {name}", sample=sample))
        for name, sample in ((EXACTLY_ONCE, True), (AT_LEAST_ONCE, False))
    ],
)
def test_every_kind_of_rule_keeps_its_count_whatever_breaks(ruled_trial: RuledTrial, guarantee: str) -> None:
    ruled_trial.guarantee(guarantee)
    ruled_trial.begin_ruled()
    ruled_trial.work()
    for _ in range(_FAULTS):
        ruled_trial.wait_for_progress(100)
        ruled_trial.draw.choice(ruled_trial.faults())()
    ruled_trial.wait_for_progress(100)
    ruled_trial.settle_ruled()
