"""What the compiled first look says of envelopes, and what it leaves to a closer look."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consumer import native
from consumer.formats.native_glance import first_look, native_of
from consumer.formats.shapes import Options
from consumer.native import Envelopes
from tests.native.samples import COLUMNS, envelope

CLOSER, UNTRACKED, UNCHANGED, TASK = "closer", "untracked", "unchanged", "tabTask"


def said(compiled: Envelopes, text: bytes) -> str:
    """What is said of one record."""
    untracked, unchanged, others = compiled.look(compiled.make_plan(COLUMNS), compiled.make_programs(()), [text])
    if untracked or unchanged:
        assert (untracked + unchanged, others) == (1, [])
        return UNTRACKED if untracked else UNCHANGED
    ((place, table, _),) = others
    assert place == 0
    return CLOSER if table < 0 else COLUMNS[table][0].decode()


def written(one: object, **how: Any) -> bytes:  # noqa: ANN401 - json's own arguments
    """As Debezium writes it."""
    return json.dumps(one, separators=(",", ":"), **how).encode()


def test_the_first_look_is_compiled_where_everything_is_required() -> None:
    assert native.envelopes is not None or os.environ.get("MILESTONES_REQUIRE_SERVERS") != "1"


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (envelope("tabTask"), UNCHANGED),
        (envelope("tabTask", "Open", "Done"), TASK),
        (envelope("tabTask", op="c", before=None), TASK),
        (envelope("tabTask", op="d", after=None), TASK),
        (envelope("tabTask", transaction={"id": "0-1-7", "total_order": 3, "data_collection_order": 1}), UNCHANGED),
        (envelope("tabTask", transaction={"id": 7}), CLOSER),
        (envelope("tabTask", transaction={"id": "7", "total_order": 1.5}), CLOSER),
        (envelope("tabTask", ts_ms="5"), CLOSER),
        (envelope("tabTask", ts_ms=None, ts_us=7, note=[[], {}, [{"a": []}]]), UNCHANGED),
        (envelope("tabTask", before=7), CLOSER),
        (envelope("tabNote", transaction={"id": "0-1-7", "total_order": 3}), UNTRACKED),
        (envelope("tabNote", op="t"), CLOSER),
        (envelope("tabNote", op=None), CLOSER),
        (envelope(""), CLOSER),
        (envelope("tabNote", source=None), CLOSER),
        (envelope("tabNote", source={"pos": 1}), CLOSER),
        (envelope("tabNote", source={"table": None}), CLOSER),
        ({"schema": None, "payload": envelope("tabNote")}, CLOSER),
        ([envelope("tabNote")], CLOSER),
        ({}, CLOSER),
    ],
)  # fmt: skip
def test_what_an_envelope_says(compiled: Envelopes, one: object, expected: str) -> None:
    assert said(compiled, written(one)) == expected


def test_a_name_is_compared_by_its_bytes_and_one_that_is_written_otherwise_is_left_alone(compiled: Envelopes) -> None:
    one = envelope("tabGröße", "Open", "Done")
    assert said(compiled, written(one, ensure_ascii=False)) == "tabGröße"
    assert said(compiled, written(one)) == CLOSER
    escaped = written(envelope("tabTask")).replace(b'"status"', b'"st\\u0061tus"')
    assert said(compiled, escaped) == CLOSER


@pytest.mark.parametrize("name", ["before", "after", "source", "op", "ts_ms", "transaction"])
def test_what_stands_twice_is_left_to_who_knows_which_one_counts(compiled: Envelopes, name: str) -> None:
    text = written(envelope("tabTask"))
    again = written({name: envelope("tabTask")[name]})[1:]
    assert said(compiled, text[:-1] + b"," + again) == CLOSER


def test_a_column_or_a_table_that_stands_twice_is_left_alone(compiled: Envelopes) -> None:
    text = written(envelope("tabTask"))
    assert said(compiled, text.replace(b'"status":"Open"', b'"status":"Done","status":"Open"')) == CLOSER
    assert said(compiled, text.replace(b'"note":null', b'"note":1,"note":null')) == UNCHANGED
    assert said(compiled, text.replace(b'"pos":325', b'"table":"tabTask"')) == CLOSER


def test_a_column_that_is_missing_is_not_unchanged(compiled: Envelopes) -> None:
    text = written(envelope("tabTask"))
    assert said(compiled, text.replace(b'"status":"Open",', b"")) == TASK
    assert said(compiled, text.replace(b'"status":"Open",', b"", 1)) == TASK


VALID = [
    b"0", b"-0", b"10.25", b"-1", b"123456789012345678901234567890", b"true", b"false", b"null", b"[]", b"{}",
    b'""', b'"\\"\\\\\\/\\b\\f\\n\\r\\t"', b'"\\u0041\\uFFFD"', b'"\\ud83d\\ude00"', '"é€😀"'.encode(), b"[ 1 , 2 ]",
    b'"' + b"x" * 100 + b'"',
    b'{ "a" : [ { } ] }', b"\t\r\n 1 ", b'"\x7f"', b"[" * 90 + b"]" * 90,
]  # fmt: skip
INVALID = [
    b"", b"01", b"-", b"+1", b"1.", b".5", b"1.e", b"0x1", b"NaN", b"Infinity", b"tru", b"nul", b"True", b'"', b'"\\"',
    b'"\\x"', b'"\\u12"', b'"\\u12g4"', b'"\n"', b'"\x1f"', b'"\x00"', b"\x00", b'"\xff"', b'"\xc0\x80"', b'"\xc3"',
    b'"\xed\xa0\x80"', b'"\xe0\x80\x80"', b'"\xf0\x80\x80\x80"', b'"\xf4\x90\x80\x80"', b'"\xf5\x80\x80\x80"',
    b'"\xe2\x82"', b"[", b"[1,]", b"[,]", b"[1 2]", b"{,}", b'{"a"}', b'{"a":}', b'{"a":1,}', b"{a:1}", b"{'a':1}",
    b"1 2", b"/**/1", b"}", b"]", b'"a" "b"',
    b'\xef\xbb\xbf1',
]  # fmt: skip
UNCERTAIN = [
    b"1e5", b"1E+2", b"-2.5e-3", b"1" * 41, b'"\\ud83d"', b'"\\ude00"', b'"\\ud83d\\u0041"', b"[" * 101 + b"]" * 101,
    b'{"\\u0061":1}',
]  # fmt: skip


def with_value(value: bytes, table: str = "tabNote") -> bytes:
    """An envelope with some bytes for a column."""
    return written(envelope(table, note=None)).replace(b'"note":null', b'"note":' + value)


@pytest.mark.parametrize("value", VALID)
def test_valid_json_is_passed_over(compiled: Envelopes, value: bytes) -> None:
    msgspec.json.decode(with_value(value))
    assert said(compiled, with_value(value)) == UNTRACKED
    assert said(compiled, with_value(value, "tabTask")) == UNCHANGED


@pytest.mark.parametrize("value", INVALID)
def test_invalid_json_is_never_passed_over(compiled: Envelopes, value: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        msgspec.json.decode(with_value(value).decode())
    assert said(compiled, with_value(value)) == CLOSER
    assert said(compiled, with_value(value, "tabTask")) == CLOSER


@pytest.mark.parametrize("value", UNCERTAIN)
def test_what_is_not_worth_being_sure_of_is_left_to_a_closer_look(compiled: Envelopes, value: bytes) -> None:
    assert said(compiled, with_value(value)) == CLOSER


@pytest.mark.parametrize("tail", [b" ", b"\n", b"x", b"}", b"\x00", b",", b"{}"])
def test_nothing_may_stand_behind_an_envelope(compiled: Envelopes, tail: bytes) -> None:
    assert said(compiled, written(envelope("tabNote")) + tail) == CLOSER


def test_a_column_that_stands_where_the_last_record_named_its_table_makes_it_closer_once(compiled: Envelopes) -> None:
    row = {"status": "Open", "priority": 3, "table": "tabNote"}
    plain = written(envelope("tabTask", before=row, after=row))
    column = len(plain) - plain.rindex(b'"table":"tabNote"')
    before = written(envelope("tabTask"))
    mark = len(before) - before.index(b'"table":"')
    before = before.replace(b'"table":"tabTask"', b'"table":"tabTask"' + b" " * (column - mark))
    assert said(compiled, plain) == said(compiled, before) == UNCHANGED
    plan, programs = compiled.make_plan(COLUMNS), compiled.make_programs(())
    untracked, unchanged, others = compiled.look(plan, programs, [before, plain, plain])
    assert (untracked, unchanged, [other[:2] for other in others]) == (0, 2, [(1, -1)])


def test_what_came_before_changes_no_verdict(compiled: Envelopes) -> None:
    """A record is held against the last one of its table: against every one of these, none is another."""
    usual = written(envelope("tabTask"))
    wide = {f"c{at}": at for at in range(250)} | {"status": "Open", "priority": 3}
    texts = [
        usual,
        usual.replace(b":", b" : "),
        usual.replace(b",", b" , "),
        usual.replace(b'{"status"', b'{ "status"'),
    ]
    texts += [written(envelope("tabTask", before=wide, after=wide | {"status": status})) for status in ("Open", "Done")]
    texts += [usual.replace(b"3,", number, times) for number in (b"35,", b"3.5,", b"3e5,", b"3 ,") for times in (1, 2)]
    texts += [usual.replace(b"325", number) for number in (b"3256", b"32", b"325.", b"-325", b"325 ")]
    texts += [
        usual.replace(b'"priority":3', other) for other in (b'"status":"Open"', b'"Priority":3', b'"priority":[3]')
    ]
    texts += [usual.replace(b'"note":null', b'"note":' + value) for value in (*VALID, *INVALID, *UNCERTAIN)]
    texts += [usual[:at] for at in range(0, len(usual), 7)]
    texts += [text.replace(b"tabTask", table) for table in (b"tabNote", "tabGröße".encode()) for text in texts]
    alone = [said(compiled, text) for text in texts]
    assert {CLOSER, UNTRACKED, UNCHANGED, TASK, "tabGröße"} == set(alone)
    plan, programs = compiled.make_plan(COLUMNS), compiled.make_programs(())
    told = [other[1:] for text in texts for other in compiled.look(plan, programs, [text])[2]]
    assert any(facts is not None for _, facts in told)
    for before in texts:
        behind: list[bytes | None] = [text for one in texts for text in (before, one)]
        untracked, unchanged, others = compiled.look(plan, programs, behind)
        seen = {place: table for place, table, _ in others}
        expected = {2 * at + 1: one for at, one in enumerate(alone) if one not in (UNTRACKED, UNCHANGED)}
        of_before = said(compiled, before)
        assert {at for at in seen if at % 2} == expected.keys()
        assert [other[1:] for other in others if other[0] % 2] == told
        assert all((CLOSER if seen[at] < 0 else COLUMNS[seen[at]][0].decode()) == one for at, one in expected.items())
        assert untracked == alone.count(UNTRACKED) + len(texts) * (of_before == UNTRACKED)
        assert unchanged == alone.count(UNCHANGED) + len(texts) * (of_before == UNCHANGED)


def test_more_columns_than_it_compares_are_compared_in_python(compiled: Envelopes) -> None:
    for columns, expected in ((32, 1), (33, 0)):
        names = [b"c%d" % at for at in range(columns)]
        plan = compiled.make_plan(((b"tabTask", tuple(names), None),))
        row = {name.decode(): 1 for name in names}
        _, unchanged, _ = compiled.look(
            plan, compiled.make_programs(()), [written(envelope("tabTask", before=row, after=row))]
        )
        assert unchanged == expected


def test_many_tables_are_told_apart(compiled: Envelopes) -> None:
    tables = tuple((b"tab%d" % at, (b"status",), None) for at in range(1_000))
    plan = compiled.make_plan(tables)
    values: list[bytes | None] = [written(envelope(f"tab{at}", "Open", "Done")) for at in range(1_001)]
    assert compiled.look(plan, compiled.make_programs(()), values) == (1, 0, [(at, at, None) for at in range(1_000)])


def test_nobody_tracks_anything(compiled: Envelopes) -> None:
    assert compiled.look(compiled.make_plan(()), compiled.make_programs(()), [written(envelope("tabTask")), None]) == (
        1,
        0,
        [(1, -1, None)],
    )


def test_wrong_arguments_are_refused(compiled: Envelopes) -> None:
    plan, programs = compiled.make_plan(COLUMNS), compiled.make_programs(())
    wrong: list[Callable[[], object]] = [
        lambda: compiled.look(plan, programs, ["text"]),  # type: ignore[list-item]
        lambda: compiled.look(plan, programs, (b"",)),  # type: ignore[arg-type]
        lambda: compiled.look(object(), programs, [b""]),
        lambda: compiled.look(programs, programs, [b""]),
        lambda: compiled.look(plan, plan, [b""]),
        lambda: compiled.make_plan([]),  # type: ignore[arg-type]
        lambda: compiled.make_plan(("text",)),  # type: ignore[arg-type]
        lambda: compiled.make_plan(((b"tabTask", ("status",), None),)),  # type: ignore[arg-type]
        lambda: compiled.make_plan(((b"tabTask", (b"status",), ("owner",)),)),  # type: ignore[arg-type]
        lambda: compiled.make_plan(((b"tabTask", (b"status",), 7),)),  # type: ignore[arg-type]
        lambda: compiled.make_plan((("tabTask", (b"status",), None),)),  # type: ignore[arg-type]
        lambda: compiled.make_plan(((b"tabTask", [b"status"], None),)),  # type: ignore[arg-type]
        lambda: compiled.make_plan(((b"tabTask", (), None),)),
        lambda: compiled.make_plan(((),)),  # type: ignore[arg-type]
        lambda: compiled.make_plan(((b"tabTask",),)),  # type: ignore[arg-type]
        lambda: compiled.make_programs([]),  # type: ignore[arg-type]
        lambda: compiled.make_programs((7,)),  # type: ignore[arg-type]
        lambda: compiled.make_programs(((7,),)),  # type: ignore[arg-type]
    ]
    for call in wrong:
        with pytest.raises((TypeError, ValueError)):
            call()
    assert compiled.look(plan, programs, []) == (0, 0, [])


def test_the_configuration_decides_whether_it_is_used(compiled: Envelopes) -> None:
    assert native_of(Options()) is compiled
    assert native_of(Options(native=False)) is None
    assert (first_look(Options()), first_look(Options(native=False))) == ("native", "python")


def test_its_files_are_no_longer_than_modules_may_be() -> None:
    for path in Path(native.__file__).parent.glob("*.[ch]"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path.name
