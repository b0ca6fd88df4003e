"""What the interpreter is told before a worker runs, and while it starts."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from threading import local
from types import ModuleType

_COLLECT_AFTER = 100_000
_SWITCH_S = 0.001
_KEPT_S, _BACK_S = 0.02, 0.0003
_M_ARENA_MAX = -8
_ARENAS = 2
_TIDY_S = 30.0


def started_as_usual() -> bool:
    """Whether nobody chose how Linux schedules this program.

    False, too, where that cannot be told: musl answers ENOSYS, a container's rules may refuse the question.
    """
    try:
        return sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_OTHER
    except OSError:
        return False


_STARTED_AS_USUAL = started_as_usual()


def imported(name: str) -> ModuleType:
    """A module and all that it imports, of which nothing is garbage: nobody looks for any meanwhile."""
    looked_for = gc.isenabled()
    gc.disable()
    try:
        return import_module(name)
    finally:
        if looked_for:
            gc.enable()


def tune() -> None:
    """Fewer garbage collections, and quicker turns between threads.

    What was made until here lives as long as the process: the collector need not look at it again. Batches hold next to
    no cycles, so it may come by rarely. A thread that gets an answer from PostgreSQL or Kafka should not wait 5 ms.

    Kafka's client makes new threads with every producer, and what they free stays with the part of glibc's heap that
    was theirs: few parts, so that it is used again. Where the C library is another one, it has its own ways.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)
    sys.setswitchinterval(_SWITCH_S)


@contextmanager
def reading_ahead() -> Iterator[None]:
    """This thread, and those that it starts meanwhile, do not take a processor from others when they wake up.

    Batch work, as Linux calls it: it gets as much as ever where nobody else wants to run. What all wait for (the steps
    that store and publish, PostgreSQL, the broker) finds a processor sooner. Where somebody chose another policy for
    this program, that one stays.
    """
    _be(batch=True)
    try:
        yield
    finally:
        _be(batch=False)


def take_part_in_commits() -> None:
    """For a thread that was started by one that is reading ahead."""
    _be(batch=False)


def _be(*, batch: bool) -> None:
    if sys.platform == "linux" and _STARTED_AS_USUAL:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH if batch else os.SCHED_OTHER, os.sched_param(0))


class _Turn(local):
    """What a thread is at."""

    computes_first = False


_turn = _Turn()


@contextmanager
def computing_first(*, awaited: bool) -> Iterator[None]:
    """What all wait for, in one thread: others do not take the interpreter's lock from it as long as it computes.

    They ask for it after an interval, which is the same for all threads, and wait for 20 ms here. So long no batch's
    step computes at a time, unless nearly all of a large one are milestones. One thread of a program at a time.

    Args:
        awaited: whether whoever reads ahead lately had to wait for this; where that is what takes longest, nothing is
            done.
    """
    if not awaited:
        yield
        return
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(_KEPT_S)
    _turn.computes_first = True
    try:
        yield
    finally:
        _turn.computes_first = False
        sys.setswitchinterval(usual_s)


@contextmanager
def answered() -> Iterator[None]:
    """Where a thread that computes first waits for another program: others compute, and its answer is soon seen."""
    if not _turn.computes_first:
        yield
        return
    sys.setswitchinterval(_BACK_S)
    try:
        yield
    finally:
        sys.setswitchinterval(_KEPT_S)


class Tidier:
    """Gives memory back that a catch-up needed and nobody uses.

    The C library keeps what was freed between pieces in use, and after each backlog a little more of it: ten times
    what is used, after an hour of faults.
    """

    def __init__(self) -> None:
        self._due_s = 0.0
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def now_and_then(self, now_s: float) -> None:
        """Twice a minute; takes some ms, with other threads going on."""
        if now_s >= self._due_s:
            self._due_s = now_s + _TIDY_S
            if self._trim is not None:
                self._trim(0)

    def let_go(self) -> None:
        """What a failure held goes at once: errors and frames hold each other, and with them batches of records."""
        gc.collect()
