"""Kafka as a Java process on loopback ports of its own: no Docker needed."""

import shutil
import signal
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.services.kafka import BROKER_SETTINGS, KafkaService, listeners
from tests.services.kafka.installation import JAVA, install, new_log_dirs
from tests.services.server_process import LOOPBACK, ServerProcess, free_port


class LocalKafka(KafkaService):
    """One KRaft node, broker and controller, with its data in a temporary folder."""

    can_fault = True

    def __init__(self, settings: Mapping[str, str], through: int = 0, joins: "LocalKafka | None" = None):
        """`joins`: becomes a second broker of that node's cluster."""
        install()
        self._port = free_port()
        self._through, self._behind_port = through, free_port()
        self._node_id = 1 if joins is None else 2
        self.controller: str = f"{LOOPBACK}:{free_port()}" if joins is None else joins.controller
        self._folder = Path(tempfile.mkdtemp(prefix="milestones-kafka-"))
        cluster_id = "" if joins is None else joins.cluster_id
        self.cluster_id: str = new_log_dirs(self._folder / "log", self._node_id, cluster_id)
        properties = self._folder / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in self._properties(settings).items()))
        self._server = ServerProcess(
            [*JAVA, "kafka.Kafka", str(properties)], log=self._folder / "server.log", shutdown=signal.SIGTERM
        )

    @property
    def bootstrap_servers(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    @property
    def behind_proxy(self) -> str:
        return f"{LOOPBACK}:{self._behind_port}"

    @property
    def pid(self) -> int:
        """The broker's process id, for signals that this class has no name for."""
        return self._server.pid

    def start(self) -> None:
        self._server.start()
        self._server.wait_until_serving(lambda: self._accepts() and self.answers(), timeout_s=60.0)

    def stop(self) -> None:
        self._server.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        self._server.kill()

    def terminate(self) -> None:
        self._server.terminate()

    def back_up(self) -> Path:
        """While it is down: a copy of all its data, for `restore`."""
        return Path(shutil.copytree(self._folder / "log", self._folder / "backup"))

    def restore(self, backup: Path) -> None:
        """While it is down: goes back to an older state."""
        shutil.rmtree(self._folder / "log")
        backup.rename(self._folder / "log")

    def _accepts(self) -> bool:
        # A client made too early waits out its own reconnect backoff, longer than the broker takes.
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self._port)) == 0

    def _properties(self, settings: Mapping[str, str]) -> dict[str, str]:
        proxy = (self.behind_proxy, f"{LOOPBACK}:{self._through}") if self._through else None
        controller = self.controller if self._node_id == 1 else ""
        return {
            "process.roles": "broker,controller" if controller else "broker",
            "node.id": str(self._node_id),
            "controller.quorum.voters": f"1@{self.controller}",
            **listeners(self.bootstrap_servers, self.bootstrap_servers, controller, proxy),
            "log.dirs": str(self._folder / "log"),
            **BROKER_SETTINGS,
            **settings,
        }
