"""What reads ahead is batch work to Linux, and stands aside from what it waits for; what commits, and everything that
was there before, is neither."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, get_native_id

import psycopg
import pytest

from consumer.tuning import comes_back, computing_first, reading_ahead, started_as_usual, take_part_in_commits
from tests.processes.truth import changes
from tests.processes.workers import Deployment, WorkerProcess
from tests.services.service import wait_until

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


@contextmanager
def _computing(step: ThreadPoolExecutor, *, awaited: bool) -> Iterator[None]:
    """Meanwhile another thread computes first."""
    begun, over = Event(), Event()

    def compute() -> None:
        with computing_first(awaited=awaited):
            begun.set()
            over.wait(20.0)

    computing = step.submit(compute)
    assert begun.wait(20.0)
    try:
        yield
    finally:
        over.set()
        computing.result()


@pytest.mark.skipif(not comes_back(), reason="who stood aside may not come back here")
def test_threads_that_read_ahead_stand_aside_from_a_step_that_is_waited_for_and_come_back() -> None:
    with (
        reading_ahead(),
        ThreadPoolExecutor(1) as reader,
        ThreadPoolExecutor(1, initializer=take_part_in_commits) as step,
        ThreadPoolExecutor(1) as reader_too,
        ThreadPoolExecutor(1, initializer=take_part_in_commits) as step_too,
    ):
        reads, commits = reader.submit(get_native_id).result(), step.submit(get_native_id).result()
        with _computing(step, awaited=True):
            assert [os.sched_getscheduler(one) for one in (0, reads)] == [os.SCHED_IDLE] * 2
            assert os.sched_getscheduler(commits) == os.SCHED_OTHER
            assert step_too.submit(os.sched_getscheduler, 0).result() == os.SCHED_OTHER
            reads_too = reader_too.submit(get_native_id).result()
        assert [os.sched_getscheduler(one) for one in (0, reads, reads_too)] == [os.SCHED_BATCH] * 3
        with _computing(step, awaited=False):
            assert [os.sched_getscheduler(one) for one in (0, reads)] == [os.SCHED_BATCH] * 2
    with ThreadPoolExecutor(1) as step, _computing(step, awaited=True):
        assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_after_a_step_that_failed_nobody_stands_aside() -> None:
    with reading_ahead():
        with pytest.raises(ZeroDivisionError), computing_first(awaited=True):
            _ = 1 / 0
        assert os.sched_getscheduler(0) == os.SCHED_BATCH


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize(("nice_limit", "stands_aside"), [(0, False), (20, True)])
def test_who_may_not_come_back_does_not_stand_aside(nice_limit: int, *, stands_aside: bool) -> None:
    script = f"""
import os, resource
from concurrent.futures import ThreadPoolExecutor
from consumer.tuning import computing_first, reading_ahead, take_part_in_commits
try:
    resource.setrlimit(resource.RLIMIT_NICE, ({nice_limit}, {nice_limit}))
except ValueError:
    raise SystemExit("the limit may not be raised")
os.setuid(65534)
loop = os.getpid()
def compute():
    with computing_first(awaited=True):
        return os.sched_getscheduler(loop)
with reading_ahead(), ThreadPoolExecutor(1, initializer=take_part_in_commits) as step:
    print(step.submit(compute).result(), os.sched_getscheduler(0))
print(os.sched_getscheduler(0))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    if "may not be raised" in ran.stderr:
        pytest.skip("this root may not raise limits")
    aside = os.SCHED_IDLE if stands_aside else os.SCHED_BATCH
    assert (ran.stdout, ran.stderr) == (f"{aside} {os.SCHED_BATCH}\n{os.SCHED_OTHER}\n", "")


@pytest.mark.skipif(not comes_back(), reason="who stood aside may not come back here")
def test_a_worker_stands_aside_from_the_step_behind_one_that_it_waited_for(deployment: Deployment) -> None:
    deployment.create(1)
    deployment.config["processing"]["max_batch_records"] = 10
    deployment.feed(changes(400, seed=1))
    with psycopg.connect(deployment.dsn, autocommit=True) as holder:

        def is_held_up() -> bool:
            query = "select exists (select from pg_locks where not granted and relation = 'milestone'::regclass)"
            return holder.execute(query).fetchone() == (True,)

        def stands_aside() -> bool:
            # Whoever waits for the table gets it before it is asked for again: one batch more is stored each time.
            with holder.transaction():
                holder.execute("lock table milestone in share mode")
                wait_until(is_held_up, timeout_s=20.0, what="a batch is held up")
                return _policies(worker)[worker.pid] == os.SCHED_IDLE

        worker = deployment.start()
        wait_until(stands_aside, timeout_s=30.0, what="the loop stands aside")
    deployment.wait_until_published()
    wait_until(lambda: os.SCHED_IDLE not in _policies(worker).values(), timeout_s=20.0, what="all came back")
    assert _policies(worker)[worker.pid] == os.SCHED_BATCH
    worker.terminate()
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
