"""Record values in Avro: which shape their schema has, and the change they tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from consumer.core.records import Record
from consumer.errors import MalformedRecord
from consumer.formats.avro_code import Wanted
from consumer.formats.avro_compiled import Read, compiled
from consumer.formats.avro_programs import AvroPrograms
from consumer.formats.avro_rows import AvroRows
from consumer.formats.avro_schemas import AvroSchema, AvroSchemas
from consumer.formats.cloudevents import Attributes, attributes
from consumer.formats.debezium_json import SKIPPED_OPS, skipped_op, untracked
from consumer.formats.flattened import Metadata, said_in_headers
from consumer.formats.record_keys import RecordKeys
from consumer.formats.row_change import KINDS, RowChange
from consumer.formats.row_tables import RowTables
from consumer.formats.rows import columns_of
from consumer.formats.shapes import NO_SHAPE, NO_TABLE, Options, Shape
from consumer.formats.source_block import Source, Transaction
from consumer.formats.tables import Tables
from consumer.formats.wire import SchemaId, magic

_OWN_SCHEMAS = "io.debezium."
_KINDS = {"Heartbeat": "heartbeat", "TransactionMetadata": "transaction", "SchemaChange": "schema change"}
_CLOUD_EVENT = frozenset({"specversion", "id", "source", "type"})


class _Told(msgspec.Struct, frozen=True):
    """What an envelope says beside its rows."""

    source: Source | None = None
    transaction: Transaction | None = None
    op: str | None = None
    ts_ms: int | None = None


def _names(of: type[msgspec.Struct]) -> Wanted:
    return {field.encode_name: None for field in msgspec.structs.fields(of)}


_BESIDE_ROWS: Wanted = {"source": _names(Source), "transaction": _names(Transaction), "op": None, "ts_ms": None}


class AvroRecords:
    """Reads values that are Avro records.

    Envelopes are read for what is needed of them (`compiled`), and those of tables that nobody tracks are passed over
    before. They are known by two signs: no name of a tracked table stands in the bytes, with its length before it, and
    the name of the table that the last record of this schema had does. A record that was cut has neither.

    Args:
        programs: told of schemas that were read, for the compiled first look; None where there is none.
    """

    def __init__(
        self,
        tables: Tables[AvroRows],
        schemas: AvroSchemas,
        options: Options,
        keys: RecordKeys,
        programs: AvroPrograms | None = None,
    ) -> None:
        self._tables = tables
        self._row_tables = RowTables(tables, keys, options)
        self._schemas, self._programs = schemas, programs
        self._shape = options.shape
        self._metadata = Metadata(options.prefix)
        names = {*tables.names, *tables.document_types}
        self._tracked = tuple(map(_avro_text, names))
        self._shortest = tuple(name.encode() for name in names if not any(o in name for o in names if o != name))
        self._untracked: dict[SchemaId, bytes] = {}
        columns = {column: None for _, rows in tables.items() for column in columns_of(rows.plan)}
        self._wanted: Wanted = {**_BESIDE_ROWS, "before": columns, "after": columns}
        self._readers: dict[SchemaId, Read] = {}

    def change(self, record: Record, schema: SchemaId, payload: bytes, *, briefly: bool = False) -> RowChange | str:
        """The change of a tracked row, or the kind of record that is none.

        Args:
            briefly: of an update that changes no tracked column this alone is told: `unchanged`.

        Raises:
            Poison: it is no change event of any known shape, or not of the configured one.
            SchemaPending: the schema cannot be had now.
        """
        if self._is_untracked(schema, payload):
            return "untracked"
        known = self._schemas.schema(schema)
        if known.name.startswith(_OWN_SCHEMAS):
            return _accompanying(known.name)
        shape = _shape(known)
        if self._shape not in (Shape.AUTO, shape):
            if shape is Shape.DEBEZIUM and (kind := SKIPPED_OPS.get(str(_mapping(known.read(payload)).get("op")))):
                return kind
            raise MalformedRecord(f"the Avro schema {known.name} is {shape}, and input.format is {self._shape}", "op")
        if shape is Shape.DEBEZIUM:
            return self._envelope(schema, known, payload, briefly)
        if shape is Shape.CLOUDEVENTS:
            return self._cloud_event(schema, known, payload)
        return self._flattened(record, known, payload)

    def _is_untracked(self, schema: SchemaId, payload: bytes) -> bool:
        table = self._untracked.get(schema)
        if table is None or table not in payload:
            return False
        for name in self._shortest:  # Each name has one of these in it, with which half of the work is done.
            if name in payload:
                return not any(name in payload for name in self._tracked)
        return True

    def _untracked_from_now_on(self, schema: SchemaId, source: Source) -> str:
        kind = untracked(source)
        if source.table:
            self._untracked[schema] = _avro_text(source.table)
        return kind

    def _envelope(self, id_: SchemaId, schema: AvroSchema, payload: bytes, briefly: bool) -> RowChange | str:
        datum = _mapping(self._readers.get(id_, schema.read)(payload))
        if briefly and datum.get("op") == "u" and (table := self._unchanged_table(datum)) is not None:
            self._reader_from_now_on(id_, schema, table)
            return "unchanged"
        told = _told(datum, _Told)
        if told.op not in KINDS:
            return skipped_op(told.op)
        source = told.source
        reader = None if source is None else self._tables.of_source(source)
        if reader is None or source is None:
            if self._programs is not None and source is not None:
                self._programs.learn(id_, schema, source.table, None)
            return self._untracked_from_now_on(id_, source or Source())
        self._reader_from_now_on(id_, schema, source.table)
        before, after = _row(datum, "before"), _row(datum, "after")
        if after is None and told.op != "d":
            raise MalformedRecord(f"op {told.op} without `after`", "after")
        return RowChange(told.op or "", before, after, source, reader, schema.encodings, told.transaction, told.ts_ms)

    def _reader_from_now_on(self, id_: SchemaId, schema: AvroSchema, table: str | None) -> None:
        """Takes some ms: only for tables that are tracked."""
        if id_ not in self._readers:
            self._readers[id_] = compiled(schema, self._wanted)
            rows = self._tables.of_table(table)
            if self._programs is not None and rows is not None:
                self._programs.learn(id_, schema, table, rows.tracked)

    def _unchanged_table(self, datum: Mapping[str, object]) -> str | None:
        """The tracked table of which an update plainly changes no tracked column, else None.

        Of `source` it may say what cannot be read: nobody would have looked, as in JSON.
        """
        source, before, after = datum.get("source"), datum.get("before"), datum.get("after")
        if not (isinstance(source, dict) and isinstance(before, dict) and isinstance(after, dict)):
            return None
        if not _is_transaction(datum.get("transaction")) or not isinstance(datum.get("ts_ms"), int | None):
            return None
        table = source.get("table")
        rows = self._tables.of_table(table) if isinstance(table, str) else None
        return table if rows is not None and rows.unchanged(before, after) else None

    def _cloud_event(self, id_: SchemaId, schema: AvroSchema, payload: bytes) -> RowChange | str:
        datum = _mapping(schema.read(payload))
        said = attributes(datum)
        change = self.cloud_event(said, datum.get("data"), schema)
        return self._untracked_from_now_on(id_, said.source) if change == "untracked" else change

    def cloud_event(self, said: Attributes, data: object, schema: AvroSchema | None = None) -> RowChange | str:
        """The change of a CloudEvent: `data` holds the rows, or bytes of Avro with a schema of their own.

        Raises: as `change`.
        """
        if said.op is None:
            raise MalformedRecord("an Avro CloudEvent that is not Debezium's: it has no `iodebeziumop`", "iodebeziumop")
        if said.op not in KINDS:
            return skipped_op(said.op)
        reader = self._tables.of_source(said.source)
        if reader is None:
            return untracked(said.source)
        if isinstance(data, bytes) or schema is None:
            wire = magic(data) if isinstance(data, bytes) else None
            if wire is None:
                raise MalformedRecord("a CloudEvent whose data is neither rows nor Avro", "data")
            schema = self._schemas.schema(wire[0])
            data = schema.read(wire[1])
        rows = _mapping(data)
        before, after = _row(rows, "before"), _row(rows, "after")
        if after is None and said.op != "d":
            raise MalformedRecord(f"op {said.op} without `after`", "after")
        return RowChange(said.op, before, after, said.source, reader, schema.encodings, said.transaction)

    def _flattened(self, record: Record, schema: AvroSchema, payload: bytes) -> RowChange | str:
        datum = _mapping(schema.read(payload))
        in_row = {name: datum[name] for name in self._metadata.names & datum.keys()}
        said = {**said_in_headers(record, self._metadata), **in_row}
        change = self._metadata.change(said)
        reader, told = self._row_tables.of(record, change.source.table, schema.name)
        if reader is not None:
            return change.change(datum, reader, schema.encodings)
        if told:
            return "untracked"
        raise MalformedRecord(NO_TABLE)


def _shape(schema: AvroSchema) -> Shape:
    if schema.is_envelope:
        return Shape.DEBEZIUM
    return Shape.CLOUDEVENTS if schema.fields >= _CLOUD_EVENT else Shape.FLATTENED


def _accompanying(schema: str) -> str:
    """The kind of a record that accompanies changes, by the name of Debezium's own schema."""
    return next((kind for name, kind in _KINDS.items() if name in schema), "message")


def _is_transaction(said: object) -> bool:
    """Whether it is none, or what one says is of the types that it has there."""
    if not isinstance(said, dict):
        return said is None
    return isinstance(said.get("id"), str | None) and isinstance(said.get("total_order"), int | None)


def _told(datum: Mapping[str, object], told: type[_Told]) -> _Told:
    try:
        return msgspec.convert(datum, told, strict=False)
    except msgspec.ValidationError as error:
        raise MalformedRecord(f"not a Debezium envelope: {error}") from error


def _mapping(datum: object) -> Mapping[str, object]:
    if not isinstance(datum, dict):
        raise MalformedRecord(NO_SHAPE, "op")
    return cast("Mapping[str, object]", datum)


def _row(datum: Mapping[str, object], name: str) -> Mapping[str, object] | None:
    row = datum.get(name)
    if row is None or isinstance(row, dict):
        return row
    raise MalformedRecord(f"`{name}` is no row", name)


def _avro_text(text: str) -> bytes:
    """A text as Avro writes it: its length in bytes as a zigzag number of seven bits a byte, then UTF-8."""
    encoded = text.encode()
    length, number = bytearray(), len(encoded) << 1
    while number > 0x7F:
        length.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*length, number)) + encoded
