"""Which modes of the connectors are captured, each with which converters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.debezium.connectors import Config, avro_converter, cloud_events_converter, json_converter
from tests.services import RegistryService

MARIADB_MODES: Mapping[str, Config] = {
    "default": {},
    "text": {
        "decimal.handling.mode": "string",
        "time.precision.mode": "connect",
        "bigint.unsigned.handling.mode": "precise",
        "binary.handling.mode": "base64",
    },
    "isostring": {
        "decimal.handling.mode": "double",
        "time.precision.mode": "isostring",
        "binary.handling.mode": "hex",
    },
    "microseconds": {
        "decimal.handling.mode": "string",
        "time.precision.mode": "microseconds",
        "binary.handling.mode": "base64-url-safe",
    },
    "nanoseconds": {"time.precision.mode": "nanoseconds", "bigint.unsigned.handling.mode": "precise"},
}

_UNKNOWN_TYPES = {"include.unknown.datatypes": "true"}

POSTGRES_MODES: Mapping[str, Config] = {
    "default": {},
    "text": {
        "decimal.handling.mode": "string",
        "time.precision.mode": "adaptive_time_microseconds",
        "interval.handling.mode": "string",
        "hstore.handling.mode": "map",
        "binary.handling.mode": "base64",
        **_UNKNOWN_TYPES,
    },
    "connect": {
        "decimal.handling.mode": "double",
        "time.precision.mode": "connect",
        "binary.handling.mode": "hex",
    },
    "isostring": {
        "decimal.handling.mode": "string",
        "time.precision.mode": "isostring",
        "binary.handling.mode": "base64-url-safe",
    },
    "microseconds": {"time.precision.mode": "microseconds", **_UNKNOWN_TYPES},
    "nanoseconds": {"time.precision.mode": "nanoseconds", "interval.handling.mode": "string"},
}

# NULL in a column with a DEFAULT is then NULL; on by default.
_NULL_IS_NULL = {f"{side}.converter.replace.null.with.default": "false" for side in ("key", "value")}


@dataclass(frozen=True, slots=True)
class Stream:
    """One connector with one converter; its records become one file of this name."""

    name: str
    settings: Config
    confluent: bool = False


def type_streams(modes: Mapping[str, Config], registry: RegistryService) -> Iterator[Stream]:
    """Each mode in JSON without and with schemas and in Avro; the default also in Confluent's wire format."""
    for name, modes_ in modes.items():
        nulls = _NULL_IS_NULL if name == "text" else {}
        yield Stream(f"{name}-json", {**modes_, **json_converter(schemas=False), **nulls})
        yield Stream(f"{name}-json-schema", {**modes_, **json_converter(schemas=True), **nulls})
        yield Stream(f"{name}-avro", {**modes_, **avro_converter(registry)})
    yield Stream("default-avro-confluent", avro_converter(registry, confluent=True), confluent=True)


def document_streams(registry: RegistryService, signals: str) -> Iterator[Stream]:
    """Frappe-shaped documents: envelopes, one topic for all, flattened records and CloudEvents.

    `signals`: the table that the envelope's connectors take signals from.
    """
    plain, schemas, avro = json_converter(schemas=False), json_converter(schemas=True), avro_converter(registry)
    confluent = avro_converter(registry, confluent=True)
    everything = {**_EVERYTHING, "signal.data.collection": signals}
    yield Stream("documents-json", {**everything, **plain})
    yield Stream("documents-json-schema", {**everything, **schemas})
    yield Stream("documents-avro", {**everything, **avro})
    yield Stream("documents-avro-confluent", {**everything, **confluent}, confluent=True)
    yield Stream("one-topic-json", {**_ONE_TOPIC, **plain})
    yield Stream("one-topic-avro", {**_ONE_TOPIC, **avro})
    yield Stream("flat-json", {**_flat(), **plain})
    yield from _flat_streams(plain, schemas, avro, confluent)
    yield from _cloud_events(registry)


def _flat_streams(plain: Config, schemas: Config, avro: Config, confluent: Config) -> Iterator[Stream]:
    fields = _flat("rewrite", **{"add.fields": "op,table,source.ts_ms,lsn", "add.headers": "op,db"})
    yield Stream("flat-fields-json", {**fields, **plain})
    yield Stream("flat-fields-json-schema", {**fields, **schemas})
    yield Stream("flat-fields-avro", {**fields, **avro})
    yield Stream("flat-fields-avro-confluent", {**fields, **confluent}, confluent=True)
    for mode in ("drop", "tombstone", "rewrite-with-tombstone", "delete-to-tombstone"):
        prefix = {"add.fields": "op,source.table,source.ts_ms", "add.fields.prefix": "cdc_"}
        yield Stream(f"flat-{mode}-json", {**_flat(mode, **prefix), **plain})


def _flat(deletes: str | None = None, **settings: str) -> dict[str, str]:
    handling = {} if deletes is None else {"delete.tombstone.handling.mode": deletes}
    return {
        "transforms": "flat",
        "transforms.flat.type": "io.debezium.transforms.ExtractNewRecordState",
        **{f"transforms.flat.{key}": value for key, value in {**handling, **settings}.items()},
    }


def _cloud_events(registry: RegistryService) -> Iterator[Stream]:
    yield Stream("cloud-events-json", cloud_events_converter("json", "json", registry))
    yield Stream("cloud-events-json-schema", cloud_events_converter("json", "json", registry, data_schemas=True))
    yield Stream("cloud-events-json-avro", cloud_events_converter("json", "avro", registry))
    yield Stream("cloud-events-avro", cloud_events_converter("avro", "avro", registry))


# What may be mixed into a stream: transaction markers, heartbeats, truncates, signals.
_EVERYTHING = {
    "provide.transaction.metadata": "true",
    "heartbeat.interval.ms": "5000",
    "skipped.operations": "none",
    "signal.enabled.channels": "source",
    "incremental.snapshot.chunk.size": "3",
}

_ONE_TOPIC = {
    "transforms": "router",
    "transforms.router.type": "io.debezium.transforms.ByLogicalTableRouter",
    "transforms.router.topic.regex": r"([^.]+)\.([^.]+)\.tab(.*)",
    "transforms.router.topic.replacement": "$1.document-changes",
}
