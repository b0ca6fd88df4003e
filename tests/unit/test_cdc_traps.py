"""What real change streams do, clause by clause: docs/formats.md lists the traps, and these tests by name.

Records go through decoding, matching and evaluation as in a batch; where the captured streams show a trap, they are it.
What only servers can prove is in tests/processes/test_cdc_traps.py.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from consumer.captured import read_captured
from consumer.core.events import Kind
from consumer.core.trackers import SNAPSHOT_MODES, DocumentType
from consumer.core.values import UNAVAILABLE, Encoding
from consumer.formats.row_change import NEW_KEY, OLD_KEY
from consumer.formats.shapes import Options, Shape
from tests.debezium.recording import read_recording
from tests.unit.avro import STATUS_SCHEMA, SchemasById, avro, confluent, envelope_schema
from tests.unit.avro import change as avro_change
from tests.unit.samples import AT_MS, DATA, FakeRecord, envelope, mariadb_source, postgres_source, record, tracker
from tests.unit.streams import Reached, Stream, as_records, each_once_more, with_schema

CONNECTORS = ["mariadb", "postgres"]
SALES_ORDER = "tabSales Order"


def update(after: object, before: object = None, op: str = "u", **source: object) -> FakeRecord:
    """A change by the PostgreSQL connector; with REPLICA IDENTITY DEFAULT it has no `before`."""
    return record(envelope(op, before, after, source=postgres_source(**source)))


def status(value: object, **source: object) -> FakeRecord:
    """A status, told by an update without `before`; each by a transaction of its own."""
    return update({"status": value}, None, "u", txId=source.pop("txId", value), **source)


def captured(connector: str, recording: str = "documents-json") -> list[FakeRecord]:
    """What the real connector sent."""
    return as_records(read_recording(DATA / "debezium" / connector / f"{recording}.jsonl.gz"))


# 1. `before` is not always the old row


def test_trap_01_before_is_null_and_the_state_tells_the_old_value() -> None:
    assert Stream().take(status("Draft"), status("Won"), status("Won", txId=9)) == [
        ("Draft", None, "unknown"),
        ("Won", "Draft", "state"),
    ]


def test_trap_01_a_deletes_before_has_invented_values() -> None:
    """REPLICA IDENTITY DEFAULT: the key, and zeros and empty texts for columns that cannot be NULL."""
    stream = Stream(tracker("Task", "docstatus"), tracker("Task", "subject"))
    records = captured("postgres")
    [deleted] = [r for r in records if b'"op":"d"' in (r.value() or b"") and b'"TASK-1"' in (r.key() or b"")]
    before = json.loads(deleted.value() or b"")["before"]
    assert (before["name"], before["subject"], before["docstatus"], before["status"]) == ("TASK-1", "", 0, None)
    stream.take(*records)
    assert set(stream.values("subject")) == {"A task"}
    ended = [state for key, state in stream.states.items() if key.reference_name == "TASK-1"]
    assert [(state.value, state.ended_at is None) for state in ended] == [(None, False)] * 2


def test_trap_01_with_the_full_old_row_the_event_is_believed() -> None:
    stream = Stream(tracker("Sales Order"))
    stream.take(*captured("postgres"))
    assert ("SAL-ORD-3", "Draft", "To Deliver and Bill", "observed") in [
        (m.reference_name, m.from_value, m.value, m.from_value_known) for m in stream.milestones
    ]


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (None, ("Won", None, "unknown")),
        ({"name": "SO-1"}, ("Won", None, "unknown")),
        ({"status": None}, ("Won", None, "observed")),
        ({"status": "Draft"}, ("Won", "Draft", "observed")),
    ],
    ids=["before is null", "the column is absent", "the column is null", "the column has a value"],
)
def test_trap_01_absent_before_absent_column_and_null_are_told_apart(before: object, told: Reached) -> None:
    stream = Stream()
    assert stream.take(update({"status": "Won"}, before)) == [told]
    assert stream.take(update({"name": "SO-1"}, {"name": "SO-1"}, txId=8)) == []
    assert (stream.state().value, stream.absent) == ("Won", {("Sales Order", "status"): 1})
    stream.take(update({"status": None}, txId=9))
    assert (stream.state().known, stream.state().value) == (True, None)


def test_trap_01_null_shown_as_the_columns_default_is_taken_as_sent() -> None:
    """`replace.null.with.default`, on by default: the stream itself says something else than the database."""
    for connector in CONNECTORS:
        stream = Stream(tracker("Task", "colour"))
        stream.take(*captured(connector))
        assert set(stream.values("colour")) == {"red"}
    stages = {mode: Stream(tracker("Oracle Order", "stage")) for mode in ("frappe-events", "frappe-events-stringmode")}
    for mode, stream in stages.items():
        stream.take(*as_records(read_captured(DATA / f"{mode}.jsonl.gz")))
    nulls = [stream.values("stage").count(None) for stream in stages.values()]
    assert nulls[0] < nulls[1]


# 2. TOAST


PLACEHOLDERS: dict[str, object] = {
    "text": UNAVAILABLE,
    "base64": "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==",
    "hex": UNAVAILABLE.encode().hex(),
    "array": [UNAVAILABLE],
    "array of bytes": ["X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="],
    "array of numbers": list(UNAVAILABLE.encode()),
    "map": {UNAVAILABLE: UNAVAILABLE},
    "map as JSON": f'{{"{UNAVAILABLE}":"{UNAVAILABLE}"}}',
}


@pytest.mark.parametrize("form", PLACEHOLDERS)
def test_trap_02_the_placeholder_means_unchanged_in_any_form(form: str) -> None:
    stream, placeholder = Stream(), PLACEHOLDERS[form]
    stream.take(status("Draft"))
    assert stream.take(status(placeholder, txId=2), update({"status": placeholder}, {"status": "Draft"}, txId=3)) == []
    assert (stream.state().value, stream.absent) == ("Draft", {})


@pytest.mark.parametrize("form", PLACEHOLDERS)
def test_trap_02_the_placeholder_in_before_leaves_the_old_value_to_the_state(form: str) -> None:
    stream, before = Stream(), {"status": PLACEHOLDERS[form]}
    assert stream.take(update({"status": "Draft"}, before, txId=1)) == [("Draft", None, "unknown")]
    assert stream.take(update({"status": "Won"}, before, txId=2)) == [("Won", "Draft", "state")]
    assert stream.take(update({"status": "Won"}, before, txId=3)) == []


def test_trap_02_the_placeholder_is_configured() -> None:
    stream = Stream(options=Options(unavailable="gone"))
    assert stream.take(status("Draft"), status("gone"), status("676f6e65"), status(UNAVAILABLE)) == [
        ("Draft", None, "unknown"),
        (UNAVAILABLE, "Draft", "state"),
    ]


def test_trap_02_real_large_columns_are_never_the_placeholder() -> None:
    records = captured("postgres")
    assert sum(UNAVAILABLE.encode() in (r.value() or b"") for r in records) > 3
    stream = Stream(tracker("Task", "description"), tracker("Sales Order", "terms"))
    stream.take(*records)
    assert {len(m.value) for m in stream.milestones} == {9_600, len("short")}
    assert stream.absent == {}


# 3. What `op` may be


@pytest.mark.parametrize(
    ("op", "before", "after", "reached"),
    [
        ("c", None, {"status": "Won"}, [("Won", None, "observed")]),
        ("u", {"status": "Draft"}, {"status": "Won"}, [("Won", "Draft", "observed")]),
        ("d", {"status": "Won"}, None, []),
        ("r", None, {"status": "Won"}, []),
        ("t", None, None, []),
        ("m", None, None, []),
    ],
)
def test_trap_03_each_op_is_known(op: str, before: object, after: object, reached: Sequence[Reached]) -> None:
    stream = Stream()
    one = record(envelope(op, before, after), key=None if op in "tm" else b"SO-1")
    assert (stream.take(one), stream.poison) == (reached, [])


@pytest.mark.parametrize("op", ["x", "", "cc", "C"])
def test_trap_03_an_unknown_op_is_a_dead_letter(op: str) -> None:
    stream = Stream()
    assert stream.take(record(envelope(op, None, {"status": "Won"}))) == []
    assert [letter.error_class for letter in stream.poison] == ["UnknownOperation"]


@pytest.mark.parametrize("connector", CONNECTORS)
def test_trap_03_what_accompanies_changes_is_counted_by_kind(connector: str) -> None:
    stream = Stream(tracker("Task"))
    stream.take(*captured(connector))
    assert {"heartbeat", "transaction", "tombstone", "untracked", "snapshot", "delete"} <= stream.skipped.keys()
    assert ("schema change" in stream.skipped) is (connector == "mariadb")
    assert stream.poison == []
    pages = as_records(read_captured(DATA / "postgres-events.jsonl.gz"))
    stream.take(*pages)
    assert (stream.skipped["truncate"], stream.skipped["message"]) >= (1, 3)


@pytest.mark.parametrize("connector", CONNECTORS)
@pytest.mark.parametrize("mode", SNAPSHOT_MODES)
def test_trap_03_snapshots_amid_live_traffic_announce_nothing_that_is_known(connector: str, mode: str) -> None:
    """A snapshot at the start, and an incremental one later: with `milestone`, only the first says anything new."""
    records = captured(connector)
    without = [one for one in records if b'"snapshot":"incremental"' not in (one.value() or b"")]
    assert len(without) < len(records)
    streams = [Stream(tracker("Task", snapshot=mode), tracker("Sales Order", snapshot=mode)) for _ in range(2)]
    made = [stream.take(*some) for stream, some in zip(streams, (records, without), strict=True)]
    assert made[0] == made[1]
    assert streams[0].missed == {}
    assert streams[0].skipped["snapshot"] > streams[1].skipped["snapshot"] > 0
    first = [
        m for m in streams[0].milestones if (m.value, m.from_value_known) in (("Draft", "unknown"), ("Open", "unknown"))
    ]
    assert len(first) == (4 if mode == "milestone" else 0)


def test_trap_03_a_snapshot_announces_what_the_tracker_asks_for() -> None:
    rows = ["Draft", "Draft", "Won", "Won"]
    read = [update({"status": row}, op="r", lsn=None, txId=None, ts_ms=AT_MS + n) for n, row in enumerate(rows)]
    reached: dict[str, list[Reached]] = {
        "baseline": [],
        "milestone": [("Draft", None, "unknown"), ("Won", "Draft", "state")],
        "reconcile": [("Won", "Draft", "state")],
    }
    assert {mode: Stream(tracker(snapshot=mode)).take(*read) for mode in SNAPSHOT_MODES} == reached


# 4. Deletes and renames


def test_trap_04_a_delete_and_its_tombstone_are_no_milestone() -> None:
    stream = Stream()
    stream.take(status("Draft"))
    assert stream.take(update(None, {"status": "Draft"}, op="d", txId=2), record(None)) == []
    assert stream.skipped == {"delete": 1, "tombstone": 1}
    assert stream.state().ended_at is not None


@pytest.mark.parametrize("connector", CONNECTORS)
@pytest.mark.parametrize("order", ["as sent", "the new name first"])
def test_trap_04_a_changed_key_is_a_rename_in_whichever_order(connector: str, order: str) -> None:
    """`d` with `__debezium.newkey`, tombstone, `c` with `__debezium.oldkey`; partitions may swap them."""
    records = captured(connector)
    halves = {name: [r for r in records if r.value() and name in str(r.headers())] for name in (NEW_KEY, OLD_KEY)}
    assert [len(some) for some in halves.values()] == [2, 2]
    if order != "as sent":
        for old, new in zip(halves[NEW_KEY], halves[OLD_KEY], strict=True):
            away, here = records.index(old), records.index(new)
            records[away], records[here] = replace(new, in_partition=1), old
    stream = Stream(tracker("Task"))
    stream.take(*records)
    renamed = {state.value for key, state in stream.states.items() if key.reference_name == "TASK-3-NEW"}
    assert renamed == {"Completed"}
    [made] = [m for m in stream.milestones if m.reference_name == "TASK-3-NEW"]
    assert (made.value, made.from_value, made.occurrence) == ("Completed", "Open", 2)
    assert (stream.skipped["renamed away"], stream.skipped["renamed here"]) == (1, 1)


# 5. Duplicates


@pytest.mark.parametrize("connector", CONNECTORS)
@pytest.mark.parametrize("partition", [0, 1], ids=["behind themselves", "in another partition"])
def test_trap_05_what_is_delivered_again_is_the_same_milestone(connector: str, partition: int) -> None:
    """A connector that crashed sends again everything since the offset that it had noted."""
    stream, records = Stream(tracker("Task"), tracker("Sales Order")), captured(connector)
    assert len(stream.take(*records)) > 5
    states = {key: state.value for key, state in stream.states.items()}
    for since in (len(records) // 2, 0):
        assert stream.take(*each_once_more(records[since:], partition)) == []
    assert {key: state.value for key, state in stream.states.items()} == states


def test_trap_05_a_transaction_that_is_taken_up_in_its_midst_may_be_counted_anew() -> None:
    """A connector that was killed there sends changes again under other numbers (`transaction.total_order`)."""

    def told(value: str, before: str, pos: int, order: int) -> FakeRecord:
        block = {"id": "0-1-7", "total_order": order, "data_collection_order": order}
        source = mariadb_source(pos=pos)
        return record(envelope("u", {"status": before}, {"status": value}, source=source, transaction=block))

    stream = Stream()
    stream.take(told("To Bill", "Draft", 10, 1), told("Billed", "To Bill", 20, 2))
    assert stream.take(told("Billed", "To Bill", 20, 1)) == []
    assert stream.take(told("Paid", "Billed", 30, 2)) == [("Paid", "Billed", "observed")]


# 6. Log positions are no clock


def test_trap_06_log_positions_may_go_backwards() -> None:
    """Transactions arrive in order of their commits, and one that began earlier may commit later."""
    changes = [status("Draft", lsn=900, txId=3), status("Won", lsn=100, txId=1), status("Lost", lsn=500, txId=2)]
    assert [value for value, _, _ in Stream().take(*changes)] == ["Draft", "Won", "Lost"]


def test_trap_06_rows_of_one_position_are_changes_of_their_own() -> None:
    rows = [
        record(envelope("u", None, {"status": "Won"}, source=postgres_source()), key=f"SO-{n}".encode()) for n in "123"
    ]
    stream = Stream()
    assert len(stream.take(*rows)) == 3
    assert len({m.id for m in stream.milestones}) == 3
    binlog = [mariadb_source(row=row, gtid=None) for row in (0, 1)]
    several = [record(envelope("u", None, {"status": f"v{s['row']}"}, source=s), key=b"SO-9") for s in binlog]
    assert len(stream.take(*several)) == 2


def test_trap_06_a_repeated_sequence_says_nothing() -> None:
    same = {"sequence": '["1","2"]'}
    assert len(Stream().take(status("Draft", lsn=1, **same), status("Won", lsn=2, **same))) == 2


def test_trap_06_after_a_fail_over_files_and_servers_have_other_names() -> None:
    def told(value: str, **source: object) -> FakeRecord:
        return record(envelope("u", None, {"status": value}, source=mariadb_source(**source)))

    first = told("Draft", gtid="0-1-7"), told("Won", gtid="0-1-8", pos=5_000)
    replica = {"server_id": 2, "file": "replica.000001"}
    again = told("Draft", gtid="0-1-7", pos=77, **replica), told("Won", gtid="0-1-8", pos=99, **replica)
    stream = Stream()
    assert len(stream.take(*first)) == 2
    assert stream.take(*each_once_more(again, 1)) == []
    assert stream.take(told("Lost", gtid="0-1-9", pos=4, **replica)) == [("Lost", "Won", "state")]


@pytest.mark.parametrize("source", [mariadb_source(snapshot="true", server_id=0), postgres_source(snapshot="true")])
def test_trap_06_rows_of_a_snapshot_share_one_position(source: dict[str, object]) -> None:
    rows = [record(envelope("r", None, {"status": "Draft"}, source=source), key=f"SO-{n}".encode()) for n in range(5)]
    stream = Stream(tracker(snapshot="milestone"))
    assert len(stream.take(*rows)) == 5
    assert len({m.id for m in stream.milestones}) == 5


def test_trap_06_order_is_that_of_offsets_whatever_the_clock_says() -> None:
    stream = Stream()
    stream.take(status("Draft", ts_ms=AT_MS + 60_000), status("Won", ts_ms=AT_MS))
    assert stream.state().value == "Won"


# 7. Decimals


def column(name: str, type_: str = "bytes", **parameters: str) -> dict[str, object]:
    """A column in JsonConverter's schema."""
    return {"field": "status", "type": type_, "name": name, "parameters": parameters}


