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
from consumer.formats.connect_json import SchemaReader, is_object, is_wrapper
from consumer.formats.debezium_json import SKIPPED_OPS, DebeziumJson, accompanying, skipped_op, untracked
from consumer.formats.flattened import Metadata, said_in_headers
from consumer.formats.record_keys import RecordKeys
from consumer.formats.row_change import KINDS, RowChange
from consumer.formats.row_tables import RowTables
from consumer.formats.rows import JsonRows
from consumer.formats.shapes import NO_SHAPE, NO_SOURCE, NO_TABLE, Options, Shape, not_of_types
from consumer.formats.tables import Tables

_NULL = Raw(b"null")
_NO_ENCODINGS: Mapping[str, Encoding] = {}


class _Outer(msgspec.Struct, gc=False):
    """What tells shapes apart."""

    op: Raw | UnsetType = UNSET
    before: Raw = _NULL
    after: Raw = _NULL
    source: Raw = _NULL
    specversion: Raw | UnsetType = UNSET
    data: Raw = _NULL
    iodebeziumop: Raw | UnsetType = UNSET
    payload: Raw | UnsetType = UNSET
    schema: Raw | UnsetType = UNSET

    @property
    def is_wrapped(self) -> bool:
        """Whether JsonConverter put a schema beside the content; a row may have columns of these names."""
        return self.op is UNSET and is_wrapper(self.payload, self.schema)

    @property
    def is_null(self) -> bool:
        """Whether it may be what JsonConverter once wrote for a null."""
        return self.payload == _NULL and self.schema is not UNSET

    @property
    def is_cloud_event(self) -> bool:
        """Whether it is one of Debezium's, or one that may hold a change; a row's columns are no objects."""
        return self.specversion is not UNSET and (self.iodebeziumop is not UNSET or is_object(self.data))

    @property
    def has_rows(self) -> bool:
        """Whether it has parts of an envelope: in a row nothing of these names is an object."""
        return self.is_of_a_source or is_object(self.after) or is_object(self.before)

    @property
    def is_of_a_source(self) -> bool:
        """Whether it has what no row alone has, whatever its columns are."""
        return self.op is not UNSET and is_object(self.source)


class _Rows(msgspec.Struct, gc=False):
    before: Raw = _NULL
    after: Raw = _NULL
    payload: Raw | UnsetType = UNSET
    schema: Raw = _NULL


