"""/metrics, /livez and /readyz for all workers of this machine."""

from __future__ import annotations

import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from consumer.errors import ConfigError

_SILENT_S = 60.0


class Probes:
    """Serves until closed. Liveness: every worker went round its loop within a minute; readiness: all can work.

    Args:
        registry: what to serve; with several workers, one that reads what all of them wrote.
    """

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        handler = type("Handler", (_Handler,), {"registry": registry})
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise ConfigError(f"metrics.port: {host}:{port}: {error.strerror}; choose another") from error
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True, name="probes")
        self._thread.start()

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    registry: CollectorRegistry

    def do_GET(self) -> None:
        """Answers the three paths."""
        if self.path == "/metrics":
            self._answer(HTTPStatus.OK, generate_latest(self.registry), CONTENT_TYPE_LATEST)
        elif self.path == "/livez":
            last = self._gauge("milestones_worker_last_loop_timestamp_seconds")
            self._state(last == 0 or time.time() - last < _SILENT_S)
        elif self.path == "/readyz":
            self._state(self._gauge("milestones_worker_ready") == 1)
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"try /metrics, /livez or /readyz\n", "text/plain")

    def _gauge(self, name: str) -> float:
        """The lowest value that any worker has; 0 where none has one yet."""
        values = [s.value for family in self.registry.collect() for s in family.samples if s.name == name]
        return min(values, default=0.0)

    def _state(self, good: bool) -> None:
        status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
        self._answer(status, b"ok\n" if good else b"not ok\n", "text/plain")

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Scrapes are not worth a line."""