DECIMAL = column("org.apache.kafka.connect.data.Decimal", scale="2")


@pytest.mark.parametrize(
    ("columns", "value", "text"),
    [
        ([DECIMAL], "AJY=", "1.5"),
        ([DECIMAL], "/w==", "-0.01"),
        ([column("io.debezium.data.VariableScaleDecimal", "struct")], {"scale": 3, "value": "BdwA"}, "384"),
        ([{"field": "status", "type": "double"}], 1.50, "1.5"),
        ([{"field": "status", "type": "string"}], "1.50", "1.50"),
    ],
    ids=["precise", "precise, negative", "its own scale", "double", "string"],
)
def test_trap_07_decimals_are_read_in_each_mode(columns: list[dict[str, object]], value: object, text: str) -> None:
    stream = Stream()
    stream.take(record(with_schema(columns, envelope("c", None, {"status": value}))))
    assert stream.values("status") == [text]


def test_trap_07_without_a_schema_the_scale_is_lost_and_the_field_is_a_dead_letter_until_it_is_told() -> None:
    one = record(envelope("c", None, {"status": "AJY="}))
    untold, told = Stream(tracker(**{"as": "decimal"})), Stream(tracker(scale=2, **{"as": "decimal"}))
    assert (untold.take(one), [letter.field for letter in untold.poison]) == ([], ["status"])
    assert told.take(one) == [("1.5", None, "observed")]


