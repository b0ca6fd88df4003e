"""The whole content of a record, whichever way it was written: every column, not only the tracked ones."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import cast

import msgspec
from msgspec import Raw

from consumer.core.records import Record
from consumer.core.values import Encoding
from consumer.errors import MalformedRecord
from consumer.formats.avro_schemas import AvroSchemas, Schemas
from consumer.formats.connect_json import SchemaReader
from consumer.formats.wire import SchemaId, magic, wired

Fields = Mapping[str, object]
Defaults = Mapping[str, object]
"""Columns that may be NULL and have a DEFAULT, with that default."""

_NOTHING: Fields = {}


class Content(msgspec.Struct, frozen=True):
    """A decoded object, how it was written, and what its schema says."""

    written: str
    fields: Fields
    schema: str = ""
    encodings: Mapping[str, Encoding] = {}
    defaults: Defaults = {}


class Contents:
    """Reads values in JSON and in Avro."""

    def __init__(self, registry: Schemas | None) -> None:
        self._registry = registry
        self._avro = AvroSchemas(registry)
        self._schemas = SchemaReader()
        self._defaults: dict[bytes | SchemaId, Defaults] = {}

    def of(self, record: Record, value: bytes) -> Content:
        """What a record's value holds.

        Raises:
            Poison: nothing that can be read.
            SchemaPending: its schema cannot be had.
        """
        wire = None if value[:1] == b"{" else wired(record, value)
        return self._of_json(value) if wire is None else self._of_avro(*wire)

    def of_data(self, data: object) -> Content:
        """What a CloudEvent's data holds: rows, with or without their schema, or Avro; raises as `of`."""
        if isinstance(data, dict):
            return self._of_json(msgspec.json.encode(data))
        try:
            wire = magic(data if isinstance(data, bytes) else b64decode(str(data), validate=True))
        except (binascii.Error, ValueError):
            wire = None
        if wire is None:
            raise MalformedRecord("a CloudEvent whose data is neither rows nor Avro", "data")
        return self._of_avro(*wire)

    def _of_json(self, value: bytes | Raw) -> Content:
        try:
            outer = msgspec.json.decode(value, type=dict[str, Raw])
            if "payload" not in outer or "schema" not in outer:
                return Content("JSON", msgspec.json.decode(value, type=dict[str, object]))
            fields = msgspec.json.decode(outer["payload"], type=dict[str, object] | None) or _NOTHING
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise MalformedRecord(f"not an object in JSON: {error}") from error
        said = self._schemas.schema(outer["schema"])
        text = bytes(outer["schema"])
        if text not in self._defaults:
            self._defaults[text] = _of_connect(msgspec.json.decode(text))
        return Content("JSON with schemas", fields, said.name, said.encodings, self._defaults[text])

    def _of_avro(self, number: SchemaId, payload: bytes) -> Content:
        schema = self._avro.schema(number)
        if number not in self._defaults and self._registry is not None:
            self._defaults[number] = _of_avro(msgspec.json.decode(self._registry.texts(number)[-1]))
        datum = schema.read(payload)
        fields = cast("Fields", datum) if isinstance(datum, dict) else _NOTHING
        return Content("Avro", fields, schema.name, schema.encodings, self._defaults.get(number, _NOTHING))


def _of_connect(schema: object) -> Defaults:
    """From Kafka Connect's schema in JSON, of an envelope or of a row alone."""
    rows: list[object] = [field for field in _fields(schema) if field.get("field") in ("before", "after")]
    columns = [column for row in rows or [schema] for column in _fields(row)]
    return {
        str(column.get("field")): column["default"]
        for column in columns
        if column.get("optional") and column.get("default") is not None
    }


def _of_avro(schema: object) -> Defaults:
    """From an Avro schema: a union with null whose default is another branch's."""
    top = list(_fields(_record(schema)))
    rows = [_record(field.get("type")) for field in top if field.get("name") in ("before", "after")]
    columns = [column for row in rows or [_record(schema)] for column in _fields(row)]
    return {
        str(column["name"]): column["default"]
        for column in columns
        if column.get("default") is not None and isinstance(column.get("type"), list)
    }


def _record(node: object) -> object:
    """The record that a type is, or that stands in a union with null."""
    branches = node if isinstance(node, list) else [node]
    return next((one for one in branches if isinstance(one, dict) and one.get("type") == "record"), None)


def _fields(node: object) -> Iterator[dict[str, object]]:
    fields = node.get("fields") if isinstance(node, dict) else None
    return (field for field in fields or () if isinstance(field, dict))
