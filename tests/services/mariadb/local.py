"""MariaDB from the system's package, as a process on a loopback port of its own: no Docker needed.

`mariadb-server-core` is enough: programs and system tables, without a service of the system.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.services.mariadb import SERVER_SETTINGS, Address, MariaDBService
from tests.services.server_process import LOOPBACK, ServerProcess, free_port, give_to, unprivileged_user

_USER = "debezium"
_PASSWORD = "debezium"  # noqa: S105 (of a server that lives as long as a test)

# The daemon's folder is on root's path only.
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def is_installed() -> bool:
    """Whether MariaDB's programs are on this machine."""
    return all(shutil.which(program, path=_PATH) for program in ("mariadbd", "mariadb-install-db"))


class LocalMariaDB(MariaDBService):
    """One server with data, socket and log in a temporary folder."""

    can_fault = True

    def __init__(self, settings: Mapping[str, str]):
        self._port = free_port()
        self._user = unprivileged_user()  # MariaDB refuses to run as root.
        self._folder = Path(tempfile.mkdtemp(prefix="milestones-mariadb-"))
        give_to(self._user, self._folder)
        self._users().write_text(_make_user())
        self._users().chmod(0o644)
        self._server = ServerProcess(
            [_program("mariadbd"), "--no-defaults", *self._parameters(settings)],
            log=self._folder / "server.log", user=self._user, shutdown=signal.SIGTERM,
        )  # fmt: skip

    @property
    def address(self) -> Address:
        return Address(LOOPBACK, self._port, _USER, _PASSWORD)

    @property
    def pid(self) -> int:
        """The server's process id, for signals that this class has no name for."""
        return self._server.pid

    def start(self) -> None:
        if not Path(self._data).exists():
            self._make_system_tables()
        self._server.start()
        self._server.wait_until_serving(self.answers, timeout_s=60.0)

    def stop(self) -> None:
        self._server.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        self._server.kill()

    def terminate(self) -> None:
        self._server.terminate()

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _users(self) -> Path:
        return self._folder / "users.sql"

    def _make_system_tables(self) -> None:
        subprocess.run(
            [_program("mariadb-install-db"), "--no-defaults", f"--datadir={self._data}", "--skip-test-db",
             "--auth-root-authentication-method=normal", "--skip-name-resolve"],
            user=self._user, cwd=self._folder, capture_output=True, check=True,
        )  # fmt: skip

    def _parameters(self, settings: Mapping[str, str]) -> list[str]:
        own = {
            "datadir": self._data,
            "port": str(self._port),
            "bind-address": LOOPBACK,
            "socket": str(self._folder / "server.sock"),
            "pid-file": str(self._folder / "server.pid"),
            "init-file": str(self._users()),
            "skip-name-resolve": "ON",
        }
        return [f"--{key}={value}" for key, value in {**own, **SERVER_SETTINGS, **settings}.items()]


def _program(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise RuntimeError(f"{name} is not installed (apt-get install mariadb-server-core mariadb-client-core)")
    return found


def _make_user() -> str:
    # Not in the binlog: a connector would have to read them.
    return (
        "SET SESSION sql_log_bin = 0;\n"
        f"CREATE USER IF NOT EXISTS '{_USER}'@'%' IDENTIFIED BY '{_PASSWORD}';\n"
        f"GRANT ALL ON *.* TO '{_USER}'@'%' WITH GRANT OPTION;\n"
    )
