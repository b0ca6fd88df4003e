"""Shapes of change events in JSON beside Debezium's envelope: flattened, CloudEvents, and the minimal change event."""

import msgspec
import pytest

from consumer.core.events import ChangeEvent, Decoded, FieldChange, Kind
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.shapes import Options, Shape
from tests.unit.samples import AT_MS, FakeRecord, batch_of, envelope, mariadb_source, record, rules_of

TABLE_TOPIC = "erp.shop.tabSales_Order"


def decode(made: FakeRecord, shape: Shape = Shape.AUTO, prefix: str = "__") -> Decoded:
    return ChangeDecoder(rules_of(), Options(shape, prefix=prefix)).decode(batch_of(made))


def event(made: FakeRecord, shape: Shape = Shape.AUTO, prefix: str = "__") -> ChangeEvent:
    decoded = decode(made, shape, prefix)
    assert decoded.poison == []
    [found] = decoded.events
    return found


def from_topic(value: object, topic: str = TABLE_TOPIC, **more: object) -> FakeRecord:
    made = record(value, **more)  # type: ignore[arg-type]
    return FakeRecord(topic, 0, 0, made.with_key, made.with_value, made.with_headers)


# Flattened

META = {"__op": "u", "__table": "tabSales Order", "__source_ts_ms": AT_MS, "__lsn": 7, "__source_txId": 9}


def test_metadata_says_all_that_an_envelope_says_but_before() -> None:
    made = event(record({"status": "Won", "modified_by": "a@b.c", **META}))
    assert (made.kind, made.fields) == (Kind.UPDATE, (FieldChange("status", None, False, "Won"),))
    assert (made.reached_at, made.identity_ms, made.actor) == (AT_MS * 1_000, AT_MS, "a@b.c")
    assert (made.identity.kind, made.identity.text) == ("lsn", f"7:9:{AT_MS}")


def test_metadata_in_headers_is_as_good() -> None:
    headers = [
        ("__op", b"c"),
        ("__table", b'"tabSales Order"'),
        ("__source_ts_ms", str(AT_MS).encode()),
        ("__lsn", b"7"),
    ]
    made = event(record({"status": "Won"}, headers=headers))
    assert (made.kind, made.reached_at, made.identity.kind) == (Kind.CREATE, AT_MS * 1_000, "lsn")


def test_the_prefix_can_be_another() -> None:
    assert event(record({"status": "Won", "_m_table": "tabSales Order"}), prefix="_m_").kind is Kind.UPDATE


@pytest.mark.parametrize("deleted", ["true", True])
def test_a_row_that_is_marked_as_deleted_is_a_delete(deleted: object) -> None:
    made = event(record({"status": "Won", "__deleted": deleted, **META}))
    assert (made.kind, made.fields) == (Kind.DELETE, (FieldChange("status", None, False, None),))


def test_the_mark_on_other_rows_means_nothing() -> None:
    assert event(record({"status": "Won", "__deleted": "false", **META})).kind is Kind.UPDATE


@pytest.mark.parametrize("row", [{"status": "Won"}, {"status": "Won", "source": "web", "op": None}])
def test_a_bare_row_is_told_by_a_topic_for_each_table(row: dict[str, object]) -> None:
    made = event(from_topic(row), Shape.FLATTENED)
    assert (made.kind, made.identity.kind) == (Kind.UPDATE, "offset")


def test_a_bare_row_is_recognised_without_configuration_where_its_topic_names_a_tracked_table() -> None:
    assert event(from_topic({"status": "Won"})).kind is Kind.UPDATE


