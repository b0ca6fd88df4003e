"""Kafka as a container: kept thin, with the image and settings of docker-compose.yml."""

from collections.abc import Mapping

from testcontainers.core.container import DockerContainer

from tests.services.kafka import BROKER_SETTINGS, IMAGE, KafkaService, listeners
from tests.services.server_process import LOOPBACK, free_port
from tests.services.service import wait_until

_INSIDE_PORT = 9092
_BEHIND_PORT = 9094


class ContainerKafka(KafkaService):
    """Apache's own image, one KRaft node. (testcontainers' KafkaContainer starts Confluent's image only.)"""

    can_fault = True

    def __init__(self, settings: Mapping[str, str], through: int = 0):
        # A host port of its own choice: what the broker advertises must be known before it starts.
        self._port = free_port()
        self._container = DockerContainer(IMAGE).with_bind_ports(_INSIDE_PORT, self._port)
        self._through, self._behind_port = through, free_port()
        if through:
            self._container.with_bind_ports(_BEHIND_PORT, self._behind_port)
        for key, value in self._properties(settings).items():
            self._container.with_env("KAFKA_" + key.upper().replace(".", "_"), value)
        self._started = False

    @property
    def bootstrap_servers(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    @property
    def behind_proxy(self) -> str:
        return f"{LOOPBACK}:{self._behind_port}"

    def start(self) -> None:
        if self._started:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._started = True
        wait_until(self.answers, timeout_s=90.0, what="Kafka's container serves")

    def stop(self) -> None:
        self._container.stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def terminate(self) -> None:
        self._container.get_wrapped_container().stop()

    def _properties(self, settings: Mapping[str, str]) -> dict[str, str]:
        proxy = (f":{_BEHIND_PORT}", f"{LOOPBACK}:{self._through}") if self._through else None
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": "1@localhost:9093",
            **listeners(f":{_INSIDE_PORT}", self.bootstrap_servers, ":9093", proxy),
            **BROKER_SETTINGS,
            **settings,
        }