# 8. Times


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("io.debezium.time.Date", 19_782, "2024-02-29"),
        ("io.debezium.time.Timestamp", 1_709_210_096_789, "2024-02-29 12:34:56.789000"),
        ("io.debezium.time.MicroTimestamp", 1_709_210_096_789_012, "2024-02-29 12:34:56.789012"),
        ("io.debezium.time.NanoTimestamp", 1_709_210_096_789_012_000, "2024-02-29 12:34:56.789012"),
        ("org.apache.kafka.connect.data.Timestamp", 1_709_210_096_789, "2024-02-29 12:34:56.789000"),
        ("org.apache.kafka.connect.data.Date", 19_782, "2024-02-29"),
        ("io.debezium.time.IsoTimestamp", "2024-02-29T12:34:56Z", "2024-02-29 12:34:56"),
        ("io.debezium.time.ZonedTimestamp", "2024-02-29T12:34:56.789012Z", "2024-02-29 12:34:56.789012+00:00"),
        ("io.debezium.time.ZonedTimestamp", "2024-02-29T12:34:56+02:00", "2024-02-29 12:34:56+02:00"),
        ("io.debezium.time.MicroTime", 45_296_000_000, "12:34:56"),
        ("io.debezium.time.MicroTimestamp", 9_223_372_036_825_200_000, "infinity"),
        ("io.debezium.time.MicroTimestamp", -9_223_372_036_832_400_000, "-infinity"),
        ("io.debezium.time.ZonedTimestamp", "infinity", "infinity"),
    ],
)
def test_trap_08_times_are_read_in_each_mode_with_their_zone_and_infinite(name: str, value: object, text: str) -> None:
    stream = Stream()
    stream.take(record(with_schema([column(name, "int64")], envelope("c", None, {"status": value}))))
    assert stream.values("status") == [text]


