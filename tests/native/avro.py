"""Avro for what is compiled: programs of a few schemas, records written with them, and both damaged."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from consumer.formats.avro_programs import program_of
from consumer.formats.avro_schemas import AvroSchema
from consumer.native import AvroProgram
from tests.unit.avro import avro, confluent

NO_PROGRAM: AvroProgram = (0, b"", b"", b"", b"", b"", 0, -1, 0, 0)

_BLOCK = {"type": "record", "name": "Block", "fields": [
    {"name": "id", "type": "string"}, {"name": "total_order", "type": "long"},
    {"name": "data_collection_order", "type": "long"},
]}  # fmt: skip
_ROW: dict[str, Any] = {"type": "record", "name": "Value", "fields": [
    {"name": "name", "type": "string"},
    {"name": "status", "type": ["null", {"type": "string", "connect.name": "io.debezium.data.Enum"}]},
    {"name": "priority", "type": ["null", "int"]},
    {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "rate", "type": "double"}, {"name": "share", "type": ["float", "null"]},
    {"name": "open", "type": "boolean"},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B", "C"]}},
    {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 3}},
    {"name": "tags", "type": {"type": "array", "items": ["null", "string"]}},
    {"name": "more", "type": {"type": "map", "values": "long"}},
]}  # fmt: skip
SCHEMA: dict[str, Any] = {"type": "record", "name": "Envelope", "namespace": "erp.tabTask", "fields": [
    {"name": "before", "type": ["null", _ROW]}, {"name": "after", "type": ["null", "Value"]},
    {"name": "source", "type": {"type": "record", "name": "Source", "fields": [
        {"name": "ts_ms", "type": "long"}, {"name": "table", "type": ["null", "string"]},
        {"name": "pos", "type": ["null", "long"]},
    ]}},
    {"name": "transaction", "type": ["null", _BLOCK]}, {"name": "op", "type": "string"},
    {"name": "ts_ms", "type": ["null", "long"]},
]}  # fmt: skip
TRACKED = ("status", "priority")


def row(**columns: object) -> dict[str, object]:
    """A row, with these columns in it."""
    usual = {"name": "T-1", "status": "Open", "priority": 7, "amount": b"\x01\x02", "rate": 1.5, "share": None}
    return {
        **usual, "open": True, "kind": "B", "hash": b"abc", "tags": ["é", None, "x" * 40], "more": {"a": -1},
        **columns,
    }  # fmt: skip


def datum(table: str | None = "tabTask", **more: object) -> dict[str, object]:
    """An update that changes nothing, with these members in it."""
    source = {"ts_ms": 1_763_800_000_000, "table": table, "pos": 2**40}
    return {"before": row(), "after": row(), "source": source, "transaction": None, "op": "u", "ts_ms": 5, **more}


def written(one: object, number: int = 1) -> bytes:
    """In Confluent's wire format."""
    return confluent(number, avro(SCHEMA, one))


def program(table: str = "tabTask", tracked: Sequence[str] | None = TRACKED, number: int = 1) -> AvroProgram:
    """That of the schema, for a table."""
    made = program_of(number, AvroSchema([msgspec.json.encode(SCHEMA).decode()]), table, tracked)
    assert made is not None
    return made


def avro_samples() -> list[tuple[AvroProgram, Sequence[bytes]]]:
    """Programs, each with records."""
    changes = [datum(), datum(after=row(status="Done")), datum(op="c", before=None), datum(op="d", after=None)]
    changes.append(datum(transaction={"id": "7", "total_order": 1, "data_collection_order": 2}))
    changes.append(datum(before=row(tags=[], more={}), ts_ms=None))
    tracked = [written(one) for one in changes]
    others = [written({**one, "source": {"ts_ms": 5, "table": "tabNote", "pos": None}}) for one in changes]
    return [(program(), tracked), (program("tabNote", None), others)]


def avro_damaged(whole: Sequence[bytes], seed: int, count: int) -> Iterator[bytes]:
    """Some as they are, every beginning of one, and many with other bytes in them."""
    draw = random.Random(seed)
    yield from whole
    for at in range(len(whole[0])):
        yield whole[0][:at]
    for _ in range(count):
        text = bytearray(draw.choice(whole))
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(5, len(text) + 1)
            text[at : at + draw.choice((0, 1, 1, 2))] = draw.choice(
                (b"", b"\x00", b"\x02", b"\x7f", b"\x80", b"\xff" * 9, b"\x01")
            )
        yield bytes(text)


def changed_program(program: AvroProgram, draw: random.Random) -> AvroProgram:
    """One with some other number in it."""
    made: list[Any] = [*program]
    place = draw.randrange(2, 10)
    number = draw.choice((-2, -1, 0, 1, 2, 5, 9, 10, 11, 40, 1_000, 2**31 - 1, -(2**31)))
    if place > 5:
        made[place] = number
    elif numbers := array("i", made[place]):
        numbers[draw.randrange(len(numbers))] = number
        made[place] = numbers.tobytes()
    return tuple(made)
