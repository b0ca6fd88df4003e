"""Apicurio's registry as a container: kept thin, with the version of the local form."""

from testcontainers.core.container import DockerContainer

from tests.services.registry import IMAGE, RegistryService
from tests.services.server_process import LOOPBACK, free_port
from tests.services.service import wait_until

_INSIDE_PORT = 8080


class ContainerRegistry(RegistryService):
    """Apicurio's own image that keeps schemas in memory, on a host port that a restart keeps."""

    can_fault = True

    def __init__(self) -> None:
        self._port = free_port()
        self._container = DockerContainer(IMAGE).with_bind_ports(_INSIDE_PORT, self._port)
        self._started = False

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._port}"

    def start(self) -> None:
        if self._started:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._started = True
        wait_until(self.answers, timeout_s=90.0, what="the registry's container serves")

    def stop(self) -> None:
        self._container.stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def terminate(self) -> None:
        self._container.get_wrapped_container().stop()
