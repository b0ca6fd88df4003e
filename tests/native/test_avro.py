"""What the compiled first look says of envelopes in Avro: what Python says, or nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.events import Decoded
from consumer.formats.avro_programs import program_of
from consumer.formats.avro_schemas import AvroSchema
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.shapes import Options
from consumer.native import Envelopes
from tests.native.avro import SCHEMA, TRACKED, datum, program, row, written
from tests.unit.avro import SchemasById, avro, confluent
from tests.unit.samples import batch_of, record, rules_of, tracker
from tests.unit.test_avro_compiled import Typed, records

CLOSER, UNTRACKED, UNCHANGED = "closer", "untracked", "unchanged"


def said(compiled: Envelopes, text: bytes, table: str = "tabTask", tracked: Any = TRACKED) -> str:  # noqa: ANN401
    """What is said of one record."""
    programs = compiled.make_programs((program(table, tracked),))
    untracked, unchanged, others = compiled.look(compiled.make_plan(()), programs, [text])
    assert untracked + unchanged + len(others) == 1
    return UNTRACKED if untracked else UNCHANGED if unchanged else CLOSER


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (datum(), UNCHANGED),
        (datum(after=row(name="T-2", open=False, tags=[], more={"b": 2**60}, share=0.5)), UNCHANGED),
        (datum(after=row(status="Done")), CLOSER),
        (datum(after=row(status=None)), CLOSER),
        (datum(after=row(priority=8)), CLOSER),
        (datum(op="c", before=None), CLOSER),
        (datum(op="c"), CLOSER),
        (datum(op="t"), CLOSER),
        (datum(op=""), CLOSER),
        (datum(transaction={"id": "7", "total_order": 1, "data_collection_order": 2}), UNCHANGED),
        (datum("tabNote"), CLOSER),
        (datum("tabTas"), CLOSER),
        (datum(None), CLOSER),
    ],
)  # fmt: skip
def test_what_a_change_of_a_tracked_table_says(compiled: Envelopes, one: object, expected: str) -> None:
    assert said(compiled, written(one)) == expected


@pytest.mark.parametrize("op", ["c", "u", "r", "d"])
def test_a_change_of_another_table_is_passed_over_whatever_it_changes(compiled: Envelopes, op: str) -> None:
    one = datum("tabNote", op=op, before=None, after=row(status="é" * 30))
    assert said(compiled, written(one), "tabNote", None) == UNTRACKED
    assert said(compiled, written(datum()), "tabNote", None) == CLOSER


@pytest.mark.parametrize("tail", [b"\x00", b"x"])
def test_a_record_is_read_to_its_last_byte(compiled: Envelopes, tail: bytes) -> None:
    assert said(compiled, written(datum()) + tail) == CLOSER
    assert said(compiled, written(datum())[:-1]) == CLOSER
    assert said(compiled, written(datum(), number=2)) == CLOSER


@pytest.mark.parametrize("wrong", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"a\xc3", b"\xf4\x90\x80\x80"])
def test_texts_are_utf8_or_left_to_a_closer_look(compiled: Envelopes, wrong: bytes) -> None:
    good = written(datum(before=row(name="x" * len(wrong)), after=row(name="x" * len(wrong))))
    assert said(compiled, good) == UNCHANGED
    assert said(compiled, good.replace(b"x" * len(wrong) + b"\x02", wrong + b"\x02", 1)) == CLOSER


def test_a_column_that_rows_lack_or_too_many_of_them_are_left_to_python() -> None:
    schema = AvroSchema([json.dumps(SCHEMA)])
    assert program_of(1, schema, "tabTask", ("status", "nowhere")) is None
    assert program_of(1, schema, "", ("status",)) is None
    assert program_of(1, schema, "tabTask", ()) is None


@pytest.mark.parametrize(
    ("name", "kind", "passed_over"),
    [
        ("pos", "string", False), ("ts_ms", ["null", "long", "string"], False), ("table", ["null", "bytes"], False),
        ("lsn", ["null", "long", "string"], True), ("snapshot", "boolean", True),
    ],
)  # fmt: skip
def test_a_source_that_python_might_not_read_is_left_to_it(name: str, kind: object, passed_over: bool) -> None:
    fields = [{"name": "table", "type": "string"}, {"name": "ts_ms", "type": "long"}]
    others = [field for field in fields if field["name"] != name]
    source = {"type": "record", "name": "Source", "fields": [*others, {"name": name, "type": kind}]}
    envelope = [{"name": "source", "type": source} if one["name"] == "source" else one for one in SCHEMA["fields"]]
    made = program_of(1, AvroSchema([json.dumps({**SCHEMA, "fields": envelope})]), "tabNote", None)
    assert (made is not None) == passed_over


def test_programs_are_told_apart_by_their_ids(compiled: Envelopes) -> None:
    programs = compiled.make_programs(tuple(program(f"tab{at}", None, at) for at in range(3, 300, 3)))
    values: list[bytes | None] = [written(datum(f"tab{at}"), at) for at in range(300)]
    untracked, unchanged, others = compiled.look(compiled.make_plan(()), programs, values)
    assert (untracked, unchanged) == (99, 0)
    assert [place for place, _, _ in others] == [at for at in range(300) if at % 3 or not at]


def test_programs_out_of_order_are_refused(compiled: Envelopes) -> None:
    with pytest.raises(ValueError, match="in order"):
        compiled.make_programs((program(number=2), program(number=1)))


def test_blocks_of_items_with_their_size_are_read(compiled: Envelopes) -> None:
    one = written(datum(before=row(tags=[None]), after=row(tags=[None])))
    plain, sized = b"abc\x02\x00\x00", b"abc\x01\x02\x00\x00"
    assert one.count(plain) == 2
    assert said(compiled, one.replace(plain, sized)) == UNCHANGED
    assert said(compiled, one.replace(plain, b"abc\x04\x00\x00")) == CLOSER


def decoded(schema: dict[str, Any], payloads: list[bytes], *, native: bool, tracked: Sequence[str] = ("a",)) -> Decoded:
    """What becomes of some records; the first is read before the others, so that its schema is known."""
    rules = rules_of(*(tracker(track_field=name) for name in tracked))
    decoder = ChangeDecoder(rules, Options(native=native), SchemasById({1: schema}))
    made = [record(confluent(1, payload), offset=at) for at, payload in enumerate(payloads)]
    decoder.decode(batch_of(made[0]))
    return decoder.decode(batch_of(*made))


def enveloped(row: dict[str, Any]) -> dict[str, Any]:
    """The schema of changes of rows."""
    fields = [
        {"name": "before", "type": ["null", row]}, {"name": "after", "type": ["null", row["name"]]},
        *SCHEMA["fields"][2:],
    ]  # fmt: skip
    return {**SCHEMA, "namespace": "", "fields": fields}


def of_columns(**columns: object) -> dict[str, Any]:
    """The schema of changes of rows with these columns, by their types."""
    fields = [{"name": name, "type": type_} for name, type_ in columns.items()]
    return enveloped({"type": "record", "name": "Row", "fields": fields})


FLOAT: dict[str, Any] = {"type": "double", "connect.name": "io.debezium.time.Timestamp"}
MANY = {f"c{at}": "string" for at in range(33)}


@pytest.mark.parametrize(
    ("columns", "tracked", "row"),
    [
        (MANY, (*MANY,), dict.fromkeys(MANY, "x")),
        ({"a": "string", "b": ["null", *({"type": "fixed", "name": f"F{at}", "size": at} for at in range(1, 70))]},
         ("a",), {"a": "x", "b": None}),
        ({"a": "string"}, ("a",), {"a": "x"}),
        ({"a": FLOAT}, ("a",), {"a": nan}),
        ({"a": ["null", FLOAT]}, ("a",), {"a": nan}),
        ({"a": "string", "b": FLOAT}, ("a",), {"a": "x", "b": nan}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("table", ["tabSales Order", "tabNote"])
def test_what_it_has_no_room_for_and_what_is_not_equal_to_itself_is_read_in_python(
    columns: Mapping[str, object], tracked: Sequence[str], row: object, table: str
) -> None:
    schema = of_columns(**columns)
    payloads = [avro(schema, datum(table, before=row, after=row))] * 3
    native, python = (decoded(schema, payloads, native=native, tracked=tracked) for native in (True, False))
    assert native == python


def nulls(number: int) -> dict[str, Any]:
    """A type of so many parts, of which none has a byte."""
    return {"type": "record", "name": "Nulls", "fields": [{"name": f"n{at}", "type": "null"} for at in range(number)]}


@pytest.mark.parametrize(
    ("column", "is_read"),
    [
        ({"type": "map", "values": nulls(200)}, True),
        ({"type": "map", "values": nulls(300)}, False),
        ({"type": "array", "items": ["null", nulls(200)]}, True),
        ({"type": "array", "items": ["null", nulls(300)]}, False),
        (nulls(300), True),
    ],
)
def test_no_list_takes_more_than_some_steps_a_byte(column: object, is_read: bool) -> None:
    schema = AvroSchema([json.dumps(of_columns(a="string", b=column))])
    assert (program_of(1, schema, "tabNote", None) is not None) is is_read


@given(records(depth=2), st.sampled_from(["tabSales Order", "tabNote"]), st.data())
def test_whatever_rows_are_made_of_it_says_what_python_says(typed: Typed, table: str, data: st.DataObject) -> None:
    rows, schema = typed[1], enveloped(typed[0])
    before = data.draw(rows)
    changes = [before, before, *data.draw(st.lists(rows, max_size=3))]
    payloads = [avro(schema, datum(table, before=before, after=after)) for after in changes]
    for _ in range(data.draw(st.integers(0, 4))):
        wrong = bytearray(data.draw(st.sampled_from(payloads)))
        at = data.draw(st.integers(0, len(wrong)))
        wrong[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        payloads.append(bytes(wrong))
    assert decoded(schema, payloads, native=True) == decoded(schema, payloads, native=False)