def test_a_bare_row_is_told_by_the_schema_beside_it() -> None:
    schema = {
        "type": "struct",
        "name": "erp.shop.tabSales_Order.Value",
        "fields": [{"field": "status", "type": "string"}],
    }
    assert event(record({"schema": schema, "payload": {"status": "Won"}})).kind is Kind.UPDATE
    other = {**schema, "name": "erp.shop.tabToDo.Value"}
    assert decode(record({"schema": other, "payload": {"status": "Won"}})).skipped == {"untracked": 1}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"op": "m", "source": {"table": ""}, "message": {"prefix": "p"}}, "message"),
        ({"op": "t", "source": mariadb_source()}, "truncate"),
        ({"ts_ms": 1}, "heartbeat"),
        ({"status": "END", "id": "7", "ts_ms": 1, "event_count": 2}, "transaction"),
        ({"source": mariadb_source(), "ts_ms": 1, "databaseName": "d", "ddl": "ALTER"}, "schema change"),
    ],
)
def test_what_flattening_lets_through_is_passed_over(value: object, kind: str) -> None:
    assert decode(record(value), Shape.FLATTENED).skipped == {kind: 1}


def test_rows_of_other_tables_are_passed_over() -> None:
    assert decode(record({"status": "Won", **META, "__table": "tabToDo"})).skipped == {"untracked": 1}
    assert decode(from_topic({"status": "x"}, "erp.shop.tabToDo"), Shape.FLATTENED).skipped == {"untracked": 1}


def test_a_row_that_does_not_say_its_table_is_poison_that_says_what_to_add() -> None:
    [letter] = decode(record({"status": "Won", "__op": "u"})).poison
    assert "add `table` to add.fields" in letter.message
    [letter] = decode(record({"status": "Won"}), Shape.FLATTENED).poison
    assert "add `table` to add.fields" in letter.message


@pytest.mark.parametrize("said", [{"__op": "x"}, {"__source_ts_ms": "soon"}, {"__lsn": {"a": 1}}, {"__op": 5}])
def test_metadata_that_cannot_be_read_is_poison(said: dict[str, object]) -> None:
    assert len(decode(record({"status": "Won", **META, **said})).poison) == 1


def test_a_tombstone_ends_the_document_where_flattened_records_are_configured() -> None:
    made = event(from_topic(None), Shape.FLATTENED)
    assert (made.kind, made.reference_name) == (Kind.DELETE, "SO-1")
    routed = record(None, key={"name": "SO-1", "__dbz__physicalTableIdentifier": "erp.shop.tabSales Order"})
    assert event(routed, Shape.FLATTENED).kind is Kind.DELETE
    assert decode(record(None), Shape.FLATTENED).skipped == {"tombstone": 1}
    assert decode(from_topic(None)).skipped == {"tombstone": 1}


# CloudEvents


def cloud_event(op: str, data: object, **attributes: object) -> dict[str, object]:
    said = {
        "id": "x", "source": "/debezium/postgresql/erp", "specversion": "1.0", "datacontenttype": "application/json",
        "type": "io.debezium.connector.postgresql.DataChangeEvent", "iodebeziumop": op,
        "iodebeziumtable": "tabSales Order",
        "iodebeziumtsms": str(AT_MS), "iodebeziumlsn": "7", "iodebeziumtxId": "9",
    }  # fmt: skip
    return {**said, **attributes, "data": data}


ROWS = {"before": {"status": "Draft"}, "after": {"status": "Won"}}


@pytest.mark.parametrize("shape", [Shape.AUTO, Shape.CLOUDEVENTS])
def test_a_cloud_event_is_as_good_as_an_envelope(shape: Shape) -> None:
    made = event(record(cloud_event("u", ROWS)), shape)
    assert (made.kind, made.fields) == (Kind.UPDATE, (FieldChange("status", "Draft", True, "Won"),))
    assert (made.reached_at, made.identity.kind, made.identity.text) == (AT_MS * 1_000, "lsn", f"7:9:{AT_MS}")


def test_a_cloud_events_data_may_have_its_schema_beside_it() -> None:
    assert event(record(cloud_event("u", {"schema": None, "payload": ROWS}))).fields[0].before == "Draft"


