"""Real servers for tests and the bench: an address that was given, else Docker, else the local form.

Nothing here knows pytest: `bench/` uses the same servers. `tests/conftest.py` makes fixtures of them.

    with closing(open_kafka()) as kafka, closing(open_postgres(durable=True)) as postgres:
        kafka.create_topic("document-changes", partitions=4)
        dsn = postgres.create_database()
"""

import os
from collections.abc import Mapping
from types import MappingProxyType

from tests.services.choice import (
    Form,
    NoServerError,
    connect_form,
    kafka_form,
    mariadb_form,
    postgres_form,
    registry_form,
    this_machine,
)
from tests.services.connect import ConnectService
from tests.services.kafka import GivenKafka, KafkaService
from tests.services.kafka.container import ContainerKafka
from tests.services.kafka.local import LocalKafka
from tests.services.mariadb import GivenMariaDB, MariaDBService
from tests.services.mariadb.container import ContainerMariaDB
from tests.services.mariadb.local import LocalMariaDB
from tests.services.postgres import GivenPostgres, PostgresService
from tests.services.postgres.container import ContainerPostgres
from tests.services.postgres.local import LocalPostgres
from tests.services.registry import GivenRegistry, RegistryService
from tests.services.registry.container import ContainerRegistry
from tests.services.registry.local import LocalRegistry
from tests.services.toxiproxy import ToxiproxyService

__all__ = [
    "ConnectService",
    "KafkaService",
    "MariaDBService",
    "NoServerError",
    "PostgresService",
    "RegistryService",
    "ToxiproxyService",
    "open_connect",
    "open_kafka",
    "open_mariadb",
    "open_postgres",
    "open_registry",
    "open_toxiproxy",
]

_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


LOOKS_AT_RIGHTS: Mapping[str, str] = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
"""A broker's settings with which it does; who has none on a thing may do everything with it."""


def open_kafka(*, private: bool = False, settings: Mapping[str, str] = _NO_SETTINGS, through: int = 0) -> KafkaService:
    """Start an Apache Kafka and return it serving.

    `private`: a server of one's own, which may be killed; an address that was given is never taken for it.
    `settings`: broker properties on top of the usual ones; a server that was given keeps its own.
    `through`: the loopback port of a proxy; clients of its `behind_proxy` listener are told to come back through it.
    Raises NoServerError where none can be had.
    """
    form, address = kafka_form(os.environ, this_machine(), private=private)
    kafka: KafkaService
    if form is Form.GIVEN:
        kafka = GivenKafka(address)
    else:
        kafka = ContainerKafka(settings, through) if form is Form.DOCKER else LocalKafka(settings, through)
    kafka.start()
    return kafka


def open_postgres(
    *, private: bool = False, durable: bool = False, settings: Mapping[str, str] = _NO_SETTINGS
) -> PostgresService:
    """Start a PostgreSQL and return it serving.

    `private`: a server of one's own, which may be killed; an address that was given is never taken for it.
    `durable`: fsync stays on, as in production (the bench); without it only a crash of the machine loses commits.
    `settings`: server parameters on top of the usual ones; a server that was given keeps its own.
    Raises NoServerError where none can be had.
    """
    form, address = postgres_form(os.environ, this_machine(), private=private)
    postgres: PostgresService
    if form is Form.GIVEN:
        postgres = GivenPostgres(address)
    elif form is Form.DOCKER:
        postgres = ContainerPostgres(settings, durable=durable)
    else:
        postgres = LocalPostgres(settings, durable=durable)
    postgres.start()
    return postgres


def open_mariadb(*, private: bool = False, settings: Mapping[str, str] = _NO_SETTINGS) -> MariaDBService:
    """Start a MariaDB with a row-based binlog and return it serving; arguments as for `open_postgres`."""
    form, url = mariadb_form(os.environ, this_machine(), private=private)
    mariadb: MariaDBService
    if form is Form.GIVEN:
        mariadb = GivenMariaDB(url)
    else:
        mariadb = ContainerMariaDB(settings) if form is Form.DOCKER else LocalMariaDB(settings)
    mariadb.start()
    return mariadb


def open_registry(*, private: bool = False) -> RegistryService:
    """Start an empty Apicurio registry and return it serving. Raises NoServerError where none can be had."""
    form, url = registry_form(os.environ, this_machine(), private=private)
    registry: RegistryService
    if form is Form.GIVEN:
        registry = GivenRegistry(url)
    else:
        registry = ContainerRegistry() if form is Form.DOCKER else LocalRegistry()
    registry.start()
    return registry


def open_connect(kafka: KafkaService, settings: Mapping[str, str] = _NO_SETTINGS) -> ConnectService:
    """Start a Kafka Connect worker with Debezium on this Kafka and return it serving, without connectors.

    `settings`: worker properties on top of the usual ones. Raises NoServerError where Java and Maven are missing.
    """
    connect_form(this_machine())
    connect = ConnectService(kafka.bootstrap_servers, settings)
    connect.start()
    return connect


def open_toxiproxy() -> ToxiproxyService:
    """Start a Toxiproxy without links and return it serving; it is a process everywhere, and needs no Docker."""
    toxiproxy = ToxiproxyService()
    toxiproxy.start()
    return toxiproxy
