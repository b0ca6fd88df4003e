"""The same stream in Avro, in Confluent's wire format, with a schema for each table in a real registry."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import fastavro
import msgspec
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from bench.generate import DOCUMENT_TYPES, Change, Templates
from tests.services import RegistryService

Wire = tuple[bytes, Any]
"""Magic byte and id, and the schema ready to write with."""


class AvroTemplates(Templates):
    """The envelopes of `Templates`, each written as Avro: about 60 µs, so for fewer records."""

    def __init__(self, registry: RegistryService, run: int = 0) -> None:
        super().__init__(run)
        sample = super().value
        with SchemaRegistryClient({"url": registry.confluent_api}) as client:
            self._wires = [
                _registered(client, at, msgspec.json.decode(sample(Change(0, at, 0, 0, 1, 0), 1_763_800_000_000)))
                for at in range(len(DOCUMENT_TYPES))
            ]

    def value(self, change: Change, at_ms: int) -> bytes:
        """The record's value."""
        prefix, schema = self._wires[change.type_at]
        stream = BytesIO()
        stream.write(prefix)
        fastavro.schemaless_writer(stream, schema, msgspec.json.decode(super().value(change, at_ms)))
        return stream.getvalue()


def _registered(client: SchemaRegistryClient, at: int, sample: dict[str, Any]) -> Wire:
    table = f"tab{DOCUMENT_TYPES[at]}".replace(" ", "_")
    schema = {"type": "record", "name": "Envelope", "namespace": f"erp.erp.{table}", "fields": list(_envelope(sample))}
    text = msgspec.json.encode(schema).decode()
    number: int = client.register_schema(f"erp.erp.{table}-value", Schema(text, "AVRO"))
    return b"\x00" + number.to_bytes(4, "big"), fastavro.parse_schema(schema)


def _envelope(sample: dict[str, Any]) -> Iterator[dict[str, Any]]:
    row = {"type": "record", "name": "Value", "fields": list(_fields(sample["after"]))}
    for name, value in sample.items():
        if name == "before":
            yield {"name": name, "type": ["null", row]}
        elif name == "after":
            yield {"name": name, "type": ["null", "Value"]}
        elif name == "source":
            yield {"name": name, "type": {"type": "record", "name": "Source", "fields": list(_fields(value))}}
        elif name == "transaction":
            yield {"name": name, "type": ["null", "string"]}
        else:
            yield {"name": name, "type": "string" if isinstance(value, str) else ["null", "long"]}


def _fields(sample: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in sample.items():
        yield {
            "name": name,
            "type": "string" if name == "table" else ["null", "long" if isinstance(value, int) else "string"],
        }
