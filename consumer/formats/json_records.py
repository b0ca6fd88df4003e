"""Record values in JSON: which shape they have, and the change they tell."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Raw, UnsetType

from consumer.core.records import Record
from consumer.core.values import Encoding
from consumer.errors import MalformedRecord
from consumer.formats.avro_records import AvroRecords
from consumer.formats.cloudevents import attributes
from consumer.formats.connect_json import SchemaReader
from consumer.formats.debezium_json import DebeziumJson, skipped_op
from consumer.formats.flattened import Metadata, last_part, said_in_headers
from consumer.formats.record_keys import RecordKeys
from consumer.formats.row_change import KINDS, RowChange
from consumer.formats.rows import JsonRows
from consumer.formats.shapes import NO_SHAPE, Options, Shape, no_table
from consumer.formats.source_block import Source
from consumer.formats.tables import Tables


class _Outer(msgspec.Struct, gc=False):
    """What tells shapes apart that are not an envelope."""

    specversion: Raw | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    payload: Raw | UnsetType = UNSET
    schema: Raw | UnsetType = UNSET


class _Rows(msgspec.Struct, gc=False):
    before: Raw = Raw(b"null")
    after: Raw = Raw(b"null")
    payload: Raw | UnsetType = UNSET
    schema: Raw = Raw(b"null")


class JsonRecords:
    """Reads values that are JSON objects; Avro inside of them is `avro`'s."""

    def __init__(self, tables: Tables[JsonRows], options: Options, keys: RecordKeys, avro: AvroRecords) -> None:
        self._tables = tables
        self._keys, self._avro = keys, avro
        self._shape = options.shape
        self._enveloped_first = options.shape in (Shape.AUTO, Shape.DEBEZIUM)
        self._schemas = SchemaReader()
        self._debezium = DebeziumJson(tables, self._schemas)
        self._metadata = Metadata(options.prefix)
        named = ((f"m{at}", Raw | UnsetType, UNSET) for at in range(len(self._metadata.names)))
        names = sorted(self._metadata.names)
        self._names = {f"m{at}": name for at, name in enumerate(names)}
        self._decode_metadata = msgspec.json.Decoder(msgspec.defstruct("Said", list(named), rename=self._names)).decode
        self._decode_outer = msgspec.json.Decoder(_Outer).decode
        self._decode_rows = msgspec.json.Decoder(_Rows).decode
        self._decode_any = msgspec.json.Decoder(dict[str, object]).decode

    def change(self, record: Record, value: bytes) -> RowChange | str:
        """The change of a tracked row, or the kind of record that is none.

        Raises:
            Poison: it is no change event of any known shape, or not of the configured one.
        """
        try:
            if not value.isascii():
                value.decode()
            change = self._debezium.change(value) if self._enveloped_first else None
            return self._other(record, value) if change is None else change
        except UnicodeDecodeError as error:
            raise MalformedRecord(f"not UTF-8: byte {error.start}") from error
        except msgspec.ValidationError as error:
            return self._no_envelope(record, value, error)
        except msgspec.DecodeError as error:
            raise MalformedRecord(f"not JSON: {error}" if value else "empty value: not JSON") from error
        except RecursionError as error:
            raise MalformedRecord("nested too deep") from error

    def _no_envelope(self, record: Record, value: bytes, error: msgspec.ValidationError) -> RowChange | str:
        """JSON, but no envelope: a CloudEvent's `source` is a text, and a row may have a column of that name, too."""
        try:
            if self._shape is Shape.AUTO and self._is_other(record, value):
                return self._other(record, value)
        except msgspec.ValidationError:
            pass
        except msgspec.DecodeError as worse:
            raise MalformedRecord(f"not JSON: {worse}") from worse
        raise MalformedRecord(f"not a Debezium envelope: {error}") from error

    def deleted(self, record: Record, table: str | None) -> RowChange | str:
        """The change that a tombstone tells where flattened records are configured; else its kind."""
        rows = self._tables.of_table(table) if table else self._tables.of_name(last_part(record.topic() or ""))
        return "tombstone" if rows is None else RowChange("d", None, None, Source(), rows, {})

    def _is_other(self, record: Record, value: bytes) -> bool:
        outer = self._decode_outer(value)
        body = value if outer.payload is UNSET else outer.payload
        return outer.specversion is not UNSET or self._said(record, body) != {}

    def _other(self, record: Record, value: bytes) -> RowChange | str:
        if self._shape is Shape.DEBEZIUM:
            raise MalformedRecord(NO_SHAPE, "op")
        outer = self._decode_outer(value)
        if outer.specversion is not UNSET and self._shape is not Shape.FLATTENED:
            return self._cloud_event(value, outer)
        if self._shape is Shape.CLOUDEVENTS:
            raise MalformedRecord("not a CloudEvent: it has no `specversion`", "specversion")
        if outer.payload is not UNSET and outer.schema is not UNSET:
            schema = self._schemas.schema(outer.schema)
            return self._flattened(record, outer.payload, schema.name, schema.encodings)
        return self._flattened(record, value, "", {})

    def _cloud_event(self, value: bytes, outer: _Outer) -> RowChange | str:
        """A change as Debezium's converter writes it, or a minimal change event in a CloudEvent."""
        if outer.data is UNSET:
            raise MalformedRecord("a CloudEvent without data in JSON", "data")
        said = attributes(self._decode_any(value))
        if said.op is None:
            inner = self._debezium.change(outer.data)
            if inner is None:
                raise MalformedRecord("a CloudEvent that is not Debezium's: it has no `iodebeziumop`", "iodebeziumop")
            return inner
        if said.op not in KINDS:
            return skipped_op(said.op)
        reader = self._tables.of_source(said.source)
        if reader is None:
            return "untracked"
        if bytes(outer.data)[:1] == b'"':
            return self._avro.cloud_event(said, _base64(outer.data))
        rows, encodings = self._rows(outer.data)
        before, after = reader.row(rows.before), reader.row(rows.after)
        if after is None and said.op != "d":
            raise MalformedRecord(f"op {said.op} without `after`", "after")
        return RowChange(said.op, before, after, said.source, reader, encodings, said.transaction)

    def _rows(self, data: Raw) -> tuple[_Rows, Mapping[str, Encoding]]:
        rows = self._decode_rows(data)
        if rows.payload is UNSET:
            return rows, {}
        return self._decode_rows(rows.payload), self._schemas.schema(rows.schema).encodings

    def _flattened(
        self, record: Record, row: bytes | Raw, schema: str, encodings: Mapping[str, Encoding]
    ) -> RowChange | str:
        said = self._said(record, row)
        change = self._metadata.change(said)
        reader = self._reader(record, change.source, schema)
        if reader is None:
            told = change.source.table is not None or bool(schema) or self._is_of_its_key(record, row)
            kind = None if told else self._debezium.kind(row)
            return kind or no_table(record, said=bool(said), told=told, shape=self._shape)
        return change.change(reader.row(row), reader, encodings)

    def _is_of_its_key(self, record: Record, row: bytes | Raw) -> bool:
        """Whether this is a row alone, of a table that has a topic of its own: it has all that its key has."""
        fields = self._keys.fields(record) if (record.topic() or "").count(".") >= 2 else None
        return isinstance(fields, dict) and bool(fields) and fields.items() <= self._decode_any(row).items()

    def _said(self, record: Record, row: bytes | Raw) -> dict[str, object]:
        found = self._decode_metadata(row)
        said = {name: getattr(found, attribute) for attribute, name in self._names.items()}
        in_row = {name: msgspec.json.decode(raw) for name, raw in said.items() if raw is not UNSET}
        return {**said_in_headers(record, self._metadata), **in_row}

    def _reader(self, record: Record, source: Source, schema: str) -> JsonRows | None:
        """By the metadata, else by the schema's name, else by the topic's."""
        if source.table is not None:
            return self._tables.of_table(source.table)
        return (
            self._tables.of_name(last_part(schema)) if schema else self._tables.of_name(last_part(record.topic() or ""))
        )


def _base64(text: Raw) -> bytes:
    try:
        return b64decode(msgspec.json.decode(text, type=str), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedRecord("a CloudEvent whose data is neither JSON nor base64", "data") from error
