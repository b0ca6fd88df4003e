"""Configurations of Debezium's connectors, and of the converters that write their records."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg.conninfo import conninfo_to_dict

from tests.services import KafkaService, MariaDBService, RegistryService

Config = Mapping[str, str]

# Of topics that Connect makes.
_TOPICS = {"topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1"}

_AVRO_NAMES = {"schema.name.adjustment.mode": "avro", "field.name.adjustment.mode": "avro"}


def mariadb_connector(
    server: MariaDBService, kafka: KafkaService, database: str, prefix: str, server_id: int
) -> Config:
    """Reads all tables of this database; `server_id` is no other replica's."""
    at = server.address
    return {
        **_TOPICS,
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "tasks.max": "1",
        "database.hostname": at.host,
        "database.port": str(at.port),
        "database.user": at.user,
        "database.password": at.password,
        "database.ssl.mode": "disable",
        "database.server.id": str(server_id),
        "database.include.list": database,
        "topic.prefix": prefix,
        "schema.history.internal.kafka.bootstrap.servers": kafka.bootstrap_servers,
        "schema.history.internal.kafka.topic": f"history-{prefix}",
        "schema.history.internal.store.only.captured.databases.ddl": "true",
        "poll.interval.ms": "100",
    }


def postgres_connector(dsn: str, prefix: str) -> Config:
    """Reads all tables of this database by pgoutput, with a slot and a publication of its own."""
    at = conninfo_to_dict(dsn)
    own = prefix.replace("-", "_")
    return {
        **_TOPICS,
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        "plugin.name": "pgoutput",
        "database.hostname": str(at["host"]),
        "database.port": str(at["port"]),
        "database.user": str(at["user"]),
        "database.password": str(at.get("password") or "none"),
        "database.dbname": str(at["dbname"]),
        "slot.name": own,
        "publication.name": own,
        "topic.prefix": prefix,
        "poll.interval.ms": "100",
    }


def json_converter(*, schemas: bool) -> Config:
    """Connect's JSON, plain or each record with its schema."""
    config = {}
    for side in ("key", "value"):
        config[f"{side}.converter"] = "org.apache.kafka.connect.json.JsonConverter"
        config[f"{side}.converter.schemas.enable"] = str(schemas).lower()
    return config


def avro_converter(registry: RegistryService, *, confluent: bool = False) -> Config:
    """Apicurio's Avro: the schema id in headers, or in Confluent's wire format (0x00 and four bytes of id)."""
    config = {**_AVRO_NAMES}
    for side in ("key", "value"):
        config[f"{side}.converter"] = "io.apicurio.registry.utils.converter.AvroConverter"
        config.update({f"{side}.converter.{key}": value for key, value in _apicurio(registry).items()})
        if confluent:
            config[f"{side}.converter.apicurio.registry.headers.enabled"] = "false"
            config[f"{side}.converter.apicurio.registry.as-confluent"] = "true"
            # What Confluent's API of this registry calls an id; the default, globalId, is unknown there.
            config[f"{side}.converter.apicurio.registry.use-id"] = "contentId"
    return config


def cloud_events_converter(
    envelope: str, data: str, registry: RegistryService, *, data_schemas: bool = False
) -> Config:
    """Debezium's CloudEvents: envelope and data as json or avro. Keys are plain JSON."""
    config = {
        **json_converter(schemas=False),
        "value.converter": "io.debezium.converters.CloudEventsConverter",
        "value.converter.serializer.type": envelope,
        "value.converter.data.serializer.type": data,
    }
    config.pop("value.converter.schemas.enable")
    if data == "json":
        config["value.converter.json.schemas.enable"] = str(data_schemas).lower()
    if "avro" in (envelope, data):
        config.update(_AVRO_NAMES)
        config.update({f"value.converter.avro.{key}": value for key, value in _apicurio(registry).items()})
    return config


def _apicurio(registry: RegistryService) -> Config:
    return {
        "apicurio.registry.url": registry.own_api,
        "apicurio.registry.auto-register": "true",
        "apicurio.registry.find-latest": "true",
    }
