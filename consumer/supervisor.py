"""`run --workers N`: one process each, restarted when one dies, stopped together."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from prometheus_client import CollectorRegistry, multiprocess

log = structlog.get_logger(__name__)

_RESTART_PAUSE_S = 1.0
_SUPERVISED = "MILESTONES_SUPERVISED"
"""Names the descriptor that a worker reads from: nobody writes there, and it ends with the supervisor."""


def is_supervised() -> bool:
    """Whether this process was started by a supervisor."""
    return _SUPERVISED in os.environ


def when_abandoned(deed: Callable[[], None]) -> None:
    """Does something, in a thread of its own, once the supervisor of this process is gone, however it ended."""
    descriptor = int(os.environ[_SUPERVISED])

    def wait() -> None:
        os.read(descriptor, 1)
        log.warning("the supervisor is gone, this worker drains")
        deed()

    threading.Thread(target=wait, daemon=True, name="supervised").start()


class Supervisor:
    """Runs `count` copies of a command.

    A worker that was killed is started again. One that ends with an error of its own (exit 1 or 2) asks for a person:
    the others drain and the supervisor ends with that code. If the supervisor itself is killed, all drain.
    """

    def __init__(self, command: Sequence[str], count: int) -> None:
        self._command, self._count = command, count
        # Held open by this process alone: its workers see the end of it, even if this one is killed.
        self._watched, self._alive = os.pipe()
        self._folder = TemporaryDirectory(prefix="milestones-metrics-")
        self._workers: list[subprocess.Popen[bytes]] = []
        self._stopping = False
        self.registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(self.registry, path=self._folder.name)  # type: ignore[no-untyped-call]

    def run(self) -> int:
        """Until all have ended; returns the exit code."""
        # The second signal, too, is passed on first.
        signal.set_wakeup_fd(-1)
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._on_signal)
        self._workers = [self._start() for _ in range(self._count)]
        code = 0
        while self._workers:
            time.sleep(0.1)
            for worker in list(self._workers):
                code = self._look_after(worker) or code
        return code

    def _start(self) -> subprocess.Popen[bytes]:
        own = {"PROMETHEUS_MULTIPROC_DIR": self._folder.name, _SUPERVISED: str(self._watched)}
        # In a session of its own: Ctrl-C reaches a worker once, from here, and it drains.
        return subprocess.Popen(
            self._command, env={**os.environ, **own}, start_new_session=True, pass_fds=(self._watched,)
        )

    def _look_after(self, worker: subprocess.Popen[bytes]) -> int:
        code = worker.poll()
        if code is None:
            return 0
        self._workers.remove(worker)
        multiprocess.mark_process_dead(worker.pid, self._folder.name)  # type: ignore[no-untyped-call]
        if code < 0 and not self._stopping:
            log.warning("worker was killed, starting another", pid=worker.pid, signal=-code)
            time.sleep(_RESTART_PAUSE_S)
            self._workers.append(self._start())
            return 0
        if code > 0:
            self.stop(signal.SIGTERM)
        return max(code, 0)

    def _on_signal(self, number: int, _: object) -> None:
        self.stop(signal.Signals(number))

    def stop(self, sign: signal.Signals) -> None:
        """Passes a signal on to every worker; a second one ends them at once."""
        self._stopping = True
        for worker in self._workers:
            worker.send_signal(sign)

    def close(self) -> None:
        """Removes what the workers wrote for /metrics."""
        for descriptor in (self._watched, self._alive):
            os.close(descriptor)
        if Path(self._folder.name).exists():
            self._folder.cleanup()
