"""What the compiled first look knows of writers' schemas: of each a program, by which it passes over a record.

A program is made when a record of its schema was read: then the table is known, which is one for each schema wherever
topics or subjects are named after tables. Records of the same schema and another table are read in Python.

Only Confluent's wire format is looked at: a record that names its schema in headers and begins with the same five
bytes as another's would have to be a whole record of that other's schema and table, too, to be taken for one.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import cast

from consumer.formats.avro_code import NUMBERS, Unread, resolved, size_of
from consumer.formats.avro_schemas import AvroSchema
from consumer.formats.wire import IdKind, SchemaId
from consumer.native import AvroProgram, Envelopes

_PLAIN = {"null": 0, "boolean": 1, "int": 2, "long": 2, "string": 3, "bytes": 4}
_FLOATS = {"float": 4, "double": 8}
_FIXED, _ENUM, _RECORD, _UNION, _ARRAY, _MAP = range(5, 11)
"""Kinds of types, as `consumer/native/programs.h` numbers them."""

_ANY, _NULL = 0, 5
_ROLES = {"before": 1, "after": 2, "source": 3, "op": 4}
"""What fields are for, likewise."""

_TEXT = ("string",)
_OF_SOURCE = {
    **dict.fromkeys(("ts_ms", "ts_us", "server_id", "pos", "row"), NUMBERS),
    **dict.fromkeys(("table", "gtid", "file", "document_type", "time"), _TEXT),
    **dict.fromkeys(("txId", "lsn", "id"), (*NUMBERS, *_TEXT)),
}
"""What is read of `source`, and as what: `source_block.Source`."""

_NO_ROWS = -1
_MOST_TYPES = 20_000
"""Of a schema, each type counted once."""

_STEPS_A_BYTE = 256
"""Of the items of a list: types without bytes would let a short record take for ever."""


class AvroPrograms:
    """The programs of a decoder.

    Args:
        native: what was compiled.
    """

    def __init__(self, native: Envelopes) -> None:
        self.native = native
        self._made: dict[int, AvroProgram | None] = {}
        self._all = native.make_programs(())
        self._is_new = False

    def learn(self, id_: SchemaId, schema: AvroSchema, table: str | None, tracked: Sequence[str] | None) -> None:
        """From now on records of a schema may be passed over at the first look.

        Args:
            table: the one that a record of this schema was of.
            tracked: the columns whose changes count; None where nobody tracks the table.
        """
        if id_.kind is IdKind.CONFLUENT and id_.number not in self._made:
            self._made[id_.number] = self._accepted(program_of(id_.number, schema, table or "", tracked))
            self._is_new = True

    def _accepted(self, program: AvroProgram | None) -> AvroProgram | None:
        """The program, if the compiled code takes it: not with more columns or branches than it has room for."""
        if program is not None:
            try:
                self.native.make_programs((program,))
            except (ValueError, OverflowError):
                return None
        return program

    def all(self) -> object:
        """The programs, as the compiled code has them."""
        if self._is_new:
            # First: what another thread learns from here on makes it new again. The list is made in one step.
            self._is_new = False
            known = [program for program in list(self._made.values()) if program is not None]
            self._all = self.native.make_programs(tuple(sorted(known)))
        return self._all


def program_of(number: int, schema: AvroSchema, table: str, tracked: Sequence[str] | None) -> AvroProgram | None:
    """A schema's program; None for a schema that only Python reads. Arguments as for `AvroPrograms.learn`."""
    try:
        return _Types(schema.names).program(number, schema.node, table.encode(), tracked)
    except Exception:  # noqa: BLE001 - Whatever stands in a registry: Python takes it, or says what is wrong.
        return None


