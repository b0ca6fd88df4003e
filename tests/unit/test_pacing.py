"""When the next batch is read: late where there is time, ahead where there is none."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress

import pytest

from consumer.pacing import Pacing, Step


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def step(pacing: Pacing, clock: Clock, name: Step, takes_s: float, *, large: bool = False) -> None:
    with pacing.reading(large=large) if name == "read" else pacing.timed(name):
        clock.now_s += takes_s


def paced(read_s: float, store_s: float, publish_s: float) -> tuple[Pacing, Clock]:
    """After many batches whose steps took so long, one behind the other."""
    clock = Clock()
    pacing = Pacing(clock)
    for _ in range(100):
        step(pacing, clock, "read", read_s)
        step(pacing, clock, "store", store_s)
        step(pacing, clock, "publish", publish_s)
    return pacing, clock


def done() -> Future[None]:
    future: Future[None] = Future()
    future.set_result(None)
    return future


def test_it_is_early_until_what_is_read_will_be_stored_as_the_batch_before_is_published() -> None:
    pacing, clock = paced(0.001, 0.005, 0.016)
    pacing.publish_begins()
    assert pacing.early_s() == pytest.approx(0.010)
    clock.now_s += 0.004
    assert pacing.early_s() == pytest.approx(0.006)
    clock.now_s += 0.007
    assert pacing.early_s() == 0.0


def test_it_is_never_early_where_storing_takes_longer_than_publishing() -> None:
    pacing, _ = paced(0.001, 0.050, 0.016)
    pacing.publish_begins()
    assert pacing.early_s() == 0.0


def test_where_publishing_takes_now_more_now_less_it_reads_later() -> None:
    pacing, clock = paced(0.001, 0.005, 0.016)
    for _ in range(100):
        step(pacing, clock, "publish", 0.012)
        step(pacing, clock, "publish", 0.020)
    pacing.publish_begins()
    # Three times the four milliseconds behind the ten that it would be early without them.
    assert pacing.early_s() == pytest.approx(0.023, abs=0.001)


def test_it_is_early_for_a_tenth_of_a_second_at_most() -> None:
    pacing, _ = paced(0.001, 0.005, 3.0)
    pacing.publish_begins()
    assert pacing.early_s() == 0.1


def test_the_last_batches_count_more_than_those_before() -> None:
    pacing, clock = paced(0.001, 0.005, 0.050)
    for _ in range(60):
        step(pacing, clock, "publish", 0.010)
    pacing.publish_begins()
    assert pacing.early_s() == pytest.approx(0.004, abs=0.001)


def test_a_step_that_fails_teaches_nothing() -> None:
    pacing, clock = paced(0.001, 0.005, 0.016)
    with suppress(OSError), pacing.timed("publish"):
        clock.now_s += 60.0
        raise OSError
    pacing.publish_begins()
    assert pacing.early_s() == pytest.approx(0.010)


def test_who_reads_ahead_waits_for_nothing() -> None:
    pacing, clock = paced(0.001, 0.005, 0.016)
    step(pacing, clock, "read", 0.030)
    assert pacing.reads_ahead
    pacing.wait(done(), lambda: pytest.fail("asked for what is published"))
    step(pacing, clock, "read", 0.010)
    assert not pacing.reads_ahead


def test_who_has_a_backlog_reads_ahead_however_quick_reading_is() -> None:
    pacing, clock = paced(0.001, 0.005, 0.016)
    step(pacing, clock, "read", 0.001, large=True)
    assert pacing.reads_ahead
    step(pacing, clock, "read", 0.001)
    assert not pacing.reads_ahead


def test_what_is_published_is_waited_for_only_behind_a_batch_in_flight() -> None:
    pacing, _ = paced(0.001, 0.005, 0.016)
    asked: list[bool] = []

    def publishing() -> Future[None] | None:
        asked.append(True)
        return None

    pacing.wait(None, publishing)
    assert asked == []
    pacing.wait(done(), publishing)
    assert asked == [True]
