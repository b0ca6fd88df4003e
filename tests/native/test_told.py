"""What is told of usual changes: all that an event needs, and nothing of any other change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple

from consumer.core.events import SourceIdentity
from consumer.core.hashing import token_by_hashlib
from consumer.core.trackers import DocumentType, Tracker, field_of_set
from consumer.core.values import UNAVAILABLE, Encoding
from consumer.formats.avro_programs import AvroPrograms
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.native_glance import NativeGlance
from consumer.formats.rows import JsonRows
from consumer.formats.shapes import Options
from consumer.formats.tables import Tables
from consumer.formats.usual_change import UsualChange
from consumer.native import Envelopes, Facts
from tests.unit.samples import batch_of, record, rules_of, tracker

pytestmark = pytest.mark.usefixtures("compiled")  # Beside Python alone, Python says the same.

TABLE = "tabSales Order"
SOURCE = {
    "version": "3.6.3.Final", "name": "erp", "ts_ms": 1_763_800_000_016, "ts_us": 1_763_800_000_016_250, "table": TABLE,
    "server_id": 1, "gtid": "0-1-16", "file": "binlog.000001", "pos": 32_325, "row": 0,
}  # fmt: skip
ROW = {"name": "SO-1", "status": "Open", "modified_by": "jane@example.com"}

NO_TEXTS: list[object] = [7, True, 'a"b', "a\\b", "a\nb", [], {}]
"""Columns that do not say what they look like."""


def envelope(*, source: Any = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """An update from Draft to Open."""
    rows = {"before": {**ROW, "status": "Draft"}, "after": ROW}
    return {**rows, "source": {**SOURCE, **(source or {})}, "transaction": None, "op": "u", "ts_ms": 7, **more}


def told(compiled: Envelopes, one: object) -> Facts | None:
    """What is told of one that is seen to be a change."""
    plan = compiled.make_plan(((TABLE.encode(), (b"status",), (b"modified_by",)),))
    text = json.dumps(one, separators=(",", ":"), ensure_ascii=False).encode()
    _, _, ((_, table, facts),) = compiled.look(plan, compiled.make_programs(()), [text])
    assert table == 0
    return facts


def test_an_update_is_told(compiled: Envelopes) -> None:
    log, place = "1:binlog.000001", "1:binlog.000001:32325:0:1763800000016"
    identity = SourceIdentity("gtid", f"0-1-16#{place}", "0-1-16", log, place)
    expected = (("Draft",), ("Open", "jane@example.com"), astuple(identity), SOURCE["ts_us"], SOURCE["ts_ms"])
    assert told(compiled, envelope()) == expected


def test_an_update_within_a_transaction_is_told_with_its_order(compiled: Envelopes) -> None:
    facts = told(compiled, envelope(transaction={"id": "x", "total_order": 12}))
    assert facts is not None
    assert facts[2][2] == "0-1-16#12"


def test_a_new_row_is_told_with_what_is_empty_and_what_is_not_there(compiled: Envelopes) -> None:
    source = {"ts_us": None, "server_id": None, "gtid": None, "row": None}
    block = {"id": "x", "total_order": 12, "data_collection_order": 1}
    one = envelope(op="c", before=None, after={"name": "SO-1", "status": ""}, source=source, transaction=block)
    place, ms = "None:binlog.000001:32325:None:1763800000016", 1_763_800_000_016
    identity = astuple(SourceIdentity("binlog", place, renaming=place))
    assert told(compiled, one) == (None, (None, None), identity, ms * 1_000, ms)


def test_the_longest_identity_is_told_as_python_says_it(compiled: Envelopes) -> None:
    most = 10**18 - 1
    source = {"gtid": "g" * 1_000, "file": "f" * 1_000, "server_id": most, "pos": most, "row": most}
    one = envelope(source=source, transaction={"id": "x", "total_order": most})
    facts = told(compiled, one)
    python = ChangeDecoder(rules_of(), Options(native=False))
    made = record(json.dumps(one, separators=(",", ":")).encode(), key=USUAL_KEY)
    (event,) = python.decode(batch_of(made)).events
    assert facts is not None
    assert facts[2] == astuple(event.identity)
    assert len(event.identity.text) > 2_000


def test_each_log_has_its_own_token(compiled: Envelopes) -> None:
    plan = compiled.make_plan(((TABLE.encode(), (b"status",), (b"modified_by",)),))
    logs = [(1, "b.1"), (1, "b.2"), (1, "b.1"), (11, "b.1"), (1, "1:b.1"), (1, "b.1")]
    values: list[bytes | None] = [
        json.dumps(envelope(source={"server_id": server, "file": file}), separators=(",", ":")).encode()
        for server, file in logs
    ]
    _, _, others = compiled.look(plan, compiled.make_programs(()), values)
    tokens = [facts[2][6][8:] for _, _, facts in others if facts is not None]
    assert tokens == [token_by_hashlib(f"{server}:{file}") for server, file in logs]


@pytest.mark.parametrize(("ms", "is_told"), [(0, True), (7_258_118_399_999, True), (7_258_118_400_000, False)])
def test_only_times_that_can_be_had_are_told(compiled: Envelopes, *, ms: int, is_told: bool) -> None:
    facts = told(compiled, envelope(source={"ts_ms": ms, "ts_us": ms * 1_000 + 999}))
    assert (None if facts is None else facts[3:]) == ((ms * 1_000 + 999, ms) if is_told else None)


@pytest.mark.parametrize(
    "one",
    [
        envelope(op="r", before=None),
        envelope(op="d", after=None),
        envelope(op="u", before=None),
        envelope(op="c"),
        envelope(before={"name": "SO-1"}),
        envelope(after={"name": "SO-1", "modified_by": "a"}),
        *(envelope(after={**ROW, "status": value}) for value in NO_TEXTS),
        envelope(before={**ROW, "status": 1.5}),
        envelope(after={**ROW, "modified_by": 7}),
        *(envelope(source={name: value}) for name in ("ts_ms", "pos") for value in (None, -1, -0.0, 1.5)),
        *(envelope(source={"ts_ms": value}) for value in (7_258_118_400_000, 9_000_000_000_000, 10**13)),
        *(envelope(source={name: -5}) for name in ("ts_us", "server_id", "row")),
        *(envelope(source={"file": value}) for value in (None, "", "a\\b", "x" * 1_001)),
        *(envelope(source={"gtid": value}) for value in ('"', "x" * 1_001, 7)),
        *(envelope(source={name: 7}) for name in ("lsn", "txId", "id")),
        *(envelope(source={name: "7"}) for name in ("lsn", "document_type", "time")),
        envelope(transaction={"id": "x", "total_order": -1}),
    ],
)  # fmt: skip
def test_nothing_is_told_of_what_is_unusual(compiled: Envelopes, one: object) -> None:
    assert told(compiled, one) is None


def test_nothing_is_told_of_a_table_with_more_columns_than_are_kept(compiled: Envelopes) -> None:
    value: bytes | None = json.dumps(envelope(), separators=(",", ":")).encode()
    for beside, is_told in ((31, True), (32, False)):
        plan = compiled.make_plan(((TABLE.encode(), (b"status",), tuple(b"c%d" % at for at in range(beside))),))
        _, _, ((_, table, facts),) = compiled.look(plan, compiled.make_programs(()), [value])
        assert (table, facts is not None) == (0, is_told)


PLAIN = tracker()
USUAL_KEY = b'{"name":"SO-1"}'
ORDERS = "Sales Order"


@pytest.mark.parametrize(
    ("trackers", "documents", "is_told"),
    [
        ([PLAIN], {}, True),
        ([PLAIN, tracker(track_field="modified_by")], {}, True),
        ([PLAIN], {ORDERS: DocumentType(ORDERS, actor="owner")}, True),
        ([PLAIN], {ORDERS: DocumentType(ORDERS, columns={"status": Encoding("text")})}, True),
        ([PLAIN], {ORDERS: DocumentType(ORDERS, columns={"status": Encoding("date")})}, False),
        ([PLAIN], {ORDERS: DocumentType(ORDERS, key=("name",))}, False),
        ([tracker(when="after.status != null")], {}, False),
        ([tracker(track_field=field_of_set(("status", "name")), filled=("status", "name"))], {}, False),
    ],
)
def test_a_change_is_usual_where_an_event_needs_nothing_but_texts(
    compiled: Envelopes, trackers: Sequence[Tracker], documents: Mapping[str, DocumentType], is_told: bool
) -> None:
    rules = rules_of(*trackers, documents=documents)
    tables = Tables(rules.plans, lambda plan: JsonRows(plan, UNAVAILABLE))
    value: bytes | None = json.dumps(envelope(), separators=(",", ":")).encode()
    ((_, change),) = NativeGlance(tables, AvroPrograms(compiled), UNAVAILABLE).look([value]).others
    assert isinstance(change, UsualChange) is is_told
    made = batch_of(record(value))
    decoded, python = (ChangeDecoder(rules, Options(native=native)).decode(made) for native in (True, False))
    assert decoded == python


REDRIVEN = [
    (f"milestones.redrive.{name}", value)
    for name, value in {
        "origin.topic": b"changes", "origin.topic-id": b"t-0", "origin.partition": b"3", "origin.offset": b"17",
        "origin.timestamp": b"1763800000000", "count": b"1",
    }.items()
]  # fmt: skip
LONG = b'{"name":"%s"}' % (b"x" * 1_001)


@pytest.mark.parametrize(
    ("one", "key", "headers", "becomes"),
    [
        (envelope(), USUAL_KEY, [], "update"),
        (envelope(), USUAL_KEY, [("trace", b"1")], "update"),
        (envelope(op="c", before=None), USUAL_KEY, [("trace", b"1")], "create"),
        (envelope(op="c", before=None), USUAL_KEY, [("__debezium.oldkey", b'{"name":"SO-0"}')], "renamed here"),
        (envelope(op="c", before=None), USUAL_KEY, [("__debezium.oldkey", b"[1")], "MalformedRecord"),
        (envelope(), USUAL_KEY, [("__debezium.oldkey", b'{"name":"SO-0"}')], "update"),
        (envelope(), USUAL_KEY, REDRIVEN, "update"),
        (envelope(), USUAL_KEY, REDRIVEN[:2], "MalformedRecord"),
        (envelope(), LONG, [], "BadValue"),
        (envelope(), b"", [], "MissingKey"),
        (envelope(after={**ROW, "status": UNAVAILABLE}), USUAL_KEY, [], "unchanged"),
        (envelope(before={**ROW, "status": UNAVAILABLE}), USUAL_KEY, [], "update"),
        (envelope(after={**ROW, "modified_by": UNAVAILABLE}), USUAL_KEY, [], "update"),
        (envelope(before={**ROW, "status": ""}, after={**ROW, "status": None}), USUAL_KEY, [], "unchanged"),
        (envelope(transaction={"id": "x", "total_order": 12}), USUAL_KEY, [], "update"),
        (envelope(transaction={"id": "x", "total_order": 12}, source={"gtid": None}), USUAL_KEY, [], "update"),
        (envelope(source={"ts_us": 5}), USUAL_KEY, [], "update"),
        (envelope(source={"ts_ms": 10**17}), USUAL_KEY, [], "BadValue"),
    ],
)  # fmt: skip
def test_what_becomes_of_changes_that_are_told(
    one: object, key: bytes, headers: list[tuple[str, bytes]], becomes: str
) -> None:
    made = record(json.dumps(one, separators=(",", ":")).encode(), key=key, headers=headers)
    native, python = (
        ChangeDecoder(rules_of(), Options(native=native)).decode(batch_of(made)) for native in (True, False)
    )
    assert native == python
    kinds = [event.kind.value for event in native.events] + [letter.error_class for letter in native.poison]
    assert [*kinds, *native.skipped] == [becomes]


TEXTS = st.sampled_from(["Open", "Draft", "", "é", "x" * 70]) | st.text(max_size=3)
USUAL = st.none() | TEXTS
ODD = USUAL | st.sampled_from(["a\\b", 'a"b', "a\x00b", UNAVAILABLE, 0, 1, 1.5, True, []])
NUMBERS = st.sampled_from([0, 1, 10**17])
ODD_NUMBERS = st.none() | NUMBERS | st.sampled_from([-1, 10**18, 2**63, 1.5, "7"])
COLUMNS = ("name", "status", "customer", "modified_by")
ROWS = st.fixed_dictionaries(dict.fromkeys(COLUMNS, USUAL)) | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(COLUMNS, ODD)
)
SOURCES = st.fixed_dictionaries(
    {
        "table": st.just(TABLE), "ts_ms": st.just(SOURCE["ts_ms"]) | NUMBERS, "file": st.just("binlog.000001"),
        "pos": NUMBERS,
    },
    optional={"ts_us": st.just(SOURCE["ts_us"]) | NUMBERS, "server_id": NUMBERS, "gtid": USUAL, "row": NUMBERS},
) | st.fixed_dictionaries(
    {"table": st.just(TABLE)},
    optional={
        **dict.fromkeys(["ts_ms", "ts_us", "server_id", "pos", "row", "txId", "lsn"], ODD_NUMBERS),
        "gtid": ODD, "file": ODD, "id": st.none() | st.just("e-1"), "time": st.none() | st.just("2026-01-01T00:00:00Z"),
    },
)  # fmt: skip
BLOCKS = st.none() | st.fixed_dictionaries({"id": TEXTS}, optional={"total_order": NUMBERS | ODD_NUMBERS})
CHANGES = st.fixed_dictionaries({"op": st.just("u"), "before": ROWS}) | st.fixed_dictionaries(
    {"op": st.sampled_from("curd")}, optional={"before": st.none() | ROWS}
)
ENVELOPES = st.builds(
    lambda change, beside: {**change, **beside},
    CHANGES,
    st.fixed_dictionaries({"after": ROWS, "source": SOURCES}, optional={"transaction": BLOCKS, "ts_ms": ODD_NUMBERS}),
)
KEYS = st.just(USUAL_KEY) | st.sampled_from([
    b"SO-1", b"", None, b'{"name":null}', b'{"name":"a\\u0000"}', b"\xff", b"[1",
])  # fmt: skip
NO_HEADERS: list[tuple[str, bytes]] = []
HEADERS = st.just(NO_HEADERS) | st.lists(
    st.sampled_from([
        ("__debezium.oldkey", b'{"name":"SO-0"}'), ("__debezium.oldkey", USUAL_KEY), ("trace", b"1"),
        ("milestones.redrive.count", b"1"), ("__debezium.newkey", b'{"name":"SO-2"}'), ("id", b"e-7"),
    ]),
    max_size=2,
)  # fmt: skip


@settings(max_examples=400)
@given(ENVELOPES, KEYS, HEADERS, st.booleans())
def test_whatever_a_change_is_like_it_says_what_python_says(
    one: Any,  # noqa: ANN401
    key: bytes | None,
    headers: list[tuple[str, bytes]],
    escaped: bool,
) -> None:
    value = json.dumps(one, separators=(",", ":"), ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    made = record(value, key=key, headers=headers)
    rules = rules_of(tracker(), tracker(name="customers", track_field="customer"))
    native, python = (ChangeDecoder(rules, Options(native=native)).decode(batch_of(made)) for native in (True, False))
    assert native == python
