"""Avro: how a record says its schema, what is read of it, and what no schema may make the program do."""

import pytest

from consumer.core.compiled import Rules
from consumer.core.events import ChangeEvent, Decoded, FieldChange, Kind
from consumer.core.records import Partition
from consumer.core.values import UNAVAILABLE
from consumer.formats.avro_schemas import AvroSchema
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.shapes import Options, Shape
from consumer.formats.wire import IdKind, SchemaId
from tests.unit.avro import STATUS_SCHEMA, SchemasById, avro, change, confluent, envelope_schema
from tests.unit.samples import FakeRecord, batch_of, record, rules_of, tracker

KEY_SCHEMA = {"type": "record", "name": "Key", "fields": [{"name": "name", "type": "string"}]}
REGISTRY = SchemasById({1: STATUS_SCHEMA, 2: KEY_SCHEMA})
WON = change("u", {"status": "Draft"}, {"status": "Won"})


def decode(*records: FakeRecord, rules: Rules | None = None, registry: SchemasById = REGISTRY) -> Decoded:
    return ChangeDecoder(rules or rules_of(), schemas=registry).decode(batch_of(*records))


def event(made: FakeRecord, rules: Rules | None = None, registry: SchemasById = REGISTRY) -> ChangeEvent:
    decoded = decode(made, rules=rules, registry=registry)
    assert decoded.poison == []
    [found] = decoded.events
    return found


def apicurio(kind: str, number: int, part: str = "value") -> tuple[str, bytes]:
    return f"apicurio.{part}.{kind}", number.to_bytes(8, "big")


@pytest.mark.parametrize(
    ("value", "headers", "asked"),
    [
        (confluent(1, avro(STATUS_SCHEMA, WON)), [], (IdKind.CONFLUENT, 1)),
        (b"\x00" + bytes(7) + b"\x01" + avro(STATUS_SCHEMA, WON), [], (IdKind.GLOBAL, 1)),
        (avro(STATUS_SCHEMA, WON), [apicurio("globalId", 1)], (IdKind.GLOBAL, 1)),
        (avro(STATUS_SCHEMA, WON), [("x", b"y"), apicurio("contentId", 1)], (IdKind.CONTENT, 1)),
    ],
    ids=["Confluent", "Apicurio without headers", "globalId", "contentId"],
)
def test_a_record_says_its_schema(value: bytes, headers: list[tuple[str, bytes]], asked: tuple[IdKind, int]) -> None:
    registry = SchemasById({1: STATUS_SCHEMA})
    made = event(record(value, headers=headers), registry=registry)
    assert made.fields == (FieldChange("status", "Draft", True, "Won"),)
    assert (made.kind, made.identity.kind, made.identity.text) == (Kind.UPDATE, "lsn", "7:None:1795377835000")
    assert registry.asked == [SchemaId(*asked)]


def test_an_insert_after_headers_begins_with_the_byte_that_is_magic_elsewhere() -> None:
    insert = avro(STATUS_SCHEMA, change("c", None, {"status": "Draft"}))
    assert insert[:1] == b"\x00"
    assert event(record(insert, headers=[apicurio("globalId", 1)])).kind is Kind.CREATE


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        (confluent(2, avro(KEY_SCHEMA, {"name": "SO-7"})), []),
        (avro(KEY_SCHEMA, {"name": "SO-7"}), [apicurio("globalId", 2, "key")]),
        (confluent(3, avro("string", "SO-7")), []),
        (b"SO-7", []),
        (b'{"name":"SO-7"}', []),
    ],
    ids=["Confluent", "Apicurio", "a bare text", "plain text", "JSON"],
)
def test_the_key_has_a_format_of_its_own(key: bytes, headers: list[tuple[str, bytes]]) -> None:
    registry = SchemasById({1: STATUS_SCHEMA, 2: KEY_SCHEMA, 3: "string"})
    made = event(record(confluent(1, avro(STATUS_SCHEMA, WON)), key=key, headers=headers), registry=registry)
    assert made.reference_name == "SO-7"