def test_trap_08_a_datetime_is_wall_time_and_keeps_no_zone() -> None:
    """MySQL's DATETIME is labelled UTC, and is not; TIMESTAMP is a moment."""
    stream = Stream(tracker(**{"as": "timestamp_us"}), documents={"Sales Order": DocumentType("Sales Order")})
    stream.take(record(envelope("c", None, {"status": 1_709_210_096_000_000})))
    assert stream.values("status") == ["2024-02-29 12:34:56"]


def test_trap_08_a_zero_date_is_null_or_the_epoch_as_the_connector_chose() -> None:
    documents = {"Sales Order": DocumentType("Sales Order", columns={"status": Encoding("date")})}
    stream = Stream(documents=documents)
    assert stream.take(status(None), status(0)) == [("1970-01-01", None, "state")]


def test_trap_08_it_happened_when_the_source_says_and_not_the_connector() -> None:
    stream = Stream()
    stream.take(record(envelope("c", None, {"status": "x"}, source=mariadb_source(), ts_ms=AT_MS + 86_400_000)))
    assert [m.reached_at for m in stream.milestones] == [AT_MS * 1_000]


# 9. Keys and the wrapper


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "with schema"])
@pytest.mark.parametrize(
    ("key", "name"),
    [({"name": "SO-7"}, "SO-7"), ("SO-7", "SO-7"), (7, "7"), ({"company": "A", "id": 7}, "A|7")],
    ids=["struct", "text", "number", "several columns"],
)
def test_trap_09_keys_and_values_come_with_and_without_the_wrapper(key: object, name: str, wrapped: bool) -> None:
    value: object = envelope("c", None, {"status": "Won"})
    made = record(value, key=key) if not wrapped else record(
        {"schema": {"type": "struct", "fields": []}, "payload": value}, key={"schema": {"type": "x"}, "payload": key}
    )  # fmt: skip
    stream = Stream()
    stream.take(made)
    assert [m.reference_name for m in stream.milestones] == [name]


