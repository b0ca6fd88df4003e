"""Toxiproxy: links to servers that can be cut, slowed down, and made to swallow what one side says."""

import json
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Literal

from tests.services.server_process import LOOPBACK, ServerProcess, free_port
from tests.services.service import Service
from tests.services.toxiproxy.installation import install

Stream = Literal["upstream", "downstream"]
"""From the client to the server, or back."""


class ToxiproxyService(Service):
    """One Toxiproxy as a process on a loopback port of its own."""

    can_fault = True

    def __init__(self) -> None:
        self._port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="milestones-toxiproxy-"))
        command = [str(install()), "-host", LOOPBACK, "-port", str(self._port)]
        self._server = ServerProcess(command, log=self._folder / "server.log", shutdown=signal.SIGTERM)

    def start(self) -> None:
        self._server.start()
        self._server.wait_until_serving(self.answers, timeout_s=30.0)

    def stop(self) -> None:
        self._server.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def answers(self) -> bool:
        """Whether it takes requests."""
        try:
            self.ask("GET", "/version")
        except (OSError, HTTPException):
            return False
        return True

    def link(self, name: str, upstream: str, port: int) -> "Link":
        """A link to `upstream` (host:port) that clients find at a loopback port."""
        self.ask("POST", "/proxies", {"name": name, "listen": f"{LOOPBACK}:{port}", "upstream": upstream})
        return Link(self, name, port)

    def ask(self, method: str, path: str, content: Mapping[str, object] | None = None) -> None:
        """One request of its API. Raises RuntimeError if it is refused."""
        connection = HTTPConnection(LOOPBACK, self._port, timeout=10.0)
        try:
            connection.request(method, path, None if content is None else json.dumps(content))
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"toxiproxy: {method} {path}: {answer.status} {said.decode()}")


class Link:
    """One proxied connection to a server; healthy unless a fault is on."""

    def __init__(self, proxy: ToxiproxyService, name: str, port: int) -> None:
        self._proxy, self._path, self.port = proxy, f"/proxies/{name}", port

    def cut(self) -> None:
        """Closes all connections and takes no new ones."""
        self._proxy.ask("POST", self._path, {"enabled": False})

    def mend(self) -> None:
        """Takes connections again, without any fault."""
        self._proxy.ask("POST", "/reset")

    def swallow(self, stream: Stream) -> None:
        """What is said from now on does not arrive, and nobody is told: connections stay open."""
        self._poison("timeout", stream, {"timeout": 0})

    def reset(self) -> None:
        """Ends connections with a TCP reset as soon as something is said."""
        self._poison("reset_peer", "downstream", {"timeout": 0})

    @contextmanager
    def slow(self, latency_ms: int, jitter_ms: int = 0) -> Iterator[None]:
        """Every answer comes late."""
        self._poison("latency", "downstream", {"latency": latency_ms, "jitter": jitter_ms})
        try:
            yield
        finally:
            self._proxy.ask("DELETE", f"{self._path}/toxics/latency")

    def _poison(self, kind: str, stream: Stream, attributes: Mapping[str, object]) -> None:
        content = {"name": kind, "type": kind, "stream": stream, "attributes": attributes}
        self._proxy.ask("POST", f"{self._path}/toxics", content)
