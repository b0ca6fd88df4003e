"""A server as a process of this program: started, signalled by its own id, and never left behind."""

import atexit
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from tests.services.service import wait_until

LOOPBACK = "127.0.0.1"

# Below Linux's range for outgoing connections (32768 up): while a server is down between kill and restart,
# no client can be handed its port.
_PORTS = range(20000, 32000)


def free_port() -> int:
    """A loopback port that nothing listens on, and that no outgoing connection will be given."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        return port


class ServerProcess:
    """One server program with a log file; ends with this interpreter at the latest.

    Start it from the main thread: Linux ends it with the thread that started it.
    """

    def __init__(self, command: Sequence[str], *, log: Path, user: str | None = None, shutdown: signal.Signals):
        """`user`: the system user to run as, for programs that refuse root. `shutdown`: asks for an orderly end."""
        self._command = command
        self._log = log
        self._user = user
        self._shutdown = shutdown
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the running process. Raises RuntimeError if there is none."""
        if self._process is None:
            raise RuntimeError(f"{self._command[0]} was not started")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the program; its output is appended to the log file."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_end_with_parent(), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=self._user,
                group=_group_of(self._user),
                extra_groups=None if self._user is None else [],
                # Out of the terminal's group: Ctrl-C ends the tests, and they end the server.
                start_new_session=True,
            )
        atexit.register(self.kill)

    def wait_until_serving(self, answers: Callable[[], bool], *, timeout_s: float) -> None:
        """Wait until `answers()`; raises RuntimeError with the log's end if the program ends first, or never does."""

        def serving_or_ended() -> bool:
            return not self.is_running or answers()

        try:
            wait_until(serving_or_ended, timeout_s=timeout_s, what=f"{self._command[0]} serves")
        except TimeoutError as error:
            # Left alone it would serve later, at a port that by then is another one's.
            self.kill()
            raise RuntimeError(f"{error}:\n{self.log_end()}") from error
        if not self.is_running:
            raise RuntimeError(f"{self._command[0]} ended at its start:\n{self.log_end()}")

    def terminate(self, *, timeout_s: float = 30.0) -> None:
        """Ask for an orderly end and wait for it; does nothing if it is not running."""
        if self._process is not None and self.is_running:
            self._process.send_signal(self._shutdown)
            self._process.wait(timeout_s)
        self._forget()

    def kill(self) -> None:
        """SIGKILL the program and what it started, and wait until all are gone."""
        if self._process is not None and self.is_running:
            # The children are named first: once orphaned they can no longer be told from strangers.
            children = psutil.Process(self._process.pid).children(recursive=True)
            self._process.kill()
            self._process.wait()
            for child in children:
                _kill_if_there(child)
            wait_until(lambda: not any(map(_runs, children)), timeout_s=10.0, what="the children are gone")
        self._forget()

    def log_end(self, lines: int = 15) -> str:
        """The last lines that the program printed."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def _forget(self) -> None:
        atexit.unregister(self.kill)


def may_run(program: Path, user: str | None) -> bool:
    """Whether this user gets at the program (a checkout below a home folder is often closed to others)."""
    try:
        subprocess.run([program, "--version"], user=user, capture_output=True, timeout=10.0, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def give_to(user: str | None, folder: Path) -> None:
    """Make the folder this user's own, where it is not the user that runs this."""
    if user is not None:
        shutil.chown(folder, user, _group_of(user))


def unprivileged_user() -> str | None:
    """For programs that refuse to run as root: the user to run as, or None where this is not root."""
    return "nobody" if os.geteuid() == 0 else None


def _end_with_parent() -> list[str]:
    # atexit does not run when the tests themselves are killed.
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _group_of(user: str | None) -> int | None:
    return None if user is None else pwd.getpwnam(user).pw_gid


def _runs(process: psutil.Process) -> bool:
    # An orphan that nobody has reaped yet holds no port, no file and no memory.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _kill_if_there(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
