"""Avro schemas as writers registered them, and reading with them: bounded, and each prepared once.

Semantic types stand in `connect.name`, as Kafka Connect's Avro converters write them; Avro's own logical types are
left alone, so that a value is read as it was sent. A schema by which a few bytes could claim endless items, or nest
without end, is refused: of the schemas that Kafka Connect writes none can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Protocol, cast

import fastavro
import msgspec

from consumer.core.values import Encoding
from consumer.errors import MalformedRecord
from consumer.formats.semantic_types import encoding_of
from consumer.formats.wire import SchemaId

Node = str | dict[str, object] | list[object]
"""A piece of an Avro schema in JSON."""

_NAMED = ("record", "enum", "fixed", "error")
_EMPTY_TYPES = ("null",)
_UNREADABLE = (
    EOFError, LookupError, ValueError, TypeError, AttributeError, OverflowError, RecursionError, MemoryError,
)  # fmt: skip
_MOST_NODES = 50_000
"""Parts of a schema. The widest tables have a few thousand columns, each twice."""


class Schemas(Protocol):
    """The schema registry."""

    def texts(self, schema: SchemaId) -> Sequence[str]:
        """The schema's JSON, behind those that it refers to.

        Raises:
            SchemaPending: it cannot be had now.
            MalformedRecord: the registry does not know it.
        """


class AvroSchema:
    """A writer's schema, ready to read with: its name, the top record's fields, and what it says of columns.

    `node` is the schema itself and `names` what it names, both without logical types. `is_envelope`: it is Debezium's,
    or one of a minimal change event; `is_minimal`: it is the latter.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.names: dict[str, dict[str, object]] = {}
        self._sizes: dict[str, int] = {}
        nodes = [self._plain(_json(text), "", ()) for text in texts]
        if sum(map(self._size, nodes)) > _MOST_NODES:
            raise MalformedRecord(f"the Avro schema has more than {_MOST_NODES:,} parts")
        named: dict[str, dict[str, object]] = {}
        for node in nodes[:-1]:
            fastavro.parse_schema(node, named_schemas=named)
        self._parsed = fastavro.parse_schema(nodes[-1], named_schemas=named)
        self.node = nodes[-1]
        top = self._record(self.node)
        self.name = "" if top is None else _full(str(top.get("name", "")), str(top.get("namespace") or ""))
        self.fields = frozenset(name for name, _ in _fields(top))
        inner = {name: found for name, node in _fields(top) if (found := self._record(node)) is not None}
        of_source = {name for name, _ in _fields(inner.get("source"))}
        self.is_minimal = "document_type" in of_source
        is_told = "table" in of_source or self.is_minimal
        self.is_envelope = is_told and "op" in self.fields and not self.fields.isdisjoint(("before", "after"))
        rows = [self._record(node) for name, node in _fields(top) if name in ("before", "after")]
        columns = [column for row in rows if row is not None for column in _fields(row)] or list(_fields(top))
        encodings = {name: self._encoding(node) for name, node in columns}
        self.encodings: Mapping[str, Encoding] = {name: said for name, said in encodings.items() if said is not None}

    def read(self, payload: bytes) -> object:
        """The datum.

        Raises:
            MalformedRecord: the bytes are not of this schema, or there are too many.
        """
        stream = BytesIO(payload)
        try:
            datum: object = fastavro.schemaless_reader(stream, self._parsed, None)
        except _UNREADABLE as error:
            kind = type(error).__name__
            raise MalformedRecord(f"not Avro of schema {self.name or 'without a name'} ({kind})") from error
        if stream.tell() != len(payload):
            raise MalformedRecord(f"{len(payload) - stream.tell()} bytes behind the Avro of schema {self.name}")
        return datum

    def _plain(self, node: object, namespace: str, inside: tuple[str, ...]) -> Node:
        """The schema without logical types, its names noted and checked.

        Raises:
            MalformedRecord: it is no schema that can be read safely.
        """
        if isinstance(node, str):
            name = _full(node, namespace)
            if name in inside:
                raise MalformedRecord(f"the Avro schema {name} contains itself")
            return name if name in self.names else node
        if isinstance(node, list):
            return [self._plain(branch, namespace, inside) for branch in node]
        if not isinstance(node, dict):
            raise MalformedRecord("the registry's answer is no Avro schema")
        return self._plain_type(cast("dict[str, object]", node), namespace, inside)

    def _plain_type(self, node: dict[str, object], namespace: str, inside: tuple[str, ...]) -> dict[str, object]:
        plain = {key: value for key, value in node.items() if key != "logicalType"}
        kind = node.get("type")
        if kind in _NAMED:
            # An empty one is one, too: none.
            own = node.get("namespace")
            name = _full(str(node.get("name", "")), namespace if own is None else str(own))
            self.names[name] = plain
            namespace, inside = name.rpartition(".")[0], (*inside, name)
        if kind in ("record", "error"):
            fields = cast("list[dict[str, object]]", node.get("fields") or [])
            plain["fields"] = [self._plain_field(field, namespace, inside) for field in fields]
            self._sizes[inside[-1]] = self._size(plain)
        elif kind in ("array", "map"):
            part = "items" if kind == "array" else "values"
            plain[part] = self._plain(node.get(part), namespace, inside)
            if kind == "array" and self._may_be_empty(plain[part]):
                raise MalformedRecord("the Avro schema has an array whose items take no bytes")
        elif isinstance(kind, dict | list):
            plain["type"] = self._plain(kind, namespace, inside)
        return plain

    def _plain_field(self, field: dict[str, object], namespace: str, inside: tuple[str, ...]) -> dict[str, object]:
        return {"name": field.get("name"), "type": self._plain(field.get("type"), namespace, inside)}

    def _size(self, node: object) -> int:
        """How many parts a type has, those that it names included: a datum can be as large, of no bytes at all."""
        if isinstance(node, str):
            return self._sizes.get(node, 1)
        if isinstance(node, list):
            return 1 + sum(map(self._size, node))
        if not isinstance(node, dict):
            return 1
        parts = [kind for _, kind in _fields(node)] + [node.get("items"), node.get("values")]
        if isinstance(node.get("type"), dict | list):
            parts.append(node["type"])
        return min(1 + sum(map(self._size, parts)), _MOST_NODES + 1)

    def _may_be_empty(self, node: object) -> bool:
        """Whether a datum can take no bytes at all. A union takes one for its branch."""
        if isinstance(node, str):
            return node in _EMPTY_TYPES or (node in self.names and self._may_be_empty(self.names[node]))
        if isinstance(node, dict):
            if node.get("type") in ("record", "error"):
                return all(self._may_be_empty(kind) for _, kind in _fields(node))
            return node.get("size") == 0 or self._may_be_empty(node.get("type"))
        return False

    def _record(self, node: object) -> dict[str, object] | None:
        """The record that a type is, or that the one branch of a union is that is not null."""
        if isinstance(node, list):
            return next((found for branch in node if (found := self._record(branch)) is not None), None)
        if isinstance(node, str):
            return self._record(self._named(node))
        if isinstance(node, dict):
            return node if node.get("type") == "record" else self._record(node.get("type"))
        return None

    def _named(self, name: str) -> dict[str, object] | None:
        """The schema of a name, with or without its namespace; None for Avro's own types."""
        found = (node for full, node in self.names.items() if full == name or full.endswith(f".{name}"))
        return next(found, None)

    def _encoding(self, node: object) -> Encoding | None:
        """What a column's type says of its encoding."""
        if isinstance(node, list):
            return next((said for branch in node if (said := self._encoding(branch)) is not None), None)
        if isinstance(node, str):
            named = self._named(node)
            return encoding_of(node, None, {}) if named is None else self._encoding(named)
        if not isinstance(node, dict):
            return None
        kind = node.get("type")
        if "connect.name" not in node and isinstance(kind, dict | list):
            return self._encoding(kind)
        parameters = cast("dict[str, str]", node.get("connect.parameters") or {})
        scale = {"scale": str(node["scale"])} if "scale" in node else {}
        items = self._encoding(node.get("items"))
        name = cast("str | None", node.get("connect.name"))
        return encoding_of(str(kind), name, {**scale, **parameters}, items)