class _Types:
    """The types of one schema, each behind all that it is made of."""

    def __init__(self, names: Mapping[str, dict[str, object]]) -> None:
        self._names = names
        self._types: list[tuple[int, int, int]] = []
        self._parts: list[int] = []
        self._places: dict[int, int] = {}
        self._costs: list[tuple[int, int]] = []

    def program(self, number: int, node: object, table: bytes, tracked: Sequence[str] | None) -> AvroProgram:
        """The program.

        Raises:
            Unread: the schema has a part that the compiled code does not know, or no table.
        """
        if not table:
            raise Unread
        fields = self._fields(node)
        source, row = self._record_in(fields["source"]), None
        columns: list[int] = []
        if tracked is not None:
            row = self._row(fields)
            columns = self._columns(row, tracked)
        self._add(node)
        packed = (array("i", [one for type_ in self._types for one in type_]), array("i", self._parts))
        types, parts = (some.tobytes() for some in packed)
        roles = array("i", [self._role(name, type_) for name, type_ in fields.items()]).tobytes()
        of_source = [*self._source_fields(source)].index("table")
        place = _NO_ROWS if row is None else self._places[id(row)]
        flags = array("i", columns).tobytes()
        of_table = (place, self._places[id(source)], of_source)
        return number, table, types, parts, roles, flags, len(tracked or ()), *of_table

    def _source_fields(self, source: object) -> Mapping[str, object]:
        """Those of `source`, which can all be read."""
        fields = self._fields(source)
        if not all(self._is_only(fields.get(name, "null"), kinds) for name, kinds in _OF_SOURCE.items()):
            raise Unread
        return fields

    def _row(self, fields: Mapping[str, object]) -> object:
        """The one type of `before` and `after`."""
        row = self._record_in(fields["before"])
        if row is not self._record_in(fields["after"]):
            raise Unread
        return row

    def _columns(self, row: object, tracked: Sequence[str]) -> list[int]:
        """Of each field of a row, its place among the tracked columns, all of which must be there."""
        fields = self._fields(row)
        names = [*fields]
        if not tracked or not set(tracked) <= set(names):
            raise Unread
        if any(self._has_floats(fields[name]) for name in tracked):
            raise Unread  # They are compared by their bytes there, and no NaN is equal to another.
        return [tracked.index(name) if name in tracked else -1 for name in names]

    def _role(self, name: str, node: object) -> int:
        """What a field of the envelope is for. What is not of the types that it has in Debezium's has to be null."""
        if name == "ts_ms":
            return _ANY if self._is_only(node, NUMBERS) else _NULL
        if name == "transaction":
            return _ANY if self._is_transaction(node) else _NULL
        return _ROLES.get(name, _ANY)

    def _is_transaction(self, node: object) -> bool:
        try:
            inner = self._fields(self._record_in(node))
        except Unread:
            return False
        id_, order = inner.get("id", "null"), inner.get("total_order", "null")
        return self._is_only(id_, _TEXT) and self._is_only(order, NUMBERS)

    def _is_only(self, node: object, kinds: Sequence[str]) -> bool:
        """Whether a type is one of these, or null beside them."""
        _, node = resolved(node, self._names)
        branches = node if isinstance(node, list) else [node]
        return all(resolved(branch, self._names)[0] in (*kinds, "null") for branch in branches)

    def _has_floats(self, node: object) -> bool:
        _, node = resolved(node, self._names)
        branches = node if isinstance(node, list) else [node]
        return any(resolved(branch, self._names)[0] in _FLOATS for branch in branches)

    def _record_in(self, node: object) -> object:
        """The record that a type is, or the one beside null."""
        _, node = resolved(node, self._names)
        found = [resolved(branch, self._names) for branch in (node if isinstance(node, list) else [node])]
        records = [inner for kind, inner in found if kind == "record"]
        if len(records) != 1 or any(kind not in ("record", "null") for kind, _ in found):
            raise Unread
        return records[0]

    def _fields(self, node: object) -> dict[str, object]:
        kind, node = resolved(node, self._names)
        if kind != "record":
            raise Unread
        fields = cast("dict[str, list[dict[str, object]]]", node)["fields"]
        named = {str(field["name"]): field["type"] for field in fields}
        if len(named) < len(fields):
            raise Unread
        return named

    def _add(self, node: object) -> int:
        """The place of a type."""
        kind, node = resolved(node, self._names)
        place = self._places.get(id(node))
        if place is None:
            made = self._made(kind, node)
            if len(self._types) >= _MOST_TYPES:
                raise Unread
            place = self._places[id(node)] = len(self._types)
            self._types.append(made)
            self._costs.append(self._cost(*made))
        return place

    def _cost(self, kind: int, first: int, count: int) -> tuple[int, int]:
        """How many steps it is at most to pass over a value of a type, and how many bytes it has at least."""
        parts = (
            [self._costs[place] for place in self._parts[first : first + count]] if kind in (_RECORD, _UNION) else []
        )
        steps, sizes = [steps for steps, _ in parts], [size for _, size in parts]
        if kind == _RECORD:
            return 1 + sum(steps), sum(sizes)
        if kind == _UNION:
            return 1 + max(steps, default=0), 1 + min(sizes, default=0)
        if kind in (_ARRAY, _MAP):
            item_steps, item_size = self._costs[first]
            if item_steps > _STEPS_A_BYTE * (item_size + (kind == _MAP)):
                raise Unread
        return 1, count if kind == _FIXED else 0 if kind == _PLAIN["null"] else 1

    def _made(self, kind: str, node: object) -> tuple[int, int, int]:
        if isinstance(node, list):
            return (_UNION, *self._several(node))
        if kind == "record":
            return (_RECORD, *self._several([*self._fields(node).values()]))
        if kind in ("array", "map"):
            inner = cast("dict[str, object]", node)
            return (_ARRAY, self._add(inner["items"]), 0) if kind == "array" else (_MAP, self._add(inner["values"]), 0)
        if kind == "fixed":
            return _FIXED, 0, size_of(node)
        if kind == "enum":
            return _ENUM, 0, len(cast("dict[str, list[str]]", node)["symbols"])
        return (_FIXED, 0, _FLOATS[kind]) if kind in _FLOATS else (_PLAIN[kind], 0, 0)

    def _several(self, nodes: Sequence[object]) -> tuple[int, int]:
        places = [self._add(node) for node in nodes]
        self._parts += places
        return len(self._parts) - len(places), len(places)
