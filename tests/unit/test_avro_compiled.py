"""What is read in one straight line is what a general reader of Avro (fastavro) reads."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from io import BytesIO
from itertools import count
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import MalformedRecord
from consumer.formats.avro_code import Unread, Wanted
from consumer.formats.avro_compiled import Read, compiled, straight
from consumer.formats.avro_schemas import AvroSchema

Typed = tuple[Any, st.SearchStrategy[Any]]
"""A type, and its values."""

PLAIN: list[Typed] = [
    ("null", st.none()),
    ("boolean", st.booleans()),
    ("int", st.integers(-(2**31), 2**31 - 1)),
    ("long", st.integers(-(2**63), 2**63 - 1) | st.integers(-70, 70)),
    ("float", st.floats(width=32, allow_nan=False)),
    ("double", st.floats(allow_nan=False)),
    ("string", st.text(max_size=80)),
    ("bytes", st.binary(max_size=80)),
    ({"type": "string", "connect.name": "io.debezium.data.Json"}, st.text(max_size=5)),
    ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, st.binary(max_size=9)),
]
NAMES = st.sampled_from(["a", "b", "status", "name", "class", "__deleted", "_", "source", "x1"])


@st.composite
def types(draw: st.DrawFn, depth: int = 3) -> Typed:
    kinds = {"plain": st.sampled_from(PLAIN)}
    if depth:
        kinds |= {"named": named(), "record": records(depth - 1), "union": unions(depth), "items": several(depth)}
    return draw(kinds[draw(st.sampled_from(["plain", *kinds]))])


@st.composite
def named(draw: st.DrawFn) -> Typed:
    number = next(draw(st.shared(st.builds(count), key="names")))
    if draw(st.booleans()):
        symbols = ["A", "B", "C"]
        return {"type": "enum", "name": f"E{number}", "symbols": symbols}, st.sampled_from(symbols)
    return {"type": "fixed", "name": f"F{number}", "size": 3}, st.binary(min_size=3, max_size=3)


@st.composite
def unions(draw: st.DrawFn, depth: int) -> Typed:
    other, values = draw(types(depth - 1).filter(lambda made: not isinstance(made[0], list) and made[0] != "null"))
    return list(draw(st.permutations(["null", other]))), st.none() | values


@st.composite
def several(draw: st.DrawFn, depth: int) -> Typed:
    item, values = draw(types(depth - 1).filter(lambda made: made[0] != "null" and not _may_be_empty(made[0])))
    if draw(st.booleans()):
        return {"type": "array", "items": item}, st.lists(values, max_size=3)
    return {"type": "map", "values": item}, st.dictionaries(st.text(max_size=3), values, max_size=3)


@st.composite
def records(draw: st.DrawFn, depth: int = 3) -> Typed:
    number = draw(st.shared(st.builds(count), key="names"))
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    made = {name: draw(types(depth)) for name in names}
    fields = [{"name": name, "type": kind} for name, (kind, _) in made.items()]
    return {"type": "record", "name": f"n.R{next(number)}", "fields": fields}, st.fixed_dictionaries(
        {name: values for name, (_, values) in made.items()}
    )


def _may_be_empty(kind: Any) -> bool:  # noqa: ANN401 - JSON
    if isinstance(kind, dict) and kind["type"] == "record":
        return all(field["type"] == "null" or _may_be_empty(field["type"]) for field in kind["fields"])
    return False


def written(schema: AvroSchema, datum: object) -> bytes:
    stream = BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(json.loads(json.dumps(schema.node))), datum)
    return stream.getvalue()


def only(datum: Any, wanted: Wanted | None) -> object:  # noqa: ANN401 - a datum
    """What is wanted of what the general reader gives."""
    if wanted is None or not isinstance(datum, Mapping):
        return datum
    return {name: only(value, wanted[name]) for name, value in datum.items() if name in wanted}


@st.composite
def wanteds(draw: st.DrawFn) -> Wanted:
    names = draw(st.lists(NAMES, unique=True))
    return dict.fromkeys(names)


@given(records(), wanteds(), st.data())
def test_what_is_read_is_what_a_general_reader_reads(typed: Typed, wanted: Wanted, data: st.DataObject) -> None:
    schema = AvroSchema([json.dumps(typed[0])])
    payload = written(schema, data.draw(typed[1]))
    read = straight(schema, wanted)
    assert read(payload) == compiled(schema, wanted)(payload) == only(schema.read(payload), wanted)


@given(records(), wanteds(), st.data())
def test_of_damaged_bytes_nothing_is_made_up(typed: Typed, wanted: Wanted, data: st.DataObject) -> None:
    schema = AvroSchema([json.dumps(typed[0])])
    payload = bytearray(written(schema, data.draw(typed[1])))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload)))
        payload[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    general, seen = said(schema.read, bytes(payload)), said(compiled(schema, wanted), bytes(payload))
    if isinstance(general, MalformedRecord):
        # Where it is read nevertheless, what is wrong stands in a column that nobody asked for.
        assert not isinstance(seen, MalformedRecord) or str(seen) == str(general)
    else:
        # What only a general reader takes (a boolean that is neither 0 nor 1) comes from there with all columns.
        assert repr(only(seen, wanted)) == repr(only(general, wanted))


def said(read: Read, payload: bytes) -> object:
    """The datum, or the error."""
    try:
        return read(payload)
    except MalformedRecord as error:
        return error


def record_of(*fields: tuple[str, Any], name: str = "R") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields]}


ROW = record_of(("id", "long"), ("status", ["null", "string"]), ("note", ["string", "null"]), name="Value")
ENVELOPE = record_of(("before", ["null", ROW]), ("after", ["null", "Value"]), ("op", "string"))


def test_of_rows_only_the_wanted_columns_are_read() -> None:
    schema = AvroSchema([json.dumps(ENVELOPE)])
    rows = [{"id": number, "status": "Öffen", "note": "x" * 200} for number in (-1, 2**40)]
    payload = written(schema, {"before": rows[0], "after": rows[1], "op": "u"})
    wanted: Wanted = {"before": {"status": None}, "after": {"id": None, "none": None}, "op": None}
    read = straight(schema, wanted)
    assert read(payload) == {"before": {"status": "Öffen"}, "after": {"id": 2**40}, "op": "u"}


@given(st.lists(types(1), min_size=6, max_size=30), st.data())
def test_what_was_read_before_changes_nothing(columns: list[Typed], data: st.DataObject) -> None:
    """Rows that differ from others in some columns, whole or cut, one after another by one reader."""
    row = record_of(*((f"c{at}", kind) for at, (kind, _) in enumerate(columns)), name="Value")
    envelope = record_of(("before", ["null", row]), ("after", ["null", "Value"]), ("op", "string"))
    schema = AvroSchema([json.dumps(envelope)])
    wanted: Wanted = {"before": {"c3": None}, "after": {"c3": None, "c11": None}, "op": None}
    read = compiled(schema, wanted)
    now = {f"c{at}": data.draw(values) for at, (_, values) in enumerate(columns)}
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(columns) - 1))
        then, now = now, {**now, f"c{at}": data.draw(columns[at][1])}
        payload = written(schema, {"before": then, "after": now, "op": "u"})
        payload = payload[: data.draw(st.integers(0, len(payload)))] if data.draw(st.booleans()) else payload
        general = said(schema.read, payload)
        expected = str(general) if isinstance(general, MalformedRecord) else repr(only(general, wanted))
        seen = said(read, payload)
        assert (str(seen) if isinstance(seen, MalformedRecord) else repr(seen)) == expected


def test_what_was_cut_is_not_taken_for_the_beginning_of_another() -> None:
    schema = AvroSchema([json.dumps(record_of(*((f"c{at}", "string") for at in range(8)), ("op", "string")))])
    whole = written(schema, {**{f"c{at}": "x" * 20 for at in range(8)}, "op": "u"})
    for end in range(len(whole)):
        read = compiled(schema, {"op": None})
        with pytest.raises(MalformedRecord):
            read(whole[:end])
        assert read(whole) == {"op": "u"}


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"\x02", b"\x04", b"\x01", b"\x00\x00\x02", b"\x00\x00\x02u\x00", b"\x00\x00\x01u",
        b"\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01u",
        b"\x00\x02" + b"\xff" * 20, b"\x00\x02\x02\x02\x01\x02\x02u", b"\x00\x00\x02\xff",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_as_ever(payload: bytes) -> None:
    schema = AvroSchema([json.dumps(ENVELOPE)])
    with pytest.raises(MalformedRecord) as general:
        schema.read(payload)
    with pytest.raises(MalformedRecord) as seen:
        compiled(schema, {"op": None})(payload)
    assert str(seen.value) == str(general.value)


def test_items_without_end_end_with_the_bytes() -> None:
    schema = AvroSchema([json.dumps(record_of(("many", {"type": "array", "items": "double"})))])
    claimed = b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f" + b"\x00" * 16
    for wanted in ({"many": None}, {}):
        with pytest.raises((Unread, IndexError, struct.error)):
            straight(schema, wanted)(claimed)


@pytest.mark.parametrize("name", ['a"', "a'b", "{x}", "__import__('os')", "a\\", "a\nb"])
def test_no_name_becomes_code(name: str) -> None:
    schema = AvroSchema([json.dumps(record_of(("a", "long")))])
    schema.node = record_of((name, "long"))
    assert straight(schema, {name: None})(b"\x02") == {name: 1}


def test_a_schema_that_is_too_large_is_read_as_ever() -> None:
    schema = AvroSchema([json.dumps(record_of(*((f"c{n}", "long") for n in range(5_001))))])
    with pytest.raises(Unread):
        straight(schema, {"c1": None})
    assert compiled(schema, {"c1": None})(b"\x02" * 5_001) == {f"c{n}": 1 for n in range(5_001)}


def test_avros_own_types_mean_the_same_whatever_records_are_called() -> None:
    for name in ("record", "bytes"):
        inner = record_of(("i", "string"), name=name)
        schema = AvroSchema([json.dumps(record_of(("a", inner), ("b", "bytes"), ("c", "string")))])
        payload = b"\x02x\x02y\x02z"
        assert compiled(schema, dict.fromkeys("abc"))(payload) == schema.read(payload)


@pytest.mark.parametrize("size", [None, [], {}, "x", "3", 3.5, -1, True])
def test_a_size_that_is_none_is_left_to_the_general_reader(size: object) -> None:
    schema = AvroSchema([json.dumps(record_of(("a", "long")))])
    schema.node = record_of(("a", {"type": "fixed", "name": "F", "size": size}), ("b", "long"))
    for wanted in ("a", "b"):
        with pytest.raises(Unread):
            straight(schema, {wanted: None})
        assert compiled(schema, {wanted: None})(b"\x02") == {"a": 1}


def test_a_length_beyond_all_memory_is_said_as_ever() -> None:
    schema = AvroSchema([json.dumps(record_of(("name", "string"), ("status", "double")))])
    payload = b"\xfe" + b"\xff" * 8 + b"\x01" + b"\0" * 8
    for wanted in ({"name": None, "status": None}, {"status": None}, {"name": None}):
        with pytest.raises(MalformedRecord, match="not Avro of schema R"):
            compiled(schema, wanted)(payload)


def test_a_number_of_more_than_64_bits_is_what_it_ever_was() -> None:
    schema = AvroSchema([json.dumps(record_of(("a", "long")))])
    for last in range(128):
        payload = b"\xfe" + b"\xff" * 8 + bytes((last,))
        assert compiled(schema, {"a": None})(payload) == schema.read(payload)


def test_an_empty_namespace_is_one() -> None:
    inner = {"type": "fixed", "name": "X", "namespace": "", "size": 1}
    outer = {"type": "fixed", "name": "X", "size": 2}
    fields = [{"name": "a", "type": outer}, {"name": "b", "type": inner}, {"name": "c", "type": "X"}]
    schema = AvroSchema([json.dumps({"type": "record", "name": "R", "namespace": "P", "fields": fields})])
    assert compiled(schema, dict.fromkeys("abc"))(b"aabcc") == schema.read(b"aabcc")
