"""`run --workers N`: several processes that one looks after, with one set of metrics."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from prometheus_client import CollectorRegistry, multiprocess

from consumer.stopping import SIGNALS

log = structlog.get_logger(__name__)

_RESTART_PAUSE_S = 1.0
_POLL_S = 0.1
_SUPERVISED = "MILESTONES_SUPERVISED"
"""Names the descriptor that ends with the supervisor: nobody writes there."""


def supervised_by() -> int | None:
    """The descriptor that ends with the supervisor of this process, if it has one."""
    said = os.environ.get(_SUPERVISED)
    return None if said is None else int(said)


def mark_ended(pid: int) -> None:
    """Takes a process that has ended, or is no worker, out of the metrics."""
    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


class Supervisor:
    """Runs a command that forks workers (`consumer.nursery`), and gathers their metrics.

    If the command is killed, its workers drain, and it is run again. If the supervisor itself is killed, all drain.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._folder = TemporaryDirectory(prefix="milestones-metrics-")
        self._nursery: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self.registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(self.registry, path=self._folder.name)  # type: ignore[no-untyped-call]

    def run(self) -> int:
        """Until all have ended; returns the command's exit code.

        Where the command was killed and a stop is asked for while its workers drain, they go on draining by themselves.
        """
        # The second signal, too, is passed on first.
        signal.set_wakeup_fd(-1)
        for sign in SIGNALS:
            signal.signal(sign, self._on_signal)
        code = self._run_once()
        while code < 0 and not self._stopping:
            time.sleep(_RESTART_PAUSE_S)
            if not self._stopping:
                code = self._run_once()
        return max(code, 0)

    def _run_once(self) -> int:
        """Returns the command's exit code; negative is the signal that killed it."""
        # Theirs is open as long as one of them lives, the supervisor's as long as that does.
        link, theirs = socket.socketpair()
        with link:
            with theirs:
                self._nursery = self._begun(theirs.fileno())
            if self._stopping:
                self._nursery.terminate()
            code = self._nursery.wait()
            if code < 0 and not self._stopping:
                log.warning(
                    "what forks workers was killed; it is started again when they have drained",
                    pid=self._nursery.pid,
                    signal=-code,
                )
            while not self._stopping and not select.select([link], [], [], _POLL_S)[0]:
                pass
        self._forget_workers()
        return code

    def _begun(self, link: int) -> subprocess.Popen[bytes]:
        own = {"PROMETHEUS_MULTIPROC_DIR": self._folder.name, _SUPERVISED: str(link)}
        # In a session of its own: Ctrl-C reaches a worker once, from here, and it drains.
        return subprocess.Popen(self._command, env={**os.environ, **own}, start_new_session=True, pass_fds=(link,))

    def _forget_workers(self) -> None:
        """What those said of themselves that are gone counts no more."""
        for gauge in Path(self._folder.name).glob("gauge_live*.db"):
            gauge.unlink()

    def _on_signal(self, _: int, __: object) -> None:
        self._stopping = True
        if self._nursery is not None:
            self._nursery.terminate()

    def close(self) -> None:
        """Removes what the workers wrote for /metrics."""
        if Path(self._folder.name).exists():
            self._folder.cleanup()