def test_trap_09_a_null_key_needs_columns_that_name_the_document() -> None:
    row = {"status": "Won", "company": "A", "id": 7}
    bare = Stream()
    assert bare.take(record(envelope("c", None, row), key=None)) == []
    assert [letter.error_class for letter in bare.poison] == ["MissingKey"]
    assert "documents.<type>.key" in bare.poison[0].message
    told = Stream(documents={"Sales Order": DocumentType("Sales Order", key=("company", "id"))})
    told.take(record(envelope("c", None, row), key=None))
    assert [m.reference_name for m in told.milestones] == ["A|7"]


def test_trap_09_chosen_key_columns_name_the_document() -> None:
    """`message.key.columns` puts others than the primary key into the key."""
    stream = Stream()
    stream.take(record(envelope("c", None, {"status": "Won", "name": "SO-1"}), key={"company": "A", "number": "7"}))
    assert [m.reference_name for m in stream.milestones] == ["A|7"]


# 10. Flattened records


def test_trap_10_a_flattened_record_has_only_the_new_row() -> None:
    meta = {"__op": "u", "__table": SALES_ORDER, "__source_ts_ms": AT_MS}
    rows = [record({"status": value, "__lsn": n, **meta}) for n, value in enumerate(("Draft", "Won"))]
    assert Stream().take(*rows) == [("Draft", None, "unknown"), ("Won", "Draft", "state")]


@pytest.mark.parametrize(("deleted", "kind"), [("true", Kind.DELETE), ("false", Kind.UPDATE)])
def test_trap_10_deleted_is_a_text(deleted: str, kind: Kind) -> None:
    stream = Stream()
    stream.take(record({"status": "Won", "__deleted": deleted, "__op": "u", "__table": SALES_ORDER}))
    assert [event.kind for event in stream.events] == [kind]


def test_trap_10_a_delete_may_be_a_tombstone_alone() -> None:
    stream = Stream(options=Options(Shape.FLATTENED))
    topic = "erp.shop.tabSales_Order"
    stream.take(replace(record({"status": "Won"}), in_topic=topic), replace(record(None), in_topic=topic))
    assert [event.kind for event in stream.events] == [Kind.UPDATE, Kind.DELETE]


def test_trap_10_metadata_is_there_only_where_configured_and_under_any_prefix() -> None:
    bare = Stream(options=Options(Shape.FLATTENED))
    bare.take(replace(record({"status": "Won"}), in_topic="erp.shop.tabSales_Order"))
    assert [(event.kind, event.identity.kind) for event in bare.events] == [(Kind.UPDATE, "offset")]
    prefixed = Stream(options=Options(prefix="cdc_"))
    row = {"status": "Won", "cdc_op": "c", "cdc_table": SALES_ORDER, "cdc_lsn": 7, "cdc_source_ts_ms": AT_MS}
    prefixed.take(record(row))
    assert [(event.kind, event.identity.kind) for event in prefixed.events] == [(Kind.CREATE, "lsn")]


