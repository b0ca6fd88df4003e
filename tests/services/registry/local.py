"""Apicurio's registry as a Java process on a loopback port of its own, in memory: no Docker needed."""

import shutil
import signal
import tempfile
from pathlib import Path

from tests.services.registry import RegistryService
from tests.services.registry.installation import JAR, install
from tests.services.server_process import LOOPBACK, ServerProcess, free_port


class LocalRegistry(RegistryService):
    """One registry; what it holds ends with its process."""

    can_fault = True

    def __init__(self) -> None:
        install()
        self._port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="milestones-registry-"))
        self._server = ServerProcess(
            ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Djava.io.tmpdir={self._folder}",
             f"-Dquarkus.http.host={LOOPBACK}", f"-Dquarkus.http.port={self._port}", "-jar", str(JAR)],
            log=self._folder / "registry.log", shutdown=signal.SIGTERM,
        )  # fmt: skip

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._port}"

    def start(self) -> None:
        self._server.start()
        self._server.wait_until_serving(self.answers, timeout_s=90.0)

    def stop(self) -> None:
        self._server.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        self._server.kill()

    def terminate(self) -> None:
        self._server.terminate()
