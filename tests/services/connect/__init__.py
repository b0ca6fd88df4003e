"""A Kafka Connect worker with Debezium for tests.

It is a Java process in every form: the servers that it reads are on loopback ports, where a container does not get at.
"""

import json
import shutil
import signal
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.services.connect.installation import JAVA, install
from tests.services.server_process import LOOPBACK, ServerProcess, free_port
from tests.services.service import Service, wait_until

_DEADLINE_S = 120.0


class ConnectService(Service):
    """One standalone worker: connectors are added while it is down or up, and go on where they were after a kill."""

    can_fault = True

    def __init__(self, bootstrap_servers: str, settings: Mapping[str, str]):
        """`settings`: worker properties on top of the usual ones."""
        install()
        self._port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="milestones-connect-"))
        self._connectors: dict[str, Path] = {}
        self._properties = self._folder / "worker.properties"
        properties = {**self._worker_properties(bootstrap_servers), **settings}
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        self._server: ServerProcess | None = None

    @property
    def url(self) -> str:
        """The REST API."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def log(self) -> Path:
        """The file that the worker logs to."""
        return self._folder / "worker.log"

    def start(self) -> None:
        files = [str(path) for path in self._connectors.values()]
        self._server = ServerProcess(
            [*JAVA, "org.apache.kafka.connect.cli.ConnectStandalone", str(self._properties), *files],
            log=self.log, shutdown=signal.SIGTERM,
        )  # fmt: skip
        self._server.start()
        self._server.wait_until_serving(self.answers, timeout_s=_DEADLINE_S)
        self.wait_until_running(*self._connectors)

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()

    def terminate(self) -> None:
        if self._server is not None:
            self._server.terminate()

    def answers(self) -> bool:
        """Whether the REST API answers."""
        try:
            return bool(self._ask("GET", "/"))
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def add(self, connectors: Mapping[str, Mapping[str, str]]) -> None:
        """Add connectors by name, also for the worker's next lives, and wait until they run.

        Raises RuntimeError with the connector's own words if it fails.
        """
        for name, config in connectors.items():
            path = self._folder / f"{name}.json"
            path.write_text(json.dumps({"name": name, "config": dict(config)}))
            self._connectors[name] = path
            self._ask("PUT", f"/connectors/{name}/config", dict(config))
        self.wait_until_running(*connectors)

    def remove(self, *names: str) -> None:
        """Forget these connectors; their topics stay."""
        for name in names:
            self._connectors.pop(name).unlink()
            self._ask("DELETE", f"/connectors/{name}")

    def noted_at(self) -> float:
        """When it last noted the positions of its connectors, in seconds since the epoch; 0 if it never did."""
        offsets = self._folder / "offsets"
        return offsets.stat().st_mtime if offsets.exists() else 0.0

    def wait_until_running(self, *names: str) -> None:
        """Until every task of these connectors runs. Raises RuntimeError if one fails, TimeoutError."""
        for name in names:
            wait_until(lambda name=name: self._runs(name), timeout_s=_DEADLINE_S, what=f"connector {name} runs")  # type: ignore[misc]

    def _runs(self, name: str) -> bool:
        status = self._ask("GET", f"/connectors/{name}/status")
        parts = [status["connector"], *status["tasks"]] if status else []
        failed = [part["trace"] for part in parts if part["state"] == "FAILED"]
        if failed:
            raise RuntimeError(f"connector {name} failed:\n{failed[0]}")
        return len(parts) > 1 and all(part["state"] == "RUNNING" for part in parts)

    def _ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 (JSON)
        """The answer; None where Connect does not know it (yet). Raises RuntimeError with what it refuses."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 (loopback)
        try:
            with urllib.request.urlopen(request, timeout=30.0) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise RuntimeError(f"Connect refused {method} {path}: {error.read().decode()}") from error

    def _worker_properties(self, bootstrap_servers: str) -> dict[str, str]:
        return {
            "bootstrap.servers": bootstrap_servers,
            "listeners": self.url,
            "offset.storage.file.filename": str(self._folder / "offsets"),
            # What a kill repeats is what was read since; a default minute would be all of a test.
            "offset.flush.interval.ms": "1000",
            "plugin.discovery": "service_load",
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "topic.creation.enable": "true",
            "producer.max.request.size": str(100 * 1024 * 1024),
        }
