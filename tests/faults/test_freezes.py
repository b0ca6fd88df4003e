"""Faults 9–11, 51 and 52: workers that are asked to end, frozen, or revoked in the midst of their work."""

import time

import pytest

from tests.faults.test_kills import POINTS
from tests.faults.trial import Trial
from tests.processes.workers import SESSION_TIMEOUT_MS, WorkerProcess

_SESSION_S = SESSION_TIMEOUT_MS / 1000
_IN_THE_STORE_TRANSACTION = ("evaluated", "inserted", "before-commit")


@pytest.mark.fault("9", "SIGTERM in mid-batch; a second one")
def test_sigterm_drains_and_a_second_one_ends_at_once(trial: Trial) -> None:
    trial.begin()
    first = trial.work()
    trial.wait_for_progress(trial.draw.randint(1, 200))
    first.terminate()
    assert first.ended(10.0) == 0, first.log
    hurried = trial.work(fault=f"{trial.draw.choice(list(POINTS))}:3:stop")
    trial.wait(lambda: hurried.is_frozen, "it is frozen")
    hurried.terminate()
    hurried.terminate()
    hurried.go_on()
    assert hurried.ended(10.0) in (0, 143, -15), hurried.log
    trial.work()
    trial.wait_for_progress()
    trial.settle()


def _frozen_anywhere(trial: Trial) -> WorkerProcess:
    """A worker that SIGSTOP caught at no point in particular."""
    worker = trial.work()
    trial.wait_for_progress(trial.draw.randint(50, 200))
    time.sleep(trial.draw.random() / 10)
    worker.freeze()
    return worker


def _frozen_at(trial: Trial, point: str) -> WorkerProcess:
    worker = trial.work(fault=f"{point}:{trial.draw.randint(2, 8)}:stop")
    trial.wait(lambda: worker.is_frozen, f"it is frozen at {point}")
    return worker


def _taken_over_while_frozen(trial: Trial, frozen: WorkerProcess, *, at_least_s: float) -> None:
    """Another takes over; the frozen one goes on later, as a member that has to read its watermarks again."""
    since = trial.note("frozen")
    trial.work()
    trial.wait_for_recovery(since)
    time.sleep(max(at_least_s - (time.monotonic() - since), 0.0))
    assert frozen.is_frozen
    frozen.go_on()
    trial.note("goes on")
    trial.wait_for_members(2)
    trial.wait_for_progress()
    trial.settle()


@pytest.mark.fault("10", "SIGSTOP beyond the session time-out, then SIGCONT")
def test_a_worker_frozen_beyond_its_session_comes_back_as_a_member(trial: Trial) -> None:
    trial.begin()
    _taken_over_while_frozen(trial, _frozen_anywhere(trial), at_least_s=_SESSION_S + trial.draw.random() * 2)


@pytest.mark.fault("11", "SIGSTOP beyond max.poll and transaction time-out, then SIGCONT", sample=False)
def test_a_worker_frozen_beyond_every_time_out_comes_back_as_a_member(trial: Trial) -> None:
    trial.config["kafka"]["max.poll.interval.ms"] = 6_000
    trial.begin()
    point = trial.draw.choice(["produced", "offsets-sent", "stored", "polled"])
    _taken_over_while_frozen(trial, _frozen_at(trial, point), at_least_s=13.0)


@pytest.mark.fault("51", "frozen inside the store transaction")
def test_a_worker_frozen_inside_its_store_transaction_holds_nobody_up(trial: Trial) -> None:
    trial.begin()
    point = trial.draw.choice(_IN_THE_STORE_TRANSACTION)
    _taken_over_while_frozen(trial, _frozen_at(trial, point), at_least_s=5.0)


@pytest.mark.fault("51", "frozen inside the store transaction, for minutes", sample=False)
@pytest.mark.seeds(1)
def test_a_worker_frozen_for_minutes_inside_its_store_transaction(trial: Trial) -> None:
    trial.begin(rate=100)
    _taken_over_while_frozen(trial, _frozen_at(trial, "inserted"), at_least_s=120.0)


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(
            point, id=point, marks=pytest.mark.fault("52", f"revoke while a batch is at: {point}", sample=at % 3 == 0)
        )
        for at, point in enumerate(POINTS)
    ],
)
def test_a_revoke_while_a_batch_is_in_flight_publishes_it_once(trial: Trial, point: str) -> None:
    trial.begin()
    held_up = _frozen_at(trial, point)
    since = trial.note("frozen, shorter than its session")
    trial.start()
    trial.wait(lambda: len(trial.members()) == 2, "the second asks to join")
    left_s = _SESSION_S - 0.5 - (time.monotonic() - since)
    time.sleep(max(left_s, 0.0) * trial.draw.random())
    held_up.go_on()
    trial.wait_for_members(2)
    trial.wait_for_progress()
    trial.settle()
