"""Captures what the real Debezium emits into tests/data/debezium: `python -m tests.debezium.capture [part …]`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from tests.debezium import mariadb_types, postgres_types
from tests.debezium.connectors import Config, avro_converter, json_converter
from tests.debezium.recording import record, write_recording
from tests.debezium.schemas import Schemas, fetch_schemas, used_ids, write_schemas
from tests.debezium.sources import MariaDBSource, PostgresSource, Source
from tests.debezium.tables import Table
from tests.debezium.truth import Truth
from tests.services import (
    ConnectService,
    KafkaService,
    MariaDBService,
    PostgresService,
    RegistryService,
    open_connect,
    open_kafka,
    open_mariadb,
    open_postgres,
    open_registry,
)

DATA = Path(__file__).parents[1] / "data" / "debezium"

_SNAPSHOT = "snapshot-is-done"
_END = "end-of-capture"


@dataclass(frozen=True, slots=True)
class Line:
    """Everything that a change event goes through, running."""

    kafka: KafkaService
    connect: ConnectService
    registry: RegistryService
    mariadb: MariaDBService
    postgres: PostgresService


@dataclass(frozen=True, slots=True)
class Stream:
    """One connector with one converter; its records become one file of this name."""

    name: str
    settings: Config
    confluent: bool = False


def open_line(stack: ExitStack) -> Line:
    """Start all servers; the stack ends them."""
    kafka = stack.enter_context(closing(open_kafka(private=True)))
    return Line(
        kafka,
        stack.enter_context(closing(open_connect(kafka))),
        stack.enter_context(closing(open_registry(private=True))),
        stack.enter_context(closing(open_mariadb(private=True))),
        stack.enter_context(closing(open_postgres(private=True, settings=_LOGICAL))),
    )


_LOGICAL = {"wal_level": "logical", "max_replication_slots": "60", "max_wal_senders": "60"}


def capture(line: Line, source: Source, streams: Sequence[Stream], work: Iterable[str | Sequence[str]]) -> Schemas:
    """Snapshot and then the work, as each of these connectors tells it; returns the schemas that they used."""
    source.mark(_SNAPSHOT)
    names = {stream.name: f"{source.connector}-{stream.name}" for stream in streams}
    line.connect.add({names[s.name]: {**source.config(names[s.name]), **s.settings} for s in streams})
    for name in names.values():
        record(line.kafka, line.connect, name, _SNAPSHOT.encode())
    source.run(work)
    source.mark(_END)
    schemas: Schemas = {}
    for stream in streams:
        records = record(line.kafka, line.connect, names[stream.name], _END.encode())
        write_recording(DATA / source.connector / f"{stream.name}.jsonl.gz", records)
        for kind, found in fetch_schemas(line.registry, used_ids(records, confluent=stream.confluent)).items():
            schemas.setdefault(kind, {}).update(found)
    line.connect.remove(*names.values())
    return schemas


def capture_types(line: Line, source: Source, tables: Sequence[Table], streams: Sequence[Stream]) -> Schemas:
    """Every type: rows that a snapshot reads, the same as inserts, then updates and a delete."""
    truth = Truth()
    names = [table.name for table in tables]
    source.run([table.create() for table in tables])
    source.run([row for table in tables for row in table.inserts(1)])
    source.note(truth, names)
    schemas = capture(line, source, streams, _changes(source, truth, tables))
    source.note(truth, names)
    truth.write(DATA / source.connector / "truth.json.gz")
    return schemas


def _changes(source: Source, truth: Truth, tables: Sequence[Table]) -> Iterable[str]:
    for table in tables:
        yield from table.inserts(101)
    source.note(truth, [table.name for table in tables])
    for table in tables:
        yield from table.updates(101)
    for table in tables:
        yield table.delete(1)


def main(parts: Sequence[str]) -> None:
    """Capture the named parts, or all."""
    with ExitStack() as stack:
        line = open_line(stack)
        if not parts or "mariadb" in parts:
            _mariadb(line)
        if not parts or "postgres" in parts:
            _postgres(line)


def _mariadb(line: Line) -> None:
    source = MariaDBSource(line.mariadb, line.kafka, "types")
    tables = [mariadb_types.TYPES, mariadb_types.ZERO_DATES, mariadb_types.DURATIONS]
    write_schemas(DATA / "mariadb" / "registry.json", capture_types(line, source, tables, _type_streams(line)))


def _postgres(line: Line) -> None:
    source = PostgresSource(line.postgres)
    source.run(postgres_types.CREATE_TYPES)
    tables = [postgres_types.TYPES, postgres_types.INFINITE, postgres_types.NOT_A_NUMBER]
    write_schemas(DATA / "postgres" / "registry.json", capture_types(line, source, tables, _type_streams(line)))


def _type_streams(line: Line) -> list[Stream]:
    return [
        Stream("default-json", json_converter(schemas=False)),
        Stream("default-json-schema", json_converter(schemas=True)),
        Stream("default-avro", avro_converter(line.registry)),
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
