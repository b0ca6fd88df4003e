"""Captures what the real Debezium emits into tests/data/debezium: `python -m tests.debezium.capture [connector …]`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from tests.debezium import documents, mariadb_types, postgres_types
from tests.debezium.recording import record, write_recording
from tests.debezium.schemas import Schemas, fetch_schemas, merged, registered_ids, used_ids, write_schemas
from tests.debezium.sources import MariaDBSource, PostgresSource, Source
from tests.debezium.tables import Table
from tests.debezium.truth import Truth
from tests.debezium.variants import MARIADB_MODES, POSTGRES_MODES, Stream, document_streams, type_streams
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
    schemas: list[Schemas] = []
    for stream in streams:
        records = record(line.kafka, line.connect, names[stream.name], _END.encode())
        write_recording(DATA / source.connector / f"{stream.name}.jsonl.gz", records)
        ids = used_ids(records, confluent=stream.confluent) | registered_ids(line.registry, names[stream.name])
        schemas.append(fetch_schemas(line.registry, ids))
    line.connect.remove(*names.values())
    return merged(schemas)


def capture_types(
    line: Line, source: Source, tables: Sequence[Table], streams: Sequence[Stream], after: Iterable[str] = ()
) -> Schemas:
    """Every type: rows that a snapshot reads, the same as inserts, then updates and a delete.

    `after`: what else the tables need, as statements.
    """
    truth = Truth()
    names = [table.name for table in tables]
    source.run([*(table.create() for table in tables), *after])
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


def capture_documents(
    line: Line, source: Source, dialect: documents.Dialect, within: str, more: Iterable[str] = ()
) -> Schemas:
    """Frappe-shaped documents; `within` is the database or schema that tables are named in."""
    source.run(documents.create(dialect))
    source.run(documents.begin(dialect))
    streams = list(document_streams(line.registry, f"{within}.{documents.SIGNALS}"))

    def work() -> Iterator[str | Sequence[str]]:
        yield from documents.work(dialect)
        yield from more
        yield documents.snapshot_signal(dialect, within, "tabTask", "tabSales Order")
        for stream in streams:
            if "signal.data.collection" in stream.settings:
                record(line.kafka, line.connect, f"{source.connector}-{stream.name}", b"snapshot-window-close")

    return capture(line, source, streams, work())


def _mariadb_types(line: Line) -> Schemas:
    source = MariaDBSource(line.mariadb, line.kafka, "types")
    tables = [mariadb_types.TYPES, mariadb_types.ZERO_DATES, mariadb_types.DURATIONS]
    return capture_types(line, source, tables, list(type_streams(MARIADB_MODES, line.registry)))


def _mariadb_documents(line: Line) -> Schemas:
    return capture_documents(line, MariaDBSource(line.mariadb, line.kafka, "erp"), documents.MARIADB, "erp")


def _postgres_types(line: Line) -> Schemas:
    source = PostgresSource(line.postgres)
    source.run(postgres_types.CREATE_TYPES)
    tables = [postgres_types.TYPES, postgres_types.INFINITE, postgres_types.NOT_A_NUMBER]
    whole_rows = f"ALTER TABLE {postgres_types.TYPES.quoted} REPLICA IDENTITY FULL"
    return capture_types(line, source, tables, list(type_streams(POSTGRES_MODES, line.registry)), [whole_rows])


def _postgres_documents(line: Line) -> Schemas:
    source = PostgresSource(line.postgres)
    messages = [f"SELECT pg_logical_emit_message({kind}, 'milestones', 'a message')" for kind in ("true", "false")]
    return capture_documents(line, source, documents.POSTGRES, "public", messages)


PARTS = {
    "mariadb": (_mariadb_types, _mariadb_documents),
    "postgres": (_postgres_types, _postgres_documents),
}


def main(connectors: Sequence[str]) -> None:
    """Capture these connectors, or all. Schema ids are the run's own: all files of a connector come from one run."""
    with ExitStack() as stack:
        line = open_line(stack)
        for connector in connectors or PARTS:
            schemas = merged(part(line) for part in PARTS[connector])
            write_schemas(DATA / connector / "registry.json", schemas)


if __name__ == "__main__":
    main(sys.argv[1:])