def test_a_rename_names_the_other_document_in_avro() -> None:
    value = confluent(1, avro(STATUS_SCHEMA, change("c", None, {"status": "Draft"})))
    header = ("__debezium.oldkey", confluent(2, avro(KEY_SCHEMA, {"name": "SO-0"})))
    made = event(record(value, headers=[header]))
    assert (made.kind, made.other_name) == (Kind.RENAMED_HERE, "SO-0")


def test_records_of_untracked_tables_are_passed_over_without_being_decoded() -> None:
    first = avro(STATUS_SCHEMA, change("u", None, {"status": "tabSales Order"}, table="tabToDo"))
    damaged_behind_the_table = avro(STATUS_SCHEMA, change("u", None, {"status": "x"}, table="tabToDo"))[:-1]
    records = record(confluent(1, first)), record(confluent(1, damaged_behind_the_table))
    assert decode(*records).skipped == {"untracked": 2}


def test_a_record_that_was_cut_names_no_table_and_is_a_dead_letter_wherever_it_was_cut() -> None:
    whole = avro(STATUS_SCHEMA, change("u", {"status": "Open"}, {"status": "Won"}))
    other = avro(STATUS_SCHEMA, change("u", None, {"status": "x"}, table="tabToDo"))
    for size in range(len(whole)):
        found = decode(record(confluent(1, other)), record(confluent(1, whole[:size])))
        assert [letter.error_class for letter in found.poison] == ["MalformedRecord"], size
        assert found.skipped == {"untracked": 1}


def test_an_update_that_leaves_tracked_columns_alone_is_unchanged() -> None:
    same = change("u", {"status": "Won"}, {"status": "Won"})
    assert decode(record(confluent(1, avro(STATUS_SCHEMA, same)))).skipped == {"unchanged": 1}


def test_a_schema_of_a_tracked_table_is_read_in_full_once(monkeypatch: pytest.MonkeyPatch) -> None:
    in_full, payloads = AvroSchema.read, []

    def read(schema: AvroSchema, payload: bytes) -> object:
        payloads.append(payload)
        return in_full(schema, payload)

    monkeypatch.setattr(AvroSchema, "read", read)
    value = confluent(1, avro(STATUS_SCHEMA, change("u", {"status": "Won"}, {"status": "Won"})))
    assert decode(*[record(value)] * 5).skipped == {"unchanged": 5}
    assert len(payloads) == 1


def test_a_time_that_is_none_is_a_dead_letter_whether_anything_changed_or_not() -> None:
    envelope = envelope_schema({"name": "status", "type": ["null", "string"]})
    schema = {**envelope, "fields": [*envelope["fields"][:4], {"name": "ts_ms", "type": "string"}]}  # type: ignore[index]
    for status in ("Won", "Lost"):
        datum = {**change("u", {"status": "Won"}, {"status": status}), "ts_ms": "bad"}
        [letter] = decode(record(confluent(1, avro(schema, datum))), registry=SchemasById({1: schema})).poison
        assert "ts_ms" in letter.message


def test_a_change_of_an_unnamed_table_is_a_dead_letter_however_often_it_comes() -> None:
    unnamed = avro(STATUS_SCHEMA, change("u", None, {"status": "x"}, table=""))
    found = decode(*(record(confluent(1, payload)) for payload in (unnamed, unnamed, unnamed[:-3])))
    assert [letter.error_class for letter in found.poison] == ["MalformedRecord"] * 3


@pytest.mark.parametrize("op", ["c", "u", "r"])
def test_a_change_without_its_new_row_is_poison(op: str) -> None:
    [letter] = decode(record(confluent(1, avro(STATUS_SCHEMA, change(op, None, None))))).poison
    assert (letter.error_class, letter.field) == ("MalformedRecord", "after")


