"""Record values in Avro: which shape their schema has, and the change they tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from consumer.core.records import Record
from consumer.errors import MalformedRecord
from consumer.formats.avro_rows import AvroRows
from consumer.formats.avro_schemas import AvroSchema, AvroSchemas
from consumer.formats.cloudevents import Attributes, attributes
from consumer.formats.debezium_json import skipped_op
from consumer.formats.flattened import Metadata, last_part, said_in_headers
from consumer.formats.row_change import KINDS, RowChange
from consumer.formats.shapes import NO_SHAPE, Options, Shape, no_table
from consumer.formats.source_block import Source, Transaction
from consumer.formats.tables import Tables
from consumer.formats.wire import SchemaId, magic


class _Told(msgspec.Struct, frozen=True):
    """What an envelope says beside its rows."""

    source: Source | None = None
    transaction: Transaction | None = None
    op: str | None = None
    ts_ms: int | None = None


class AvroRecords:
    """Reads values that are Avro records.

    Decoding one costs fifty times what it costs in JSON, so records of tables that nobody tracks are passed over
    before: the name of a tracked table would stand in the bytes, with its length before it.
    """

    def __init__(self, tables: Tables[AvroRows], schemas: AvroSchemas, options: Options) -> None:
        self._tables = tables
        self._schemas = schemas
        self._shape = options.shape
        self._metadata = Metadata(options.prefix)
        self._tracked = tuple({_avro_text(name) for name in (*tables.names, *tables.document_types)})

    def change(self, record: Record, schema: SchemaId, payload: bytes) -> RowChange | str:
        """The change of a tracked row, or the kind of record that is none.

        Raises:
            Poison: it is no change event of any known shape, or not of the configured one.
            SchemaPending: the schema cannot be had now.
        """
        known = self._schemas.schema(schema)
        kind = _accompanying(known.fields)
        if kind is not None:
            return kind
        shape = _shape(known.fields)
        if self._shape not in (Shape.AUTO, shape):
            raise MalformedRecord(f"the Avro schema {known.name} is {shape}, and input.format is {self._shape}", "op")
        if shape is Shape.DEBEZIUM:
            return self._envelope(known, payload)
        return (
            self._cloud_event(known, payload) if shape is Shape.CLOUDEVENTS else self._flattened(record, known, payload)
        )

    def _names_a_tracked_table(self, payload: bytes) -> bool:
        return any(name in payload for name in self._tracked)

    def _envelope(self, schema: AvroSchema, payload: bytes) -> RowChange | str:
        if not self._names_a_tracked_table(payload):
            return "untracked"
        datum = _mapping(schema.read(payload))
        told = _told(datum, _Told)
        if told.op not in KINDS:
            return skipped_op(told.op)
        source = told.source
        reader = None if source is None else self._tables.of_source(source)
        if reader is None or source is None:
            return "untracked"
        before, after = datum.get("before"), datum.get("after")
        if after is None and told.op != "d":
            raise MalformedRecord(f"op {told.op} without `after`", "after")
        return RowChange(told.op or "", before, after, source, reader, schema.encodings, told.transaction, told.ts_ms)

    def _cloud_event(self, schema: AvroSchema, payload: bytes) -> RowChange | str:
        if not self._names_a_tracked_table(payload):
            return "untracked"
        datum = _mapping(schema.read(payload))
        data = datum.get("data")
        return self.cloud_event(attributes(datum), data, schema)

    def cloud_event(self, said: Attributes, data: object, schema: AvroSchema | None = None) -> RowChange | str:
        """The change of a CloudEvent: `data` holds the rows, or bytes of Avro with a schema of their own.

        Raises: as `change`.
        """
        if said.op not in KINDS or said.op is None:
            return skipped_op(said.op)
        reader = self._tables.of_source(said.source)
        if reader is None:
            return "untracked"
        if isinstance(data, bytes) or schema is None:
            wire = magic(data) if isinstance(data, bytes) else None
            if wire is None:
                raise MalformedRecord("a CloudEvent whose data is neither rows nor Avro", "data")
            schema = self._schemas.schema(wire[0])
            data = schema.read(wire[1])
        rows = _mapping(data)
        before, after = rows.get("before"), rows.get("after")
        if after is None and said.op != "d":
            raise MalformedRecord(f"op {said.op} without `after`", "after")
        return RowChange(said.op, before, after, said.source, reader, schema.encodings, said.transaction)

    def _flattened(self, record: Record, schema: AvroSchema, payload: bytes) -> RowChange | str:
        datum = _mapping(schema.read(payload))
        in_row = {name: datum[name] for name in self._metadata.names & datum.keys()}
        said = {**said_in_headers(record, self._metadata), **in_row}
        change = self._metadata.change(said)
        reader = self._reader(change.source, schema, record)
        if reader is None:
            return no_table(record, said=bool(said), told=True, shape=self._shape)
        return change.change(datum, reader, schema.encodings)

    def _reader(self, source: Source, schema: AvroSchema, record: Record) -> AvroRows | None:
        """By the metadata, else by the schema's name, else by the topic's."""
        if source.table is not None:
            return self._tables.of_table(source.table)
        names = (last_part(schema.name), last_part(record.topic() or ""))
        return next((rows for name in names if (rows := self._tables.of_name(name)) is not None), None)


def _shape(fields: frozenset[str]) -> Shape:
    if "op" in fields and "source" in fields and ("before" in fields or "after" in fields):
        return Shape.DEBEZIUM
    return Shape.CLOUDEVENTS if "specversion" in fields else Shape.FLATTENED


def _accompanying(names: frozenset[str]) -> str | None:
    """The kind of record that accompanies changes, by the fields of its schema."""
    if "ddl" in names and "databaseName" in names:
        return "schema change"
    if {"status", "id", "event_count"} <= names:
        return "transaction"
    return "heartbeat" if names in ({"ts_ms"}, {"ts_ms", "ts_us", "ts_ns"}) else None


def _told(datum: Mapping[str, object], told: type[_Told]) -> _Told:
    content = {name: datum.get(name) for name in told.__struct_fields__}
    try:
        return msgspec.convert(content, told, strict=False)
    except msgspec.ValidationError as error:
        raise MalformedRecord(f"not a Debezium envelope: {error}") from error


def _mapping(datum: object) -> Mapping[str, object]:
    if not isinstance(datum, dict):
        raise MalformedRecord(NO_SHAPE, "op")
    return cast("Mapping[str, object]", datum)


def _avro_text(text: str) -> bytes:
    """A text as Avro writes it: its length in bytes as a zigzag number of seven bits a byte, then UTF-8."""
    encoded = text.encode()
    length, number = bytearray(), len(encoded) << 1
    while number > 0x7F:
        length.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*length, number)) + encoded
