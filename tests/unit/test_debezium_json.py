"""Debezium's envelope as JSON: what becomes an event, what is passed over, and what a column says."""

from collections.abc import Sequence

import msgspec
import pytest

from consumer.core.compiled import Rules
from consumer.core.events import ChangeEvent, Decoded, FieldChange, Kind
from consumer.core.trackers import DocumentType, Tracker
from consumer.core.values import UNAVAILABLE, Encoding
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.shapes import Options
from tests.unit.samples import (
    AT_MS,
    TOPIC_ID,
    FakeRecord,
    batch_of,
    envelope,
    mariadb_source,
    postgres_source,
    record,
    rules_of,
    tracker,
)  # fmt: skip

STATUS = rules_of()


def decode(value: object, rules: Rules = STATUS, **more: object) -> Decoded:
    return ChangeDecoder(rules).decode(batch_of(record(value, **more)))  # type: ignore[arg-type]


def event(value: object, rules: Rules = STATUS, **more: object) -> ChangeEvent:
    decoded = decode(value, rules, **more)
    assert decoded.poison == []
    [made] = decoded.events
    return made


def change(before: object, after: object, *trackers: Tracker, op: str = "u") -> FieldChange:
    [made] = event(envelope(op, before, after), rules_of(*trackers)).fields
    return made


def test_an_update_says_what_it_was_and_what_it_is() -> None:
    made = event(envelope("u", {"status": "Draft"}, {"status": "Won", "modified_by": "a@b.c"}), offset=7)
    assert made.fields == (FieldChange("status", "Draft", True, "Won"),)
    assert (made.kind, made.document_type, made.reference_name) == (Kind.UPDATE, "Sales Order", "SO-1")
    assert (made.reached_at, made.identity_ms, made.actor) == (AT_MS * 1_000, AT_MS, "a@b.c")
    assert made.origin == (TOPIC_ID, 0, 7)


def test_a_create_was_empty_before() -> None:
    assert change(None, {"status": "Draft"}, op="c") == FieldChange("status", None, True, "Draft")


def test_a_snapshot_says_nothing_of_before() -> None:
    assert change(None, {"status": "Draft"}, op="r") == FieldChange("status", None, False, "Draft")


def test_a_delete_believes_nothing_of_the_row_before() -> None:
    made = event(envelope("d", {"status": "", "name": "SO-1"}, None))
    assert (made.kind, made.fields) == (Kind.DELETE, (FieldChange("status", None, False, None),))


@pytest.mark.parametrize("before", [None, {}, {"name": "SO-1"}, {"status": UNAVAILABLE}])
def test_without_a_usable_before_nothing_is_said_of_it(before: object) -> None:
    assert change(before, {"status": "Won"}) == FieldChange("status", None, False, "Won")


def test_null_before_is_known_to_be_empty() -> None:
    assert change({"status": None}, {"status": "Won"}) == FieldChange("status", None, True, "Won")


@pytest.mark.parametrize(
    ("before", "after"),
    [("Draft", "Draft"), (None, ""), (1, 1), (1.50, 1.5), (0, -0.0), (UNAVAILABLE, UNAVAILABLE), (UNAVAILABLE, None)],
)
def test_equal_values_are_unchanged_however_they_are_written(before: object, after: object) -> None:
    decoded = decode(envelope("u", {"status": before}, {"status": after}))
    if (before, after) == (UNAVAILABLE, None):
        [made] = decoded.events
        assert made.fields == (FieldChange("status", None, False, None),)
    else:
        assert (decoded.events, decoded.skipped) == ([], {"unchanged": 1})


@pytest.mark.parametrize(
    "placeholder",
    [
        UNAVAILABLE,
        "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==",
        UNAVAILABLE.encode().hex(),
        [UNAVAILABLE],
        {UNAVAILABLE: UNAVAILABLE},
        f'{{"{UNAVAILABLE}":"{UNAVAILABLE}"}}',
        list(UNAVAILABLE.encode()),
        ["b68a35a7-17ad-35b3-af2a-ae46edb4545a"],
    ],
    ids=["text", "base64", "hex", "array", "map", "map as text", "numbers", "array of UUIDs"],
)
def test_a_placeholder_for_a_large_column_means_unchanged(placeholder: object) -> None:
    assert decode(envelope("u", {"status": "Draft"}, {"status": placeholder})).skipped == {"unchanged": 1}
    assert decode(envelope("u", None, {"status": placeholder})).skipped == {"unchanged": 1}