@pytest.mark.parametrize(("op", "kind"), [("t", "truncate"), ("m", "message")])
def test_what_is_no_change_of_a_row_is_passed_over(op: str, kind: str) -> None:
    assert decode(record(confluent(1, avro(STATUS_SCHEMA, change(op, None, None))))).skipped == {kind: 1}


def test_an_unknown_op_is_poison() -> None:
    [letter] = decode(record(confluent(1, avro(STATUS_SCHEMA, change("x", None, None))))).poison
    assert letter.error_class == "UnknownOperation"


@pytest.mark.parametrize("placeholder", [UNAVAILABLE, UNAVAILABLE.encode(), [UNAVAILABLE], {UNAVAILABLE: UNAVAILABLE}])
def test_a_placeholder_means_unchanged_whatever_its_type(placeholder: object) -> None:
    kinds = ["null", "string", "bytes", {"type": "array", "items": "string"}, {"type": "map", "values": "string"}]
    schema = envelope_schema({"name": "status", "type": kinds})
    value = confluent(1, avro(schema, change("u", {"status": "x"}, {"status": placeholder})))
    assert decode(record(value), registry=SchemasById({1: schema})).skipped == {"unchanged": 1}


@pytest.mark.parametrize(
    ("name", "fields", "kind"),
    [
        ("common.Heartbeat", ["ts_ms"], "heartbeat"),
        ("common.TransactionMetadataValue", ["status", "id", "event_count", "ts_ms"], "transaction"),
        ("mysql.SchemaChangeValue", ["source", "databaseName", "ddl", "ts_ms"], "schema change"),
    ],
)
def test_what_accompanies_changes_is_known_by_the_name_of_its_schema(name: str, fields: list[str], kind: str) -> None:
    columns = [{"name": column, "type": "string"} for column in fields]
    schema = {"type": "record", "name": f"io.debezium.connector.{name}", "fields": columns}
    value = confluent(1, avro(schema, dict.fromkeys(fields, "x")))
    assert decode(record(value), registry=SchemasById({1: schema})).skipped == {kind: 1}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (confluent(1, avro(STATUS_SCHEMA, WON)) + b"\x00", "1 bytes behind the Avro"),
        (confluent(1, avro(STATUS_SCHEMA, WON))[:-2], "not Avro of schema"),
        (confluent(9, avro(STATUS_SCHEMA, WON)), "knows no schema with id 9"),
        (confluent(4, avro("string", "x")), "not a change event"),
        (b"\x00\x00", "not JSON"),
    ],
    ids=["too many bytes", "too few", "unknown schema", "no record", "too short for an id"],
)
def test_what_cannot_be_read_is_poison(value: bytes, reason: str) -> None:
    registry = SchemasById({1: STATUS_SCHEMA, 4: "string"})
    [letter] = decode(record(value), registry=registry).poison
    assert reason in letter.message


def test_without_a_registry_avro_is_poison_that_says_what_to_set() -> None:
    decoded = ChangeDecoder(rules_of()).decode(batch_of(record(confluent(1, b"x"))))
    assert "set input.registry.url" in decoded.poison[0].message


def test_apicurios_json_encoding_is_refused_by_name() -> None:
    [letter] = decode(record(b"\x00x", headers=[("apicurio.value.encoding", b"JSON")])).poison
    assert "apicurio.value.encoding" in letter.message


def test_a_schema_that_cannot_be_had_now_holds_its_partition_and_no_other() -> None:
    registry = SchemasById({1: STATUS_SCHEMA}, pending=[5])
    good, waiting = confluent(1, avro(STATUS_SCHEMA, WON)), confluent(5, b"x")
    records = [
        record(good, partition=0, offset=0), record(waiting, partition=0, offset=1),
        record(good, partition=1, offset=0), record(good, partition=0, offset=2),
    ]  # fmt: skip
    decoded = decode(*records, registry=registry)
    assert decoded.held == {Partition("document-changes", 0): 1}
    assert [made.origin[1:] for made in decoded.events] == [(0, 0), (1, 0)]
    assert decoded.poison == []


