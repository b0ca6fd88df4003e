"""Generators in processes of their own: their items, their errors, and their end."""

import os
import signal
from collections.abc import Generator

import psutil
import pytest

from consumer.ahead import ahead
from consumer.errors import Fatal, MilestonesError


def _numbers(first: int, end: int) -> Generator[int, None, None]:
    yield from range(first, end)


def _pid_then(what: str) -> Generator[int, None, None]:
    yield os.getpid()
    if what == "fail":
        raise Fatal("no such schema")
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    while True:
        yield 0


def test_the_items_of_each_share_come_in_order_and_end() -> None:
    found = list(ahead(_numbers, [(0, 20_000), (20_000, 20_001), (30_000, 40_000)]))
    assert [one for one in found if one < 20_000] == list(range(20_000))
    assert [one for one in found if one >= 30_000] == list(range(30_000, 40_000))
    assert len(found) == 30_001


def test_an_error_is_raised_where_the_items_are_used() -> None:
    items = ahead(_pid_then, [("fail",)])
    assert next(items) != os.getpid()
    with pytest.raises(Fatal, match="no such schema"):
        next(items)


def test_a_process_that_is_killed_is_told_from_one_that_has_no_more() -> None:
    items = ahead(_pid_then, [("die",)])
    next(items)
    with pytest.raises(MilestonesError, match="ended early"):
        next(items)


def test_whoever_stops_early_leaves_no_process_behind() -> None:
    items = ahead(_pid_then, [("go on",)])
    process = psutil.Process(next(items))
    items.close()
    assert not process.is_running()


def test_an_interrupt_of_the_terminal_is_left_to_the_one_that_started_it() -> None:
    items = ahead(_pid_then, [("go on",)])
    process = psutil.Process(next(items))
    process.send_signal(signal.SIGINT)
    # More than fits into the pipe: these were made after the signal.
    assert not any(next(items) for _ in range(20_000))
    items.close()