def test_the_placeholder_can_be_configured() -> None:
    batch = batch_of(record(envelope("u", None, {"status": "?"})))
    assert ChangeDecoder(STATUS, Options(unavailable="?")).decode(batch).skipped == {"unchanged": 1}


@pytest.mark.parametrize("before", [None, {}, {"status": "Draft"}])
def test_a_column_that_is_gone_is_counted_and_not_changed_to_null(before: object) -> None:
    decoded = decode(envelope("u", before, {"title": "x"}))
    assert decoded.events == []
    assert decoded.skipped == {"unchanged": 1}
    assert decoded.absent == {("Sales Order", "status"): 1}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "tombstone"),
        ({"op": "t", "source": mariadb_source()}, "truncate"),
        ({"op": "m", "source": postgres_source(""), "message": {"prefix": "p"}}, "message"),
        ({"ts_ms": 1}, "heartbeat"),
        ({"status": "BEGIN", "id": "0-1-7", "ts_ms": 1}, "transaction"),
        ({"source": mariadb_source(), "ts_ms": 1, "databaseName": "d", "ddl": "ALTER"}, "schema change"),
        (envelope("u", {}, {}, source=mariadb_source("tabToDo")), "untracked"),
        (envelope("c", {}, {}, source=mariadb_source("tabMilestone")), "untracked"),
    ],
)
def test_what_is_no_change_of_a_tracked_row_is_passed_over_and_counted(value: object, kind: str) -> None:
    for form in [value] if value is None else [value, {"schema": None, "payload": value}]:
        decoded = decode(form)
        assert (decoded.events, decoded.poison, decoded.skipped) == ([], [], {kind: 1})


def test_the_programs_own_tables_are_never_evaluated_whatever_the_configuration_says() -> None:
    rules = rules_of(documents={"Sales Order": DocumentType("Sales Order", "tabMilestone")})
    assert decode(envelope("c", None, {"status": "x"}, source=mariadb_source("tabMilestone")), rules).skipped == {
        "untracked": 1
    }


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (b'{"name":"SO-1","__dbz__physicalTableIdentifier":"a.b.c"}', "SO-1"),
        (b'{"schema":{"type":"struct"},"payload":{"name":"SO-1"}}', "SO-1"),
        (b'{"schema":{"type":"string"},"payload":"SO-1"}', "SO-1"),
        (b'"SO-1"', "SO-1"),
        (b"SO-1", "SO-1"),
        (b"17", "17"),
        (b'{"company":"A","id":7}', "A|7"),
        ('{"name":"你好 😀"}'.encode(), "你好 😀"),
        (b'{"id":123456789012345678901234567890}', "123456789012345678901234567890"),
    ],
)
def test_the_name_comes_from_the_key(key: bytes, name: str) -> None:
    assert event(envelope("c", None, {"status": "x"}), key=key).reference_name == name


@pytest.mark.parametrize("key", [b'""', b"null", b'{"name":""}', b'{"schema":null,"payload":""}', b"{}"])
def test_an_empty_key_names_nothing(key: bytes) -> None:
    [letter] = decode(envelope("c", None, {"status": "x"}), key=key).poison
    assert letter.error_class == "MissingKey"


def test_the_name_comes_from_the_configured_columns_of_the_row() -> None:
    rules = rules_of(documents={"Sales Order": DocumentType("Sales Order", key=("company", "id"))})
    row = {"status": "x", "company": "A", "id": 7}
    assert event(envelope("c", None, row), rules, key=None).reference_name == "A|7"
    assert event(envelope("d", row, None), rules, key=None).reference_name == "A|7"


def test_the_actor_comes_from_the_configured_column() -> None:
    rules = rules_of(documents={"Sales Order": DocumentType("Sales Order", actor="changed_by")})
    row = {"status": "x", "changed_by": "me", "modified_by": "you"}
    assert event(envelope("c", None, row), rules).actor == "me"
    assert event(envelope("c", None, {"status": "x"}), rules).actor is None