NODE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
EMPTY = {"type": "record", "name": "Empty", "fields": [{"name": "nothing", "type": "null"}]}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (NODE, "contains itself"),
        ({"type": "array", "items": "null"}, "take no bytes"),
        ({"type": "array", "items": EMPTY}, "take no bytes"),
        ({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}, "take no bytes"),
        ("no such type", "cannot be read"),
        (7, "no Avro schema"),
    ],
    ids=["nested without end", "nulls", "empty records", "empty bytes", "unknown type", "no schema"],
)
def test_a_schema_that_could_take_all_memory_is_refused(schema: object, reason: str) -> None:
    [letter] = decode(record(confluent(1, b"\x80\x80\x80\x80\x10")), registry=SchemasById({1: schema})).poison
    assert reason in letter.message


def test_a_few_bytes_that_claim_millions_of_items_are_poison() -> None:
    schema = AvroSchema(['{"type":"array","items":"long"}'])
    with pytest.raises(Exception, match="not Avro"):
        schema.read(b"\x80\x89\xf5\x02\x00\x00")


@pytest.mark.parametrize("shape", [Shape.FLATTENED, Shape.CLOUDEVENTS])
def test_another_configured_shape_refuses_an_envelope(shape: Shape) -> None:
    decoder = ChangeDecoder(rules_of(), Options(shape), REGISTRY)
    [letter] = decoder.decode(batch_of(record(confluent(1, avro(STATUS_SCHEMA, WON))))).poison
    assert letter.error_class == "MalformedRecord"


FLAT = {
    "type": "record", "name": "Value", "namespace": "erp.shop.tabSales_Order",
    "fields": [
        {"name": "status", "type": ["null", "string"]},
        {"name": "__op", "type": ["null", "string"], "default": None},
        {"name": "__deleted", "type": ["null", "string"], "default": None},
        {"name": "__source_ts_ms", "type": ["null", "long"], "default": None},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "kind", "field"),
    [
        ({"status": "Won"}, Kind.UPDATE, FieldChange("status", None, False, "Won")),
        ({"status": "Won", "__op": "c"}, Kind.CREATE, FieldChange("status", None, True, "Won")),
        ({"status": "Won", "__deleted": "true"}, Kind.DELETE, FieldChange("status", None, False, None)),
        (
            {"status": "Won", "__deleted": "false", "__op": "r"},
            Kind.SNAPSHOT,
            FieldChange("status", None, False, "Won"),
        ),
    ],
)
def test_a_flattened_record_is_told_by_its_schemas_name(row: dict[str, object], kind: Kind, field: FieldChange) -> None:
    made = event(record(confluent(1, avro(FLAT, row))), registry=SchemasById({1: FLAT}))
    assert (made.kind, made.fields) == (kind, (field,))


def test_columns_of_any_type_become_their_canonical_text() -> None:
    columns: list[dict[str, object]] = [
        {"name": "amount", "type": {"type": "bytes", "scale": 2, "connect.parameters": {"scale": "2"},
                                    "connect.name": "org.apache.kafka.connect.data.Decimal", "logicalType": "decimal"}},
        {"name": "due", "type": ["null", {"type": "int", "connect.name": "io.debezium.time.Date"}]},
        {"name": "ratio", "type": "float"},
        {"name": "on", "type": "boolean"},
    ]  # fmt: skip
    schema = envelope_schema(*columns)
    rules = rules_of(*(tracker(track_field=str(column["name"])) for column in columns))
    row = {"amount": b"\x00\x96", "due": 19_782, "ratio": 1.1, "on": True}
    value = confluent(1, avro(schema, change("c", None, row)))
    made = event(record(value), rules, SchemasById({1: schema}))
    assert {field.track_field: field.after for field in made.fields} == {
        "amount": "1.5", "due": "2024-02-29", "ratio": "1.1", "on": "true",
    }  # fmt: skip
