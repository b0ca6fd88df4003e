"""One run of one fault: a fresh topic and database, a source that goes on, workers behind links, and a verdict."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Final

from tests.faults.feeder import Feeder
from tests.faults.verdict import judge
from tests.faults.watcher import Watcher
from tests.faults.world import World
from tests.processes import tally
from tests.processes.truth import Change, endless, milestones
from tests.processes.workers import Deployment, WorkerProcess

EXACTLY_ONCE: Final = "exactly_once"
AT_LEAST_ONCE: Final = "at_least_once"

_PARTITIONS: Final = 4
_RATE: Final = 250


class Trial(Deployment):
    """A deployment under a fault.

    Args:
        seed: everything that varies is drawn from it.
    """

    def __init__(self, world: World, topic: str, folder: Path, seed: int) -> None:
        super().__init__(world.kafka, world.new_database(), topic, folder)
        self.world, self.seed = world, seed
        self.draw = Random(seed)
        self.config["kafka"]["bootstrap.servers"] = world.bootstrap_servers
        self.config["kafka"]["reconnect.backoff.max.ms"] = 500
        self.config["postgres"]["dsn"] = world.linked(self.dsn)
        self.config["processing"]["max_batch_records"] = self.draw.choice([20, 50, 200, 1_000])
        self._partitions = 0
        self.audited = True
        self.bug = ""
        self._place: Callable[[Change], Iterable[int]] | None = None
        self._feeder: Feeder[Change] | None = None
        self._watcher: Watcher | None = None
        self._history: list[tuple[float, str]] = []
        self._began = time.monotonic()
        print(f"seed {seed}, topic {topic}")

    @property
    def once(self) -> bool:
        """Whether no event may come twice."""
        return bool(self.config["output"].get("guarantee", EXACTLY_ONCE) == EXACTLY_ONCE)

    def guarantee(self, name: str) -> None:
        """exactly_once or at_least_once."""
        self.config["output"]["guarantee"] = name

    def note(self, what: str) -> float:
        """Writes down what happens when; returns when that was (monotonic)."""
        now = time.monotonic()
        self._history.append((now - self._began, what))
        return now

    def begin(
        self,
        *,
        partitions: int = _PARTITIONS,
        rate: int = _RATE,
        place: Callable[[Change], Iterable[int]] | None = None,
        again: Callable[[Change], Iterable[Change]] = lambda _: (),
    ) -> None:
        """Topic and tables are made, the source begins, and somebody looks on."""
        self.create(partitions)
        self.watch(partitions, once=self.once and place is None)
        self._place = place or (lambda change: (change.partition(partitions),))
        self._stream, self._rate, self._again = endless(self.seed), rate, again
        self._sent: list[Change] = []
        self.resume_feeding()

    def watch(self, partitions: int, *, once: bool | None = None) -> None:
        """Somebody looks on."""
        self._partitions = partitions
        servers = (self.kafka.bootstrap_servers, self.dsn)
        topics = (self.topic, f"{self.topic}-reached")
        self._watcher = Watcher(servers, self.group, topics, once=self.once if once is None else once)

    def work(self, fault: str = "") -> WorkerProcess:
        """A worker more."""
        program = ("tests.faults.buggy", self.bug) if self.bug else ("consumer",)
        worker = self.start(fault=fault, program=program)
        self.note(f"a worker started {fault}")
        return worker

    def wait_for_progress(self, records: int = 100) -> None:
        """Until this many more are stored."""
        goal = self._sum_stored() + records
        self.wait(lambda: self._sum_stored() >= goal, f"{records} more are stored")

    def _sum_stored(self) -> int:
        return sum(self.stored().values())

    def wait_for_recovery(
        self, since: float, partitions: Collection[int] | None = None, *, timeout_s: float = 60
    ) -> None:
        """Until records of all (these) partitions are stored again, after something that was over at `since`."""
        watcher = self.watcher
        wanted = set(range(self._partitions)) if partitions is None else partitions
        self.wait(lambda: watcher.stored_again(since, wanted) is not None, f"{wanted} are stored again", timeout_s)
        seconds = watcher.stored_again(since, wanted) or 0.0
        tally.current().recoveries.append(round(seconds, 2))
        self.note(f"recovered in {seconds:.2f} s")

    def look_again(self) -> None:
        """Until positions were looked at some times more."""
        watcher = self.watcher
        goal = watcher.looks + 10
        self.wait(lambda: watcher.looks >= goal, "positions are looked at")

    def restored(self) -> None:
        """PostgreSQL lost what it held: positions may go back, and be behind what is published."""
        self.watcher.restored()
        self.note("PostgreSQL has an older state")

    def settle(self, *, dead_letters: int = 0) -> None:
        """The source ends; what it sent is worked off; the workers end well; and the verdict."""
        sent = self.stop_feeding()
        self.wait_until_published()
        self.drain()
        self.judge(sent, dead_letters=dead_letters)

    def problems_after(self, sent: Sequence[Change], *, dead_letters: int = 0, in_order: bool = True) -> list[str]:
        """What is wrong, once the watcher has seen all."""
        watcher = self.watcher
        watcher.stop()
        tally.current().records += len(sent)
        found = judge(milestones(sent), self.rows(), self.events(), once=self.once, in_order=in_order)
        counts = tally.current()
        counts.lost, counts.doubled_rows, counts.doubled_events = found.lost, found.doubled_rows, found.doubled_events
        problems = [*found.problems, *watcher.violations]
        if len(letters := self.dead_letters()) != dead_letters:
            problems.append(f"{len(letters)} dead letters: {[letter.headers for letter in letters[:3]]}")
        return problems

    def resume_feeding(self) -> None:
        """The source begins, or goes on."""
        assert self._place is not None
        producer = self.producer({"enable.idempotence": True, "retry.backoff.max.ms": 500})
        self._feeder = Feeder(producer, self.topic, self._stream, self._rate, self._place, self._again)
        self.note("the source begins")

    def stop_feeding(self) -> Sequence[Change]:
        """The source ends; all that it ever sent."""
        assert self._feeder is not None
        self._sent += self._feeder.stop()
        self.note(f"the source ended after {len(self._sent)} records")
        return self._sent

    def judge(self, sent: Sequence[Change], *, dead_letters: int = 0, in_order: bool = True) -> None:
        """Nothing is lost, nothing is there twice, and nothing was ever seen that must not be."""
        problems = self.problems_after(sent, dead_letters=dead_letters, in_order=in_order)
        assert not problems, "\n".join([*problems, self.account()])
        if self.audited:
            self.assert_clean()

    @property
    def watcher(self) -> Watcher:
        """Who looks on."""
        assert self._watcher is not None
        return self._watcher

    def account(self) -> str:
        """What happened when, and what the workers logged."""
        told = [f"seed {self.seed}", *(f"{at:8.2f} s  {what}" for at, what in self._history)]
        return "\n".join([*told, self.logs()])

    def close(self) -> None:
        if self._feeder is not None:
            self._feeder.abandon()
        if self._watcher is not None:
            self._watcher.stop()
        super().close()
        history = self.folder / "history.jsonl"
        history.write_text("".join(json.dumps(entry) + "\n" for entry in self._history), encoding="utf-8")
        self.world.heal()
        self.world.drop(self.dsn)