# 11. CloudEvents


@pytest.mark.parametrize("connector", CONNECTORS)
def test_trap_11_cloud_events_tell_what_envelopes_tell(connector: str) -> None:
    made = []
    for recording in ("documents-json", "cloud-events-json"):
        stream = Stream(tracker("Sales Order"))
        stream.take(*captured(connector, recording))
        assert stream.poison == []
        made.append([(m.reference_name, m.value, m.from_value, m.occurrence) for m in stream.milestones])
    assert made[0] == made[1] != []


def test_trap_11_the_id_of_a_cloud_event_is_not_unique() -> None:
    said = {
        "id": "name:erp;lsn:7;txId:9", "source": "/debezium/postgresql/erp", "specversion": "1.0", "iodebeziumop": "u",
        "iodebeziumtable": SALES_ORDER, "iodebeziumtsms": str(AT_MS), "iodebeziumlsn": "7", "iodebeziumtxId": "9",
    }  # fmt: skip
    rows = {"before": None, "after": {"status": "Won"}}
    stream = Stream()
    stream.take(*(record({**said, "data": rows}, key=name) for name in ("SO-1", "SO-2")))
    assert len({m.id for m in stream.milestones}) == 2


# 12. Avro


def in_avro(op: str, before: object, after: object, number: int = 1, lsn: int = 7) -> bytes:
    return confluent(number, avro(STATUS_SCHEMA, avro_change(op, before, after, lsn=lsn)))


REGISTRY = SchemasById({1: STATUS_SCHEMA})


def test_trap_12_an_insert_after_apicurios_headers_begins_with_the_magic_byte() -> None:
    insert = avro(STATUS_SCHEMA, avro_change("c", None, {"status": "Won"}))
    assert insert[:1] == b"\x00"
    stream = Stream(schemas=REGISTRY)
    header = ("apicurio.value.globalId", (1).to_bytes(8, "big"))
    assert stream.take(record(insert, headers=[header])) == [("Won", None, "observed")]
    assert stream.take(record(in_avro("u", None, {"status": "Lost"}, lsn=8))) == [("Lost", "Won", "state")]


def test_trap_12_semantic_types_are_those_of_connect() -> None:
    """Avro's own `logicalType` says less, and sometimes another thing."""
    day = {"type": "int", "connect.name": "io.debezium.time.Date", "logicalType": "time-millis"}
    schema = envelope_schema({"name": "status", "type": day})
    stream = Stream(schemas=SchemasById({1: schema}))
    stream.take(record(confluent(1, avro(schema, avro_change("c", None, {"status": 19_782})))))
    assert stream.values("status") == ["2024-02-29"]


def test_trap_12_bytes_behind_the_datum_are_a_dead_letter() -> None:
    stream = Stream(schemas=REGISTRY)
    assert stream.take(record(in_avro("c", None, {"status": "Won"}) + b"\x00")) == []
    assert "behind the Avro" in stream.poison[0].message


@pytest.mark.parametrize("items", ["null", "long", "string", {"type": "record", "name": "E", "fields": []}])
def test_trap_12_six_bytes_that_claim_three_million_items_are_a_dead_letter(items: object) -> None:
    six = b"\x80\x9b\xee\x02\x00\x00"
    stream = Stream(options=Options(Shape.FLATTENED), schemas=SchemasById({1: {"type": "array", "items": items}}))
    assert stream.take(record(confluent(1, six))) == []
    assert [letter.error_class for letter in stream.poison] == ["MalformedRecord"]


# 13. Schema changes


@pytest.mark.parametrize("connector", CONNECTORS)
@pytest.mark.parametrize("recording", ["documents-json", "documents-json-schema"])
def test_trap_13_a_dropped_column_cannot_be_evaluated_and_is_not_changed_to_null(
    connector: str, recording: str
) -> None:
    """`progress` is dropped in mid-stream; the incremental snapshot and the later changes lack it."""
    stream = Stream(tracker("Task", "progress", snapshot="reconcile", scale=9, **{"as": "decimal"}))
    stream.take(*captured(connector, recording))
    assert [(m.reference_name, m.value) for m in stream.milestones] == [("TASK-2", "12.5")]
    assert stream.absent == {("Task", "progress"): 3}
    assert stream.missed == {}
    [state] = [state for key, state in stream.states.items() if key.reference_name == "TASK-2"]
    assert state.value == "12.5"


def test_trap_13_a_renamed_column_is_not_changed_to_null_and_its_new_name_can_be_tracked() -> None:
    stream = Stream(tracker(), tracker(track_field="state"))
    stream.take(update({"status": "Draft"}, {"status": "Draft"}, "c", lsn=1))
    after_rename = [
        update({"state": "Draft"}, {"state": "Draft"}, lsn=2),
        update({"state": "Won"}, {"state": "Draft"}, lsn=3),
        update({"state": "Won"}, op="r", lsn=4),
        update({"state": "Lost"}, lsn=5),
    ]
    assert stream.take(*after_rename) == [("Won", "Draft", "observed"), ("Lost", "Won", "state")]
    assert (stream.state().value, stream.absent["Sales Order", "status"]) == ("Draft", 4)