@pytest.mark.parametrize(
    ("source", "more", "expected"),
    [
        ({"ts_us": AT_MS * 1_000 + 7}, {}, (AT_MS * 1_000 + 7, AT_MS)),
        ({"ts_us": 5}, {}, (AT_MS * 1_000, AT_MS)),
        ({"ts_ms": None}, {"ts_ms": AT_MS + 9}, ((AT_MS + 9) * 1_000, 0)),
        ({"ts_ms": None}, {}, (AT_MS * 1_000, 0)),
    ],
    ids=["µs of the source", "µs of another time", "the connector's clock", "the record's time"],
)
def test_it_happened_when_the_source_says(
    source: dict[str, object], more: dict[str, object], expected: tuple[int, int]
) -> None:
    made = event(envelope("c", None, {"status": "x"}, source=mariadb_source(**source), **more))
    assert (made.reached_at, made.identity_ms) == expected


def columns(encoding: str, scale: int | None = None) -> Rules:
    documents = {"Sales Order": DocumentType("Sales Order", columns={"amount": Encoding(encoding, scale)})}
    return rules_of(tracker(track_field="amount"), documents=documents)


def amounts(rules: Rules, *values: object) -> Sequence[str | None]:
    return [event(envelope("c", None, {"amount": value}), rules).fields[0].after for value in values]


def test_base64_decimals_need_a_scale_from_the_tracker_or_the_documents_section() -> None:
    by_tracker = rules_of(tracker(track_field="amount", scale=9, **{"as": "decimal"}))
    for rules in (by_tracker, columns("decimal", 9)):
        assert amounts(rules, "WWgvAA==", "AA==", "/w==") == ["1.5", "0", "-0.000000001"]


def test_without_an_encoding_text_stays_text_and_numbers_are_numbers() -> None:
    rules = rules_of(tracker(track_field="amount"))
    assert amounts(rules, "00", "1.50", 1.50, 10**17, True) == ["00", "1.50", "1.5", "1" + 17 * "0", "true"]
    exact = msgspec.Raw(
        b'{"op":"c","source":{"table":"Sales Order"},"after":{"amount":123456789012345678901234567890.10}}'
    )
    assert event(bytes(exact), rules).fields[0].after == "123456789012345678901234567890.1"


def test_dates_and_times_are_read_as_the_documents_section_says() -> None:
    assert amounts(columns("date"), 19782) == ["2024-02-29"]
    assert amounts(columns("timestamp_us"), 1_709_210_096_789_012) == ["2024-02-29 12:34:56.789012"]


def test_the_records_own_schema_comes_first() -> None:
    column = {
        "field": "amount", "type": "bytes", "name": "org.apache.kafka.connect.data.Decimal",
        "parameters": {"scale": "2"},
    }  # fmt: skip
    schema = {"type": "struct", "fields": [{"field": "after", "type": "struct", "fields": [column]}]}
    value = {"schema": schema, "payload": envelope("c", None, {"amount": "AJY="})}
    assert event(value, columns("text")).fields[0].after == "1.5"


def test_headers_that_are_texts_or_null_are_read_like_bytes() -> None:
    headers = [("none", None), ("__debezium.oldkey", '{"name":"SO-0"}')]
    made = event(envelope("c", None, {"status": "x"}), headers=headers)
    assert (made.kind, made.other_name) == (Kind.RENAMED_HERE, "SO-0")


def test_a_rename_that_leaves_the_column_out_is_still_one() -> None:
    made = event(envelope("c", None, {}), headers=[("__debezium.oldkey", b'{"name":"SO-0"}')])
    assert made.fields == (FieldChange("status", None, False, None, after_known=False),)


def test_records_below_stored_are_not_decoded_again() -> None:
    records: list[FakeRecord] = [record(b"poison", offset=0), record(envelope("c", None, {"status": "x"}), offset=1)]
    decoded = ChangeDecoder(STATUS).decode(batch_of(*records, stored=1))
    assert (len(decoded.events), decoded.poison) == (1, [])