def test_a_cloud_events_id_is_not_its_identity() -> None:
    first, second = (event(record(cloud_event("u", ROWS, id="same", iodebeziumlsn=lsn))) for lsn in ("7", "8"))
    assert first.identity.text != second.identity.text


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"iodebeziumtable": "tabToDo"}, "untracked"),
        ({"iodebeziumop": "t"}, "truncate"),
        ({"iodebeziumop": "m"}, "message"),
    ],
)
def test_cloud_events_that_are_no_change_of_a_tracked_row_are_passed_over(said: dict[str, object], kind: str) -> None:
    assert decode(record(cloud_event("u", ROWS, **said))).skipped == {kind: 1}


@pytest.mark.parametrize(
    "value",
    [
        cloud_event("u", {"before": None, "after": None}),
        cloud_event("x", ROWS),
        cloud_event("u", ROWS, iodebeziumtsms="soon"),
        cloud_event("u", 7),
        {"specversion": "1.0", "source": "/shop", "id": "1", "data": {"order": 7}},
        {"specversion": "1.0", "source": "/shop", "id": "1"},
    ],
    ids=["no new row", "unknown op", "no time", "no rows", "not Debezium's", "no data"],
)
def test_other_cloud_events_are_poison(value: object) -> None:
    assert len(decode(record(value)).poison) == 1


def test_a_minimal_change_event_may_come_in_a_cloud_event() -> None:
    inner = minimal("u")
    made = event(record({"specversion": "1.0", "source": "/shop", "id": "1", "type": "t", "data": inner}))
    assert made.identity.text == "7f0c"


# The minimal change event


def minimal(op: str, **said: object) -> dict[str, object]:
    source = {"document_type": "Sales Order", "id": "7f0c", "time": "2026-11-22T20:03:55.000123Z"}
    return {"op": op, "before": {"status": "Draft"}, "after": {"status": "Won"}, "source": {**source, **said}}


def test_a_minimal_change_event_says_type_identity_and_time() -> None:
    made = event(record(minimal("u"), key=b"SO-9"))
    assert (made.document_type, made.reference_name) == ("Sales Order", "SO-9")
    assert (made.identity.kind, made.identity.text) == ("event id", "7f0c")
    assert (made.reached_at, made.identity_ms) == (AT_MS * 1_000 + 123, AT_MS)
    assert made.fields == (FieldChange("status", "Draft", True, "Won"),)


def test_before_may_be_left_out() -> None:
    value = minimal("u")
    del value["before"]
    assert event(record(value)).fields == (FieldChange("status", None, False, "Won"),)


def test_types_that_nobody_tracks_are_passed_over() -> None:
    assert decode(record(minimal("u", document_type="ToDo"))).skipped == {"untracked": 1}


@pytest.mark.parametrize(
    "time", ["2026-11-22T20:43:55", "soon", "", "1969-12-31T00:00:00Z", "9999-12-31T23:59:59-23:59"]
)
def test_a_time_without_zone_or_out_of_range_is_poison(time: str) -> None:
    [letter] = decode(record(minimal("u", time=time))).poison
    assert letter.field in ("source.time", "source.ts_ms")


# What is configured, and what is nothing


@pytest.mark.parametrize("shape", [Shape.FLATTENED, Shape.CLOUDEVENTS])
def test_another_configured_shape_does_not_take_envelopes(shape: Shape) -> None:
    [letter] = decode(record(envelope("u", None, {"status": "x"})), shape).poison
    assert letter.error_class == "MalformedRecord"


def test_where_envelopes_are_configured_nothing_else_is_taken() -> None:
    for value in ({"status": "Won", **META}, cloud_event("u", ROWS), {"a": 1}):
        assert len(decode(record(value), Shape.DEBEZIUM).poison) == 1


@pytest.mark.parametrize("value", [{"a": 1}, {"payload": {"a": 1}}, {"source": "x"}, {"source": mariadb_source()}])
def test_an_object_of_no_known_shape_is_poison(value: object) -> None:
    [letter] = decode(record(value)).poison
    assert letter.error_class == "MalformedRecord"
    assert msgspec.json.encode(letter)