def test_trap_13_an_added_column_is_evaluated_from_then_on() -> None:
    stream = Stream()
    stream.take(update({"title": "x"}, {"title": "y"}, lsn=1))
    assert not stream.state().known
    assert stream.take(update({"status": "New"}, {"status": "New"}, lsn=2)) == []
    assert stream.take(update({"status": "Won"}, {"status": "New"}, lsn=3)) == [("Won", "New", "observed")]
    assert stream.absent == {("Sales Order", "status"): 1}


def test_trap_13_a_number_that_becomes_a_text_is_still_the_same_value() -> None:
    stream = Stream(tracker(snapshot="reconcile"))
    typed = [[{"field": "status", "type": "int32"}], [{"field": "status", "type": "string"}]]
    as_number, as_text = (
        [record(with_schema(columns, envelope(op, None, {"status": value}, source=postgres_source(lsn=lsn + number))))
         for number, (op, value) in enumerate(rows)]
        for lsn, columns, rows in ((10, typed[0], [("c", 1)]), (20, typed[1], [("u", "1"), ("r", "1"), ("u", "2")]))
    )  # fmt: skip
    assert stream.take(*as_number) == [("1", None, "observed")]
    assert stream.take(*as_text) == [("2", "1", "state")]
    assert stream.missed == {}
    same = record(envelope("u", {"status": 2}, {"status": "2"}, source=postgres_source(lsn=30)))
    assert stream.take(same) == []


def test_trap_13_an_avro_schema_that_lost_its_column_leaves_the_state_alone() -> None:
    without = envelope_schema({"name": "title", "type": ["null", "string"]})
    stream = Stream(schemas=SchemasById({1: STATUS_SCHEMA, 2: without}))
    stream.take(record(in_avro("c", None, {"status": "Won"})))
    gone = avro_change("u", {"title": "a"}, {"title": "b"}, lsn=8)
    assert stream.take(record(confluent(2, avro(without, gone)))) == []
    assert (stream.state().value, stream.absent) == ("Won", {("Sales Order", "status"): 1})


# 14. Frappe


@pytest.mark.parametrize("connector", CONNECTORS)
def test_trap_14_child_tables_are_document_types_of_their_own(connector: str) -> None:
    stream = Stream(tracker("Sales Order", "customer"), tracker("Sales Order Item", "parent"))
    stream.take(*captured(connector))
    told = Counter((m.reference_type, m.value) for m in stream.milestones)
    assert told["Sales Order Item", "SAL-ORD-3"] == told["Sales Order Item", "SAL-ORD-3-NEW"] == 2
    assert {m.reference_name for m in stream.milestones if m.reference_type == "Sales Order Item"} == {
        "SAL-ORD-3-1", "SAL-ORD-3-2",
    }  # fmt: skip


@pytest.mark.parametrize("connector", CONNECTORS)
def test_trap_14_topic_names_are_sanitised_and_the_table_stands_in_the_record(connector: str) -> None:
    records = captured(connector)
    assert {r.topic() for r in records if b'tabSales Order"' in (r.value() or b"")} >= {
        f"{connector}-documents-json.{'erp' if connector == 'mariadb' else 'public'}.tabSales_Order"
    }
    stream = Stream()
    stream.take(*records)
    assert {m.reference_type for m in stream.milestones} == {"Sales Order"}


def test_trap_14_who_did_it_is_modified_by() -> None:
    stream = Stream()
    stream.take(*captured("mariadb"))
    assert {m.actor for m in stream.milestones} == {"Administrator", "jane@example.com"}


@pytest.mark.parametrize("connector", CONNECTORS)
def test_trap_14_the_routers_key_field_is_no_part_of_the_name(connector: str) -> None:
    """ByLogicalTableRouter sends all tables to one topic and says in the key which one it was."""
    records = captured(connector, "one-topic-json")
    assert any(b"__dbz__physicalTableIdentifier" in (r.key() or b"") for r in records)
    stream = Stream()
    stream.take(*records)
    assert {m.reference_name for m in stream.milestones} <= {"SAL-ORD-1", "SAL-ORD-2", "SAL-ORD-3", "SAL-ORD-3-NEW"}


# 15. Order


def test_trap_15_a_topic_that_is_keyed_otherwise_loses_order_and_nothing_else() -> None:
    """A document's changes are in several partitions: each is one milestone still, and says what it came from."""
    steps = [("Draft", None), ("To Bill", "Draft"), ("Billed", "To Bill")]
    changes = [update({"status": after}, {"status": before}, lsn=n) for n, (after, before) in enumerate(steps)]
    swapped = [replace(changes[at], in_partition=at % 2) for at in (0, 2, 1)]
    stream = Stream()
    assert sorted(stream.take(*swapped)) == sorted((after, before, "observed") for after, before in steps)
    assert sorted(m.occurrence for m in stream.milestones) == [1, 2, 3]
    assert stream.take(*each_once_more(swapped, 2)) == []


