"""Who fences a worker: another that waited for it, or a deployment that should not be there."""

from __future__ import annotations

import pytest

from consumer.errors import Fatal, PublishDown
from consumer.fencing import Fencings

FENCED, DOWN = PublishDown("fenced", fenced=True), PublishDown("the broker is away")
STOP = "another process uses this worker's transactional ids"


class Clock:
    """A clock that a test moves."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_three_in_a_row_are_a_stop() -> None:
    fencings = Fencings(Clock())
    fencings.count(FENCED)
    fencings.count(FENCED)
    with pytest.raises(Fatal, match=STOP):
        fencings.count(FENCED)


def test_what_comes_in_between_ends_the_row() -> None:
    fencings = Fencings(Clock())
    for end in (fencings.published, lambda: fencings.count(DOWN)):
        fencings.count(FENCED)
        fencings.count(FENCED)
        end()
    fencings.count(FENCED)
    fencings.count(FENCED)


def test_ten_in_a_minute_are_a_stop_whatever_was_published_in_between() -> None:
    clock = Clock()
    fencings = Fencings(clock)
    for _ in range(9):
        fencings.count(FENCED)
        fencings.published()
        clock.now_s += 6.0
    with pytest.raises(Fatal, match=STOP):
        fencings.count(FENCED)


def test_ten_in_a_longer_time_are_none() -> None:
    clock = Clock()
    fencings = Fencings(clock)
    for _ in range(50):
        fencings.count(FENCED)
        fencings.published()
        clock.now_s += 7.0
