"""Record keys in any of their formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from consumer.core.records import Record
from consumer.core.values import Encoding
from consumer.errors import MalformedRecord, Poison
from consumer.formats.avro_schemas import AvroSchemas
from consumer.formats.keys import ROUTER_FIELDS, JsonKeys, key_fields, name_of_fields
from consumer.formats.wire import SchemaId, magic, wired_key

OLD_AND_NEW = "__debezium.oldkey, __debezium.newkey"


class RecordKeys:
    """Reads keys in JSON, as plain text, and in Avro."""

    def __init__(self, schemas: AvroSchemas) -> None:
        self._schemas = schemas
        self._json = JsonKeys()

    def name(self, record: Record, columns: tuple[str, ...] = ()) -> str:
        """The document's name: the key's columns in its order, or those of `columns`, joined with `|`.

        Raises:
            MissingKey: there is no key, it is empty, or it lacks the columns.
            MalformedRecord: it can be read in no format.
            SchemaPending: its schema cannot be had now.
        """
        key = record.key()
        wire = wired_key(record, key) if key else None
        return self._json.name(key, columns) if wire is None else self._avro_name(*wire, columns)

    def name_in_header(self, value: bytes, columns: tuple[str, ...] = ()) -> str:
        """The name in a header that holds another record's key; raises as `name` does."""
        if value.startswith(b"Struct{"):
            raise MalformedRecord(
                "the other half's key is written by StringConverter; set header.converter to JsonConverter", OLD_AND_NEW
            )
        wire = magic(value)
        return self._json.name(value, columns) if wire is None else self._avro_name(*wire, columns)

    def table(self, record: Record) -> str | None:
        """The table's whole name, which ByLogicalTableRouter writes into the key; None where it did not."""
        fields = self.fields(record)
        identifier = fields.get(ROUTER_FIELDS[0]) if isinstance(fields, dict) else None
        return identifier if isinstance(identifier, str) else None

    def fields(self, record: Record) -> object:
        """The key as it is: a dictionary for a struct; None where there is none, or none that can be read."""
        key = record.key()
        if not key:
            return None
        try:
            wire = wired_key(record, key)
            return key_fields(key) if wire is None else self._schemas.schema(wire[0]).read(wire[1])
        except Poison:
            return None

    def _avro_name(self, schema: SchemaId, payload: bytes, columns: tuple[str, ...]) -> str:
        known = self._schemas.schema(schema)
        datum = known.read(payload)
        if isinstance(datum, dict):
            return name_of_fields(cast("Mapping[str, object]", datum), columns, known.encodings)
        encodings: Mapping[str, Encoding] = {}
        return name_of_fields({"key": datum}, ("key",), encodings)