# 16. Texts that PostgreSQL refuses


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (rb'"a\u0000b"', b"SO-1"),
        (rb'"\ud800"', b"SO-1"),
        (b'"Won"', b"a\x00b"),
        (b'"Won"', rb'{"name":"\udc00"}'),
        (b'"Won"', b"n" * 1_001),
    ],
    ids=["NUL", "lone surrogate", "NUL in the name", "lone surrogate in the name", "name too long for an index"],
)
def test_trap_16_a_text_that_cannot_be_stored_is_the_dead_letter_of_its_record_alone(value: bytes, key: bytes) -> None:
    bad = record(b'{"op":"c","after":{"status":' + value + b'},"source":{"table":"tabSales Order"}}', key=key)
    stream = Stream()
    good = [status(f"v{n}", txId=n) for n in range(2)]
    assert [told[0] for told in stream.take(good[0], bad, good[1])] == ["v0", "v1"]
    assert len(stream.poison) == 1


@pytest.mark.parametrize("ms", [-1, 7_258_118_400_000, 10**17, 2**63])
def test_trap_16_a_time_out_of_range_is_a_dead_letter(ms: int) -> None:
    stream = Stream()
    assert stream.take(update({"status": "Won"}, ts_ms=ms)) == []
    assert len(stream.poison) == 1


# 17. Numbers


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (b"1e400", "1" + "0" * 400),
        (b"123456789012345678901234567890", "123456789012345678901234567890"),
        (b"0.1000000000000000000000000000001", "0.1000000000000000000000000000001"),
        (b'"NaN"', "NaN"),
        (b'"Infinity"', "Infinity"),
    ],
)
def test_trap_17_numbers_are_exact_whatever_their_size(number: bytes, text: str) -> None:
    stream = Stream()
    assert stream.take(in_json(number)) == [(text, None, "observed")]


def in_json(value: bytes, **more: object) -> FakeRecord:
    return record(b'{"op":"c","after":{"status":' + value + b'},"source":{"table":"tabSales Order"}}', **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "number", [b"NaN", b"Infinity", b"-Infinity", b"9" * 5_000, b"1e99999999999"], ids=lambda n: n[:12].decode()
)
def test_trap_17_what_is_no_number_or_endless_is_a_dead_letter(number: bytes) -> None:
    stream = Stream()
    assert stream.take(in_json(number)) == []
    assert len(stream.poison) == 1


def test_trap_17_nan_in_avro_is_a_value_that_equals_itself() -> None:
    schema = envelope_schema({"name": "status", "type": "double"})
    stream = Stream(schemas=SchemasById({1: schema}))
    nan, infinite = float("nan"), float("inf")
    rows = [(None, nan), ({"status": nan}, nan), ({"status": nan}, infinite)]
    changes = [avro_change("u", before, {"status": after}, lsn=n) for n, (before, after) in enumerate(rows)]
    assert stream.take(*(record(confluent(1, avro(schema, one))) for one in changes)) == [
        ("NaN", None, "unknown"),
        ("Infinity", "NaN", "observed"),
    ]


@pytest.mark.parametrize("place", ["value", "other column", "key", "whole"])
def test_trap_17_nesting_without_end_is_a_dead_letter(place: str) -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    made = {
        "value": in_json(deep),
        "other column": in_json(b'"Won","other":' + deep),
        "key": in_json(b'"Won"', key=deep),
        "whole": record(b'{"a":' * 200_000 + b"1" + b"}" * 200_000),
    }[place]
    stream = Stream()
    assert stream.take(made) == []
    assert [letter.error_class for letter in stream.poison] == ["MalformedRecord"]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'{"op":"c","after":{"status":"Lost","status":"Won"},"source":{"table":"tabSales Order"}}', b"SO-1"),
        (b'{"op":"d","after":{"status":"Won"},"op":"c","source":{"table":"x","table":"tabSales Order"}}', b"SO-1"),
        (
            b'{"op":"c","after":null,"after":{"status":"Won"},"source":{"table":"tabSales Order"}}',
            b'{"name":"X","name":"SO-1"}',
        ),
    ],
    ids=["in the row", "in the envelope", "in the key"],
)
def test_trap_17_of_a_key_that_stands_twice_the_last_counts(value: bytes, key: bytes) -> None:
    stream = Stream()
    assert stream.take(record(value, key=key)) == [("Won", None, "observed")]
    assert [m.reference_name for m in stream.milestones] == ["SO-1"]


# The list of them


def test_every_trap_is_listed_with_its_tests_and_every_test_is_listed() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \|(.*)$", page, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 18))
    listed = [(int(number), name) for number, row in rows for name in re.findall(r"`(test_trap_\d\d_\w+)`", row)]
    assert all(name.startswith(f"test_trap_{number:02d}_") for number, name in listed)
    files = [Path(__file__), root / "tests" / "processes" / "test_cdc_traps.py"]
    assert sorted(name for _, name in listed) == sorted(name for path in files for name in _traps(path))


def _traps(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_trap_")]