class JsonRecords:
    """Reads values that are JSON objects; Avro inside of them is `avro`'s."""

    def __init__(self, tables: Tables[JsonRows], options: Options, keys: RecordKeys, avro: AvroRecords) -> None:
        self._tables, self._avro = tables, avro
        self._row_tables = RowTables(tables, keys, options)
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
        self._decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode

    def change(self, record: Record, value: bytes) -> RowChange | str:
        """The change of a tracked row, or the kind of record that is none.

        Raises:
            Poison: it is no change event of any known shape, or not of the configured one.
        """
        try:
            if not value.isascii():
                value.decode()
            return self._change(record, value)
        except UnicodeDecodeError as error:
            raise MalformedRecord(f"not UTF-8: byte {error.start}") from error
        except msgspec.ValidationError as error:
            raise not_of_types("not a change event", error) from error
        except msgspec.DecodeError as error:
            raise MalformedRecord(f"not JSON: {error}" if value else "empty value: not JSON") from error
        except RecursionError as error:
            raise MalformedRecord("nested too deep") from error

    def deleted(self, record: Record) -> RowChange | str:
        """The change that a tombstone tells where flattened records are configured; else its kind."""
        said = self._metadata.change({**said_in_headers(record, self._metadata), self._metadata.op: "d"})
        rows, _ = self._row_tables.of(record, said.source.table)
        return "tombstone" if rows is None else RowChange("d", None, None, said.source, rows, {}, said.transaction)

    def _change(self, record: Record, value: bytes) -> RowChange | str:
        why: msgspec.ValidationError | None = None
        if self._enveloped_first:
            try:
                change = self._debezium.change(value)
            except msgspec.ValidationError as error:
                why = error
            else:
                if change is not None:
                    return change
        return self._other(record, value, why)

    def _other(self, record: Record, value: bytes, why: msgspec.ValidationError | None) -> RowChange | str:
        """A flattened record, a CloudEvent, or what accompanies changes.

        Metadata tells first, because a row may have columns of any name.

        Args:
            why: the reason why it is no envelope, where that is a field of another type.
        """
        row: bytes | Raw = value
        outer, schema, encodings, said = self._decode_outer(row), "", _NO_ENCODINGS, self._said(row)
        if not said and outer.is_null and self._decode_fields(row).keys() == {"schema", "payload"}:
            return self.deleted(record) if self._shape is Shape.FLATTENED else "tombstone"
        if not said and outer.is_wrapped and outer.payload is not UNSET and outer.schema is not UNSET:
            known = self._schemas.schema(outer.schema)
            row, schema, encodings = outer.payload, known.name, known.encodings
            outer, said = self._decode_outer(row), self._said(row)
        if not said and outer.is_cloud_event and self._shape in (Shape.AUTO, Shape.CLOUDEVENTS):
            return self._cloud_event(row, outer)
        said = {**said_in_headers(record, self._metadata), **said}
        if self._shape in (Shape.DEBEZIUM, Shape.CLOUDEVENTS) or (self._is_enveloped(outer) and not said):
            return self._no_row(row, why)
        return self._flattened(record, row, schema, encodings, said, why)

    def _is_enveloped(self, outer: _Outer) -> bool:
        """Whether it was to be an envelope; where rows are configured, an object may be a column."""
        return outer.is_of_a_source if self._shape is Shape.FLATTENED else outer.has_rows

    def _no_row(self, value: bytes | Raw, why: msgspec.ValidationError | None) -> str:
        """The kind of what accompanies changes; anything else was to be an envelope or a CloudEvent."""
        fields = self._decode_fields(value)
        kind = accompanying(fields) or SKIPPED_OPS.get(bytes(fields.get("op", _NULL)).decode().strip('"'))
        if kind is not None:
            return kind
        if self._shape is Shape.FLATTENED:
            raise MalformedRecord("a Debezium envelope, and input.format is flattened", "op")
        if self._shape is Shape.CLOUDEVENTS:
            raise MalformedRecord("not a CloudEvent: it has no `specversion` and `data`", "specversion")
        raise self._not_enveloped(value, why)

    def _not_enveloped(self, value: bytes | Raw, why: msgspec.ValidationError | None) -> MalformedRecord:
        if why is not None:
            return not_of_types("not a Debezium envelope", why)
        outer = self._decode_outer(value)
        if outer.specversion is not UNSET:
            return MalformedRecord("a CloudEvent without data in JSON", "data")
        if outer.op is UNSET:
            return MalformedRecord(NO_SHAPE, "op")
        return MalformedRecord(NO_SOURCE, "source")

    def _cloud_event(self, value: bytes | Raw, outer: _Outer) -> RowChange | str:
        """A change as Debezium's converter writes it, or a minimal change event in a CloudEvent."""
        said = attributes(self._decode_any(value))
        try:
            if said.op is None:
                return self._minimal(outer)
            if said.op not in KINDS:
                return skipped_op(said.op)
            reader = self._tables.of_source(said.source)
            if reader is None:
                return untracked(said.source)
            if bytes(outer.data)[:1] == b'"':
                return self._avro.cloud_event(said, _base64(outer.data))
            rows, encodings = self._rows(outer.data)
        except msgspec.ValidationError as error:
            raise not_of_types("a CloudEvent whose `data` is no change", error) from error
        before, after = reader.row(rows.before), reader.row(rows.after)
        if after is None and said.op != "d":
            raise MalformedRecord(f"op {said.op} without `after`", "after")
        return RowChange(said.op, before, after, said.source, reader, encodings, said.transaction)

    def _minimal(self, outer: _Outer) -> RowChange | str:
        inner = self._debezium.change(outer.data)
        if inner is not None:
            return inner
        raise MalformedRecord(
            "a CloudEvent that is neither Debezium's (it has no `iodebeziumop`) nor holds a change "
            "(`data` has no `op` or no `source`)",
            "iodebeziumop",
        )

    def _rows(self, data: Raw) -> tuple[_Rows, Mapping[str, Encoding]]:
        rows = self._decode_rows(data)
        if rows.payload is UNSET:
            return rows, _NO_ENCODINGS
        return self._decode_rows(rows.payload), self._schemas.schema(rows.schema).encodings

    def _flattened(
        self,
        record: Record,
        row: bytes | Raw,
        schema: str,
        encodings: Mapping[str, Encoding],
        said: Mapping[str, object],
        why: msgspec.ValidationError | None,
    ) -> RowChange | str:
        change = self._metadata.change(said)
        reader, told = self._row_tables.of(record, change.source.table, schema)
        if reader is not None:
            return change.change(reader.row(row), reader, encodings)
        kind = None if said else accompanying(self._decode_fields(row))
        if kind is not None or told:
            return kind or "untracked"
        if said or self._shape is Shape.FLATTENED:
            raise MalformedRecord(NO_TABLE)
        raise self._not_enveloped(row, why)

    def _said(self, row: bytes | Raw) -> dict[str, object]:
        """The metadata in a row."""
        found = self._decode_metadata(row)
        said = {name: getattr(found, attribute) for attribute, name in self._names.items()}
        return {name: msgspec.json.decode(raw) for name, raw in said.items() if raw is not UNSET}


def _base64(text: Raw) -> bytes:
    try:
        return b64decode(msgspec.json.decode(text, type=str), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedRecord("a CloudEvent whose data is neither JSON nor base64", "data") from error
