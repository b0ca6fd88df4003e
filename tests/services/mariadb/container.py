"""MariaDB as a container: kept thin, with the release of the local form."""

from collections.abc import Mapping

from testcontainers.core.container import DockerContainer

from tests.services.mariadb import IMAGE, SERVER_SETTINGS, Address, MariaDBService
from tests.services.server_process import LOOPBACK, free_port
from tests.services.service import wait_until

_INSIDE_PORT = 3306


class ContainerMariaDB(MariaDBService):
    """MariaDB's own image on a host port that a restart keeps."""

    can_fault = True

    def __init__(self, settings: Mapping[str, str]):
        self._port = free_port()
        self._container = (
            DockerContainer(IMAGE)
            .with_bind_ports(_INSIDE_PORT, self._port)
            .with_env("MARIADB_ROOT_PASSWORD", "debezium")
            .with_command([f"--{key}={value}" for key, value in {**SERVER_SETTINGS, **settings}.items()])
        )
        self._started = False

    @property
    def address(self) -> Address:
        return Address(LOOPBACK, self._port, "root", "debezium")

    def start(self) -> None:
        if self._started:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._started = True
        wait_until(self.answers, timeout_s=90.0, what="MariaDB's container serves")

    def stop(self) -> None:
        self._container.stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def terminate(self) -> None:
        self._container.get_wrapped_container().stop()
