"""Who fences a worker: another that waited for it, or a deployment that should not be there."""

from __future__ import annotations

from contextlib import nullcontext

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


@pytest.mark.parametrize(("every_s", "is_stop"), [(6.0, True), (7.0, False)])
def test_ten_in_a_minute_are_a_stop_whatever_was_published_in_between(every_s: float, is_stop: bool) -> None:
    clock = Clock()
    fencings = Fencings(clock)
    for _ in range(9):
        fencings.count(FENCED)
        fencings.published()
        clock.now_s += every_s
    with pytest.raises(Fatal, match=STOP) if is_stop else nullcontext():
        fencings.count(FENCED)
