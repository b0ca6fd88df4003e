"""Avro for unit tests: a registry of schemas by id, and records written with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import fastavro
import msgspec

from consumer.errors import MalformedRecord, SchemaPending
from consumer.formats.wire import SchemaId
from tests.unit.samples import AT_MS

_SOURCE = {
    "type": "record",
    "name": "Source",
    "fields": [
        {"name": "ts_ms", "type": "long"},
        {"name": "table", "type": "string"},
        {"name": "lsn", "type": ["null", "long"], "default": None},
    ],
}


def envelope_schema(*columns: Mapping[str, object]) -> dict[str, object]:
    """The schema of an envelope whose rows have these columns."""
    row = {"type": "record", "name": "Value", "fields": list(columns)}
    fields = [
        {"name": "before", "type": ["null", row]},
        {"name": "after", "type": ["null", "Value"]},
        {"name": "source", "type": _SOURCE},
        {"name": "op", "type": "string"},
        {"name": "ts_ms", "type": ["null", "long"], "default": None},
    ]
    return {"type": "record", "name": "Envelope", "namespace": "erp.shop.tabSales_Order", "fields": fields}


STATUS_SCHEMA = envelope_schema({"name": "status", "type": ["null", "string"]})


def change(op: str, before: object, after: object, table: str = "tabSales Order", lsn: int = 7) -> dict[str, object]:
    """The datum of an envelope."""
    return {"before": before, "after": after, "op": op, "source": {"ts_ms": AT_MS, "table": table, "lsn": lsn}}


def avro(schema: dict[str, Any] | str, datum: object) -> bytes:
    """The datum's bytes, without any id."""
    stream = BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), datum)
    return stream.getvalue()


def confluent(number: int, payload: bytes) -> bytes:
    """Confluent's wire format."""
    return b"\x00" + number.to_bytes(4, "big") + payload


class SchemasById:
    """A registry that knows these schemas, under all kinds of ids, and notes what it was asked for."""

    def __init__(self, known: Mapping[int, object], pending: Sequence[int] = ()) -> None:
        self._known = known
        self._pending = pending
        self.asked: list[SchemaId] = []

    def texts(self, schema: SchemaId) -> Sequence[str]:
        """The schema; raises SchemaPending and MalformedRecord as the real one."""
        self.asked.append(schema)
        if schema.number in self._pending:
            raise SchemaPending("not yet")
        if schema.number not in self._known:
            raise MalformedRecord(f"the schema registry knows no schema with {schema.kind} {schema.number}")
        return (msgspec.json.encode(self._known[schema.number]).decode(),)
