"""What the workers of `run --workers` are forked from: a process that has imported what they need.

It has one thread, and neither connections nor clients of Kafka, as long as it lives: who is forked from a process with
threads may find locks that nobody opens.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

import structlog

from consumer.errors import Fatal
from consumer.stopping import SIGNALS

log = structlog.get_logger(__name__)

_RESTART_PAUSE_S = 1.0
_POLL_S = 0.1


class Killed(NamedTuple):
    """A worker that a signal ended, which nobody had asked for."""

    pid: int
    signal: int


class Born(NamedTuple):
    """What a worker is told that begins.

    watched: descriptors of which one ends when the nursery is gone, the other when the supervisor is.
    instead_of: whom it replaces.
    """

    watched: tuple[int, int]
    instead_of: Killed | None

    def when_abandoned(self, deed: Callable[[], None]) -> None:
        """Does something, in a thread of its own, once nobody looks after this worker any more."""

        def wait() -> None:
            select.select(self.watched, [], [])
            log.warning("nobody looks after this worker any more, it drains")
            deed()

        threading.Thread(target=wait, daemon=True, name="supervised").start()


def become_workers(count: int, supervisor: int, ended: Callable[[int], object]) -> Born:
    """Returns in each of some workers, and never in the process that calls it: that ends behind them.

    A worker that was killed is replaced. One that ends with an error of its own asks for a person: the others drain.

    Args:
        count: of workers.
        supervisor: a descriptor that ends with who started this process.
        ended: called with the process id of each worker that has ended.

    Raises:
        SystemExit: in the process that calls it: 0, or the code of a worker that ended with an error.
        Fatal: the system starts no more processes; workers that run drain.
    """
    nursery = _Nursery(supervisor, ended)
    gc.freeze()
    sys.stdout.flush()
    sys.stderr.flush()
    return nursery.run(count)


class _Nursery:
    def __init__(self, supervisor: int, ended: Callable[[int], object]) -> None:
        self._supervisor, self._ended = supervisor, ended
        # Nothing is ever written: workers see the end of it when this process closes its part, or is gone.
        self._watched, self._alive = os.pipe()
        self._workers: set[int] = set()
        self._stopping, self._abandoned = False, False
        for sign in SIGNALS:
            signal.signal(sign, self._on_signal)

    def run(self, count: int) -> Born:
        """Forks, and forks again, until nobody is left."""
        wanted: list[Killed | None] = [None] * count
        code = 0
        while wanted or self._workers:
            for instead_of in wanted:
                if self._fork():
                    return Born((self._watched, self._supervisor), instead_of)
            self._wait()
            wanted = []
            for pid, outcome in self._gone():
                code = max(code, outcome)
                if outcome > 0 and not self._stopping:
                    self._tell(signal.SIGTERM)
                elif outcome < 0 and not self._stopping:
                    wanted.append(Killed(pid, -outcome))
            if wanted:
                time.sleep(_RESTART_PAUSE_S)
        raise SystemExit(code)

    def _fork(self) -> bool:
        """Whether this is the worker. Nobody is forked when all are to stop."""
        with _undisturbed():
            if self._stopping:
                return False
            try:
                pid = os.fork()
            except OSError as error:
                os.close(self._alive)
                raise Fatal(
                    f"no worker could be started ({error}); those that run drain. The system limits processes or"
                    " memory (ulimit -u, a container's limits): raise the limit, or start fewer with --workers"
                ) from error
            if pid:
                self._workers.add(pid)
                return False
            for sign in SIGNALS:
                signal.signal(sign, signal.SIG_DFL)
            os.close(self._alive)
            return True

    def _wait(self) -> None:
        """For a moment. Workers see for themselves when the supervisor is gone; nobody is to replace them then."""
        if self._abandoned:
            time.sleep(_POLL_S)
        elif select.select([self._supervisor], [], [], _POLL_S)[0]:
            self._abandoned = self._stopping = True

    def _gone(self) -> Iterator[tuple[int, int]]:
        """Process ids and exit codes of workers that have ended; a negative one is a signal."""
        while self._workers:
            with _undisturbed():
                pid, status = os.waitpid(-1, os.WNOHANG)
                self._workers.discard(pid)
            if not pid:
                return
            self._ended(pid)
            yield pid, os.waitstatus_to_exitcode(status)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self._tell(signal.Signals(number))

    def _tell(self, sign: signal.Signals) -> None:
        """Passes a signal on to every worker; a second one ends them at once."""
        self._stopping = True
        for pid in self._workers:
            os.kill(pid, sign)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No signal is handled meanwhile: what is known of workers is what there is."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
