"""PostgreSQL as a container: kept thin, with the image of docker-compose.yml."""

from collections.abc import Mapping

from testcontainers.community.postgres import PostgresContainer

from tests.services.postgres import IMAGE, PostgresService, server_settings
from tests.services.server_process import LOOPBACK, free_port
from tests.services.service import wait_until

_INSIDE_PORT = 5432


class ContainerPostgres(PostgresService):
    """testcontainers' PostgreSQL on a host port that a restart keeps."""

    can_fault = True

    def __init__(self, settings: Mapping[str, str], *, durable: bool):
        self._port = free_port()
        parameters = server_settings(settings, durable=durable)
        self._container = (
            PostgresContainer(IMAGE, username="postgres", password="postgres", dbname="postgres")  # noqa: S106 (test)
            .with_bind_ports(_INSIDE_PORT, self._port)
            .with_command(["postgres", *(f"--{key}={value}" for key, value in parameters.items())])
        )
        self._started = False

    @property
    def admin_dsn(self) -> str:
        return f"postgresql://postgres:postgres@{LOOPBACK}:{self._port}/postgres"

    def start(self) -> None:
        if self._started:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._started = True
        wait_until(self.answers, timeout_s=60.0, what="PostgreSQL's container serves")

    def stop(self) -> None:
        self._container.stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def terminate(self) -> None:
        self._container.get_wrapped_container().stop()
