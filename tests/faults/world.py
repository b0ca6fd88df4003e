"""The servers of the harness: a Kafka and a PostgreSQL of its own, each behind a link that can fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.services import KafkaService, PostgresService, open_kafka, open_postgres, open_toxiproxy
from tests.services.server_process import LOOPBACK, free_port
from tests.services.toxiproxy import Link


class World:
    """Tests talk to the servers themselves, workers only by way of the links."""

    def __init__(self, kafka: KafkaService, postgres: PostgresService, kafka_link: Link, postgres_link: Link) -> None:
        self.kafka, self.postgres = kafka, postgres
        self.kafka_link, self.postgres_link = kafka_link, postgres_link

    @property
    def bootstrap_servers(self) -> str:
        """Kafka, by way of its link."""
        return f"{LOOPBACK}:{self.kafka_link.port}"

    def linked(self, dsn: str) -> str:
        """A database's DSN by way of the link."""
        return make_conninfo(dsn, host=LOOPBACK, port=self.postgres_link.port)

    def new_database(self) -> str:
        """An empty one; its DSN, without the link."""
        return self.postgres.create_database()

    def drop(self, dsn: str) -> None:
        """A database that is not needed any more."""
        self.postgres.drop_database(dsn)

    def heal(self) -> None:
        """Links without faults, servers that serve."""
        self.kafka_link.mend()
        for server in (self.kafka, self.postgres):
            if not server.answers():
                server.start()


@contextmanager
def new_world(kafka_settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[World]:
    """Servers that end with the body.

    Args:
        kafka_settings: broker properties on top of those for tests.
    """
    with ExitStack() as closing:
        proxy = open_toxiproxy()
        closing.callback(proxy.close)
        kafka_port, postgres_port = free_port(), free_port()
        kafka = open_kafka(private=True, settings=kafka_settings, through=kafka_port)
        closing.callback(kafka.close)
        postgres = open_postgres(private=True, settings={"deadlock_timeout": "100ms"})
        closing.callback(postgres.close)
        place = conninfo_to_dict(postgres.admin_dsn)
        kafka_link = proxy.link("kafka", kafka.behind_proxy, kafka_port)
        postgres_link = proxy.link("postgres", f"{place['host']}:{place['port']}", postgres_port)
        yield World(kafka, postgres, kafka_link, postgres_link)
