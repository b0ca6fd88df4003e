"""What reads ahead is batch work to Linux; what commits, and everything that was there before, is not."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from consumer.tuning import reading_ahead, started_as_usual, take_part_in_commits
from tests.processes.truth import changes
from tests.processes.workers import Deployment, WorkerProcess

if sys.platform != "linux":
    pytest.skip("Linux' own", allow_module_level=True)
if not started_as_usual():
    pytest.skip("somebody chose another policy, or it cannot be told", allow_module_level=True)

_BEGUN, _POLICY = 21, 40
"""The places of when a thread began and of its policy in /proc/PID/task/TID/stat, from 0."""


def _policies(worker: WorkerProcess) -> dict[int, int]:
    """Of each thread, in the order in which they began."""
    threads = Path(f"/proc/{worker.pid}/task").iterdir()
    stats = {int(thread.name): (thread / "stat").read_text(encoding="utf-8") for thread in threads}
    # The name, which is in brackets, may hold blanks.
    facts = {thread: [0, 0, *map(_number, stat.rpartition(")")[2].split())] for thread, stat in stats.items()}
    return {thread: facts[thread][_POLICY] for thread in sorted(facts, key=lambda one: (facts[one][_BEGUN], one))}


def _number(word: str) -> int:
    return int(word) if word.lstrip("-").isdigit() else 0


def _policy_of(pool: ThreadPoolExecutor) -> int:
    with pool:
        return pool.submit(os.sched_getscheduler, 0).result()


def test_a_thread_is_batch_work_while_it_reads_ahead_and_so_are_those_it_starts() -> None:
    with reading_ahead():
        assert os.sched_getscheduler(0) == os.SCHED_BATCH
        assert _policy_of(ThreadPoolExecutor(1)) == os.SCHED_BATCH
        assert _policy_of(ThreadPoolExecutor(1, initializer=take_part_in_commits)) == os.SCHED_OTHER
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_workers_loop_is_batch_work_and_its_steps_are_not(deployment: Deployment) -> None:
    deployment.create(2)
    deployment.feed(changes(50, seed=1))
    worker = deployment.start()
    deployment.wait_until_published()
    policies = _policies(worker)
    worker.terminate()
    assert policies.pop(worker.pid) == os.SCHED_BATCH
    begun = [*policies.values()]
    since_then = begun[begun.index(os.SCHED_BATCH) :]
    # Of the threads begun since it reads ahead, those of its two steps.
    assert since_then.count(os.SCHED_OTHER) == 2
    assert worker.ended() == 0


@pytest.mark.parametrize("refused", [errno.ENOSYS, errno.EPERM])
def test_where_scheduling_can_be_neither_told_nor_chosen_the_program_runs_all_the_same(refused: int) -> None:
    # musl answers the first, a container's rules may answer the other.
    script = f"""
import os
def refuse(*_): raise OSError({refused}, "refused")
os.sched_getscheduler = os.sched_setscheduler = refuse
from consumer.tuning import reading_ahead, started_as_usual, take_part_in_commits
assert not started_as_usual()
with reading_ahead():
    take_part_in_commits()
print("ran")
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout, ran.stderr) == ("ran\n", "")


def test_where_scheduling_may_only_not_be_chosen_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "refused")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with reading_ahead():
        assert os.sched_getscheduler(0) == os.SCHED_OTHER