class AvroSchemas:
    """The schemas of a decoder's records.

    Args:
        registry: None where none is configured.
    """

    def __init__(self, registry: Schemas | None) -> None:
        self._registry = registry
        self._known: dict[SchemaId, AvroSchema] = {}

    def schema(self, schema: SchemaId) -> AvroSchema:
        """The schema with this id.

        Raises:
            MalformedRecord: no registry is configured, it does not know the id, or the schema cannot be read safely.
            SchemaPending: it cannot be had now.
        """
        known = self._known.get(schema)
        if known is None:
            if self._registry is None:
                raise MalformedRecord(
                    f"Avro with schema {schema.kind} {schema.number}, but no registry is configured: "
                    "set input.registry.url"
                )
            known = self._known[schema] = _parsed(self._registry.texts(schema), schema)
        return known


def _parsed(texts: Sequence[str], schema: SchemaId) -> AvroSchema:
    try:
        return AvroSchema(texts)
    except MalformedRecord:
        raise
    except Exception as error:  # Whatever stands in a registry: a parser of schemas may stumble in any way.
        raise MalformedRecord(
            f"schema {schema.kind} {schema.number} of the registry cannot be read: {error}"
        ) from error


def _json(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise MalformedRecord(f"the registry's answer is no Avro schema: {error}") from error


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _fields(record: Mapping[str, object] | None) -> Iterator[tuple[str, object]]:
    """Names and types of a record's fields."""
    fields = cast("list[dict[str, object]]", (record or {}).get("fields") or [])
    return ((str(field.get("name")), field.get("type")) for field in fields)
