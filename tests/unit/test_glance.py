"""An envelope read at a glance says what a closer look says, whatever its bytes look like."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.values import UNAVAILABLE
from consumer.errors import Poison
from consumer.formats.avro_programs import AvroPrograms
from consumer.formats.connect_json import SchemaReader
from consumer.formats.debezium_json import DebeziumJson
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.glance import Change, Glance, Glanced
from consumer.formats.native_glance import NativeGlance
from consumer.formats.row_change import RowChange
from consumer.formats.rows import JsonRows
from consumer.formats.shapes import Options
from consumer.formats.tables import Tables
from consumer.native import envelopes
from tests.unit.samples import batch_of, mariadb_source, record, rules_of, tracker

PLANS = rules_of(tracker(), tracker(document_type='Größe "A"')).plans
TABLES = Tables(PLANS, lambda plan: JsonRows(plan, UNAVAILABLE))
Look = Callable[[list[bytes | None]], Glanced]
LOOKS: list[Look] = [Glance(TABLES).look]
if envelopes is not None:  # That it is, where everything is required, tests/native/ sees to.
    LOOKS.append(NativeGlance(TABLES, AvroPrograms(envelopes), UNAVAILABLE).look)
EITHER = pytest.mark.parametrize("look", LOOKS, ids=["python", "native"][: len(LOOKS)])
CLOSELY = DebeziumJson(TABLES, SchemaReader()).change
Reader = Callable[[bytes], Change | str | None]

NAMES = st.sampled_from(["tabSales Order", "tabNote", 'tabGröße "A"', "Sales Order", "tabMilestone", "", "t"])
TEXTS = NAMES | st.sampled_from(['"table":"tabNote"', '\\"table\\":', "tabSales Order\\", "é"])
ROWS = st.none() | st.fixed_dictionaries(
    {}, optional={"status": TEXTS | st.none() | st.integers(), "name": TEXTS, "table": TEXTS, "source": TEXTS}
)
SOURCES = st.none() | st.fixed_dictionaries(
    {}, optional={"ts_ms": st.integers(0, 2**40), "table": NAMES | st.none(), "pos": st.integers(0, 9), "gtid": TEXTS}
)
ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        "before": ROWS, "after": ROWS, "source": SOURCES, "transaction": st.none() | st.just({"id": "1"}),
        "op": st.sampled_from(["c", "u", "r", "d", "t", "m", "x", None]), "ts_ms": st.none() | st.integers(0, 2**40),
    },
)  # fmt: skip


def seen_alone(look: Look, value: bytes | None) -> Change | str | None:
    """What is seen of one record at a glance."""
    glanced = look([value])
    if glanced.others:
        assert (glanced.untracked, glanced.unchanged) == (0, 0)
        ((place, seen),) = glanced.others
        assert place == 0
        return seen
    assert glanced.untracked + glanced.unchanged == 1
    return "untracked" if glanced.untracked else "unchanged"


def at_a_glance(look: Look) -> Reader:
    """What the decoder makes of a value: the closer look is for what cannot be told at a glance."""

    def read(value: bytes) -> Change | str | None:
        seen = seen_alone(look, value)
        return CLOSELY(value) if seen is None else seen

    return read


def said(reader: Reader, value: bytes) -> object:
    """What a reader makes of a value, in a form that can be compared."""
    try:
        change = reader(value)
    except (Poison, msgspec.DecodeError, RecursionError) as error:
        return type(error).__name__, str(error)
    return comparable(change)


def comparable(change: Change | str | None) -> object:
    """What was made of a value, in a form that can be compared."""
    if not isinstance(change, RowChange):
        return change
    if change.unchanged:
        return "unchanged"
    cells = [
        None if row is None else [change.reader.cell(row, name) for name in ("status", "modified_by")]
        for row in (change.before, change.after)
    ]
    return change.op, cells, change.source, change.reader.plan, change.encodings, change.transaction, change.ts_ms


@EITHER
@given(ENVELOPES, st.booleans(), st.booleans(), st.randoms())
def test_whatever_an_envelope_is_like(
    look: Look,
    envelope: Mapping[str, Any],
    escaped: bool,
    spaced: bool,
    draw: Any,  # noqa: ANN401
) -> None:
    names = list(envelope)
    draw.shuffle(names)
    separators = (", ", ": ") if spaced else (",", ":")
    shuffled = {name: envelope[name] for name in names}
    value = json.dumps(shuffled, ensure_ascii=escaped, separators=separators).encode()
    assert said(at_a_glance(look), value) == said(CLOSELY, value)


@EITHER
@given(ENVELOPES, st.data())
def test_whatever_is_damaged(look: Look, envelope: Mapping[str, Any], data: st.DataObject) -> None:
    value = bytearray(json.dumps(envelope, separators=(",", ":")).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(value)))
        value[at : at + data.draw(st.integers(0, 2))] = data.draw(st.sampled_from([b"", b'"', b"{", b"}", b"\\", b"0"]))
    seen, looked = said(at_a_glance(look), bytes(value)), said(CLOSELY, bytes(value))
    # Where nothing changes that anybody tracks, only that is looked at.
    passed_over = seen in ("untracked", "unchanged") and isinstance(looked, tuple) and looked[0] == "ValidationError"
    assert seen == looked or passed_over


@EITHER
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"source":{"table":"tabNote"},"op":"u","after":{}}', "untracked"),
        (b'{"source":{"table":"tabNote"},"op":"u","after":{"status":"', "DecodeError"),
        (b'{"source":{"table":"tabNote"},"op":"u","after":{}}}', "DecodeError"),
        (b'{"source":{"table":"tabSales Order"},"op":"u","after":{"a":1,}}', "DecodeError"),
        (b'{"source":{"table":"tabSales Order"},"op":"u","after":7}', "MalformedRecord"),
        (b'{"source":{"table":"tabSales Order"},"op":"u","after":null}', "MalformedRecord"),
        (b'{"source":{"table":"tabNote"},"op":"z","after":{}}', "UnknownOperation"),
    ],
)
def test_what_cannot_be_read_is_found_whatever_table_it_seems_to_be_of(look: Look, value: bytes, expected: str) -> None:
    found = said(at_a_glance(look), value)
    assert (found if isinstance(found, str) else found[0]) == expected  # type: ignore[index]


HALVES = [b'{"source":{"table":"tabNote"},"op":"u","x":{}', b'{"source":{"table":"tabNote"},"op":"u"', b'"op":"u"}']
TWO = b'{"source":{"table":"tabNote"},"op":"u"}{"source":{"table":"tabNote"},"op":"u"}'


@EITHER
@given(
    st.lists(ENVELOPES.map(lambda e: json.dumps(e, separators=(",", ":")).encode()) | st.sampled_from([*HALVES, TWO]))
)
def test_what_stands_beside_a_record_changes_nothing(look: Look, values: list[bytes | None]) -> None:
    together = look(values)
    alone = [seen_alone(look, value) for value in values]
    assert (together.untracked, together.unchanged) == (alone.count("untracked"), alone.count("unchanged"))
    others = [(place, comparable(seen)) for place, seen in enumerate(alone) if not isinstance(seen, str)]
    assert [(place, comparable(seen)) for place, seen in together.others] == others


@EITHER
@pytest.mark.parametrize(
    "wrong", [*HALVES, TWO, TWO.replace(b"}{", b"}\n{"), b'{"table":"\xff"}', b'{"a":"\n"}', None, b"", b"{}"]
)
def test_one_that_cannot_be_read_is_the_only_one(look: Look, wrong: bytes | None) -> None:
    good = b'{"source":{"table":"tabNote"},"op":"u"}'
    for place in range(0, 70, 3):
        values: list[bytes | None] = [good] * 70
        values[place] = wrong
        assert look(values) == Glanced(69, 0, [(place, None)])


@EITHER
def test_halves_of_one_beside_a_double_one_are_not_three(look: Look) -> None:
    first, second = (
        b'{"source":{"table":"tabNote"},"op":"u","after":{"a":1}',
        b',"source":{"table":"tabNote"},"op":"u"}',
    )
    assert look([first, second, TWO]) == Glanced(0, 0, [(0, None), (1, None), (2, None)])


@EITHER
def test_a_name_that_stands_elsewhere_deceives_nobody(look: Look) -> None:
    for other in ("tabNote", "tabSales Order"):
        row = {"table": other, "status": f'"table":"{other}"'}
        for table, expected in (("tabSales Order", "unchanged"), ("tabNote", "untracked")):
            envelope = {"source": {"table": table}, "op": "u", "before": row, "after": row}
            assert said(at_a_glance(look), json.dumps(envelope, separators=(",", ":")).encode()) == expected


@EITHER
def test_a_column_that_is_in_neither_row_is_not_unchanged(look: Look) -> None:
    value = b'{"before":{"name":"a"},"after":{"name":"b"},"source":{"table":"tabSales Order"},"op":"u"}'
    assert isinstance(seen_alone(look, value), RowChange)


@EITHER
def test_what_is_common_is_told_at_a_glance(look: Look) -> None:
    for table, status, expected in (("tabSales Order", "a", str), ("tabSales Order", "b", RowChange), ("t", "b", str)):
        envelope = {"before": {"status": "a"}, "after": {"status": status}, "source": {"table": table}, "op": "u"}
        assert isinstance(seen_alone(look, json.dumps(envelope, separators=(",", ":")).encode()), expected)


def compact(envelope: object) -> bytes:
    return json.dumps(envelope, separators=(",", ":")).encode()


def spaced(envelope: object) -> bytes:
    return json.dumps(envelope).encode()


def wrapped(envelope: object) -> bytes:
    return compact({"schema": None, "payload": envelope})


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("written", [compact, spaced, wrapped])
@pytest.mark.parametrize("statuses", [("a", "a"), ("a", "b"), (1, 1.0)])
@pytest.mark.parametrize(
    "wrong",
    [{}, {"ts_ms": 10**17}, {"pos": "not a number"}, {"time": "x"}, {"key": None}, {"key": b"\0\0\0\0\1abc"}],
)
def test_explanations_say_what_became_of_a_record_whatever_else_is_wrong_with_it(
    wrong: Mapping[str, Any], statuses: tuple[object, object], written: Callable[[object], bytes], native: bool
) -> None:
    before, after = ({"status": status} for status in statuses)
    source = {**mariadb_source(), "table": "tabSales Order", **{k: v for k, v in wrong.items() if k != "key"}}
    value = written({"before": before, "after": after, "source": source, "op": "u"})
    made = record(value, **{k: v for k, v in wrong.items() if k == "key"})
    decoder, batch = ChangeDecoder(rules_of(), Options(native=native)), batch_of(made)
    decoded, told = decoder.decode(batch), decoder.tell(made, batch)
    if decoded.poison:
        assert told.poison == decoded.poison[0].message
    elif decoded.events:
        assert told.event == decoded.events[0]
    else:
        assert told.kind in (*decoded.skipped, "update")
        assert told.event is None
