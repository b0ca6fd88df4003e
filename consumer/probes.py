"""/metrics, /livez and /readyz for all workers of this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.samples import Sample

from consumer.errors import ConfigError

_SILENT_S = 60.0


class Probes:
    """Serves until closed. Liveness: every worker went round its loop within a minute; readiness: all can work.

    A partition that stands still is named by liveness, and that is all: to begin anew would not help it.

    Args:
        registry: what to serve; with several workers, one that reads what all of them wrote.
        stuck_after_s: how long a partition may stand still before it is named.
    """

    def __init__(self, host: str, port: int, registry: CollectorRegistry, stuck_after_s: float = 60.0) -> None:
        handler = type("Handler", (_Handler,), {"registry": registry, "stuck_after_s": stuck_after_s})
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
    stuck_after_s: float

    def do_GET(self) -> None:
        """Answers the three paths."""
        if self.path == "/metrics":
            self._answer(HTTPStatus.OK, generate_latest(self.registry), CONTENT_TYPE_LATEST)
        elif self.path == "/livez":
            last = self._gauge("milestones_worker_last_loop_timestamp_seconds")
            self._state(last == 0 or time.time() - last < _SILENT_S, self._stuck())
        elif self.path == "/readyz":
            self._state(self._gauge("milestones_worker_ready") == 1)
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"try /metrics, /livez or /readyz\n", "text/plain")

    def _gauge(self, name: str) -> float:
        """The lowest value that any worker has; 0 where none has one yet."""
        return min((sample.value for sample in self._samples(name)), default=0.0)

    def _samples(self, name: str) -> list[Sample]:
        return [sample for family in self.registry.collect() for sample in family.samples if sample.name == name]

    def _stuck(self) -> list[str]:
        """A line for each partition that stands still for too long."""
        samples = self._samples("milestones_partition_stuck_seconds")
        places = [(s.labels["topic"], int(s.labels["partition"]), s.value) for s in samples]
        return [
            f"{topic}-{number}: nothing was published for {stuck_s:.0f} s, though more is there"
            for topic, number, stuck_s in sorted(places)
            if stuck_s > self.stuck_after_s
        ]

    def _state(self, good: bool, more: Sequence[str] = ()) -> None:
        status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
        lines = ["ok" if good else "not ok", *more]
        self._answer(status, "".join(f"{line}\n" for line in lines).encode(), "text/plain")

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Scrapes are not worth a line."""
