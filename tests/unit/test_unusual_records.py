"""Records at the edge: columns named as metadata is, rows that tell no table, headers that nobody wrote by hand."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from consumer.core.compiled import compile_rules
from consumer.core.dead_letters import dead_letter_event
from consumer.core.events import ChangeEvent, Decoded, Kind
from consumer.core.records import DeadLetter, Origin
from consumer.core.trackers import DocumentType, Trackers
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.shapes import Options, Shape
from consumer.formats.wire import IdKind, SchemaId
from tests.unit.avro import STATUS_SCHEMA, SchemasById, avro, change, confluent
from tests.unit.samples import (
    AT_MS,
    REVISION,
    TOPIC,
    FakeRecord,
    batch_of,
    envelope,
    mariadb_source,
    record,
    rules_of,
    tracker,
)

ORDERS = "erp.shop.tabSales_Order"
TODOS = "erp.shop.tabToDo"
META = {"__op": "u", "__table": "tabSales Order", "__lsn": 7}
REDRIVEN = {
    "origin.topic": "t", "origin.topic-id": "topic-id", "origin.partition": "0", "origin.offset": "1",
    "origin.timestamp": str(AT_MS), "count": "1", "time": "2026-11-23T10:00:00.000000Z",
}  # fmt: skip


def decode(made: FakeRecord, options: Options | None = None, schemas: SchemasById | None = None) -> Decoded:
    return ChangeDecoder(rules_of(), options or Options(), schemas).decode(batch_of(made))


def event(made: FakeRecord, options: Options | None = None, schemas: SchemasById | None = None) -> ChangeEvent:
    decoded = decode(made, options, schemas)
    assert decoded.poison == []
    [found] = decoded.events
    return found


def poison(made: FakeRecord, options: Options | None = None, schemas: SchemasById | None = None) -> DeadLetter:
    decoded = decode(made, options, schemas)
    assert (decoded.events, decoded.skipped) == ([], {})
    [found] = decoded.poison
    return found


def in_topic(topic: str, value: object, key: bytes | None = b'{"name":"SO-1"}') -> FakeRecord:
    return FakeRecord(topic, 0, 0, key, msgspec.json.encode(value))


def row_schema(name: str, columns: dict[str, str]) -> dict[str, object]:
    space, _, last = name.rpartition(".")
    fields = [{"name": column, "type": kind} for column, kind in columns.items()]
    return {"type": "record", "name": last, "namespace": space, "fields": fields}


def in_avro(name: str, row: dict[str, object], topic: str = TOPIC) -> tuple[FakeRecord, SchemasById]:
    kinds = {column: "long" if isinstance(value, int) else "string" for column, value in row.items()}
    schema = row_schema(name, kinds)
    made = FakeRecord(topic, 0, 0, b'{"name":"SO-1"}', confluent(9, avro(schema, row)))
    return made, SchemasById({9: schema})


# A row may have columns of any name.

COLUMNS: list[dict[str, object]] = [
    {"op": "c"},
    {"op": "d"},
    {"op": "t"},
    {"op": "m"},
    {"op": "x"},
    {"op": "u", "source": "web", "before": "then", "after": "now"},
    {"id": 7, "event_count": 2, "ts_ms": 1},
    {"ddl": "x", "databaseName": "y", "ts_ms": 1, "source": "z"},
    {"payload": "{}", "schema": "x"},
    {"payload": "{}", "schema": {"type": "Point"}},
    {"specversion": "1.0", "data": "x"},
    {"ts_ms": "yesterday", "transaction": "x"},
]


@pytest.mark.parametrize("columns", COLUMNS, ids=",".join)
@pytest.mark.parametrize("shape", [Shape.AUTO, Shape.FLATTENED])
def test_a_flattened_row_is_one_whatever_its_columns_are_called(columns: dict[str, object], shape: Shape) -> None:
    made = event(record({**columns, "status": "Won", **META}), Options(shape))
    assert (made.kind, made.fields[0].after) == (Kind.UPDATE, "Won")
    assert event(in_topic(ORDERS, {**columns, "status": "END"}), Options(shape)).fields[0].after == "END"


@pytest.mark.parametrize("columns", COLUMNS, ids=",".join)
def test_a_row_alone_of_a_table_that_nobody_tracks_is_passed_over_whatever_it_holds(columns: dict[str, object]) -> None:
    for key in (b'{"name":"TD-1"}', b"TD-1", None):
        assert decode(in_topic(TODOS, {**columns, "status": "Won"}, key)).skipped == {"untracked": 1}


@pytest.mark.parametrize(
    "columns", [{"id": 1, "status": "END", "event_count": 2}, {"status": "Won", "ddl": "x", "databaseName": "y"}]
)
def test_an_avro_row_is_one_whatever_its_columns_are_called(columns: dict[str, object]) -> None:
    made, schemas = in_avro("erp.shop.tabSales_Order.Value", columns)
    assert event(made, Options(Shape.FLATTENED), schemas).fields[0].after == columns["status"]
    assert event(made, Options(), schemas).kind is Kind.UPDATE


# What nothing names a table for is a dead letter: nobody knows whether a tracker follows it.


@pytest.mark.parametrize("shape", [Shape.AUTO, Shape.FLATTENED])
@pytest.mark.parametrize("row", [{"status": "Won"}, {"status": "Won", "__op": "u"}, {"status": "Won", "op": "u"}])
def test_a_row_in_the_one_topic_of_all_tables_must_say_its_table(row: dict[str, object], shape: Shape) -> None:
    for topic in (TOPIC, "acme.erp.document-changes"):
        options = Options(shape, only_topic=topic)
        poison(in_topic(topic, row), options)
        schema = {"type": "struct", "name": f"{topic}.Value", "fields": [{"type": "string", "field": "status"}]}
        poison(in_topic(topic, {"schema": schema, "payload": row}), options)
        poison(*_swapped(in_avro(f"{topic}.Value".replace("-", "_"), {"status": "Won"}, topic), options))
        poison(*_swapped(in_avro("io.confluent.connect.avro.ConnectDefault", {"status": "Won"}, topic), options))


def _swapped(made: tuple[FakeRecord, SchemasById], options: Options) -> tuple[FakeRecord, Options, SchemasById]:
    return made[0], options, made[1]


@pytest.mark.parametrize(("table", "kind"), [("shop.tabSales Order", None), ("shop.tabToDo", {"untracked": 1})])
def test_the_key_that_a_router_made_says_the_table(table: str, kind: object) -> None:
    key = msgspec.json.encode({"name": "SO-1", "__dbz__physicalTableIdentifier": f"erp.{table}"})
    made = in_topic(TOPIC, {"status": "Won"}, key)
    options = Options(Shape.FLATTENED, only_topic=TOPIC)
    assert poison(made, Options(only_topic=TOPIC)).field == "op"
    if kind is None:
        assert event(made, options).reference_name == "SO-1"
    else:
        assert decode(made, options).skipped == kind


def test_nothing_is_missed_where_nobody_tracks_anything() -> None:
    decoder = ChangeDecoder(compile_rules(Trackers(REVISION, ()), {}), Options(Shape.FLATTENED))
    assert decoder.decode(batch_of(record({"status": "Won"}))).skipped == {"untracked": 1}


@pytest.mark.parametrize(
    "source", [None, {}, {"table": ""}, {"table": None, "id": "7"}, {"doctype": "Sales Order", "id": "7"}]
)
def test_a_change_that_says_neither_table_nor_type_is_a_dead_letter(source: object) -> None:
    made = {"op": "u", "before": {"status": "Draft"}, "after": {"status": "Won"}, "source": source}
    letter = poison(record(made))
    assert (letter.error_class, letter.field) == ("MalformedRecord", "source")
    assert "source.document_type" in letter.message
    assert poison(record(made), Options(Shape.DEBEZIUM)).field == "source"


def test_so_is_a_cloud_event_of_no_table() -> None:
    made = {"specversion": "1.0", "iodebeziumop": "u", "data": {"before": None, "after": {"status": "Won"}}}
    assert poison(record(made)).error_class == "MalformedRecord"


def test_so_is_a_minimal_change_in_avro() -> None:
    text = ["null", "string"]
    schema = msgspec.json.decode(msgspec.json.encode(STATUS_SCHEMA).replace(b'"lsn"', b'"document_type"'))
    [source] = [field["type"] for field in schema["fields"] if field["name"] == "source"]
    for field in source["fields"]:
        field["type"] = text if field["name"] in ("table", "document_type") else field["type"]
    said = {"before": None, "after": {"status": "Won"}, "op": "c", "ts_ms": 1}
    datum = {**change("c", None, {"status": "Won"}), **said}
    datum["source"] = {**datum["source"], "table": None, "document_type": None}  # type: ignore[dict-item]
    made = record(confluent(1, avro(schema, datum)))
    assert poison(made, schemas=SchemasById({1: schema})).field == "source"


def test_an_envelope_is_no_row_where_rows_are_configured() -> None:
    letter = poison(in_topic(ORDERS, envelope("u", {"status": "a"}, {"status": "b"})), Options(Shape.FLATTENED))
    assert "input.format" in letter.message


@pytest.mark.parametrize("name", ["Value", "Key", "Envelope"])
def test_a_table_may_be_called_as_schemas_are(name: str) -> None:
    rules = rules_of(tracker(document_type="Doc"), documents={"Doc": DocumentType("Doc", table=name)})
    decoder = ChangeDecoder(rules, Options())
    made = in_topic(f"erp.shop.{name}", {"status": "Won"})
    assert len(decoder.decode(batch_of(made)).events) == 1
    schema = {"type": "struct", "name": f"erp.shop.{name}.Value", "fields": [{"type": "string", "field": "status"}]}
    made = in_topic("one", {"schema": schema, "payload": {"status": "Won"}})
    assert len(decoder.decode(batch_of(made)).events) == 1


# Nothing that a record holds ends the program.


@pytest.mark.parametrize(
    "value",
    [
        b'{"specversion":"1.0","source":"x","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"source":"x","__op":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"source":"x","payload":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b'},"schema":null}',
    ],
    ids=["CloudEvent", "metadata", "payload"],
)
def test_what_is_nested_too_deep_behind_a_text_source(value: bytes) -> None:
    assert poison(record(value)).error_class == "MalformedRecord"


class UnreadableHeaders(FakeRecord):
    """What Kafka's client does with a header whose name is not UTF-8."""

    def headers(self) -> object:
        raise SystemError("returned a result with an exception set")


def test_headers_that_cannot_be_read_make_a_dead_letter_without_them() -> None:
    made = UnreadableHeaders(with_value=msgspec.json.encode(envelope("u", {"status": "a"}, {"status": "b"})))
    letter = poison(made)
    assert "UTF-8" in letter.message
    published = dead_letter_event(letter, made)
    assert (published.key, published.value) == (made.key(), made.value())
    names = dict(published.headers)
    assert names["milestones.dead-letter.headers"] == b"unreadable"
    assert all(name.startswith("milestones.dead-letter.") for name in names)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"origin.timestamp": "300000000000000"}, "origin.timestamp"),
        ({"origin.timestamp": "9" * 5_000}, "origin.timestamp"),
        ({"origin.offset": "5"}, "origin.offset"),
        ({"origin.offset": "6"}, "origin.offset"),
        ({"origin.offset": str(1 << 63), "origin.topic-id": "other"}, "origin.offset"),
        ({"origin.partition": str(1 << 31)}, "origin.partition"),
        ({"origin.topic-id": "x" * 1_000}, "origin.topic-id"),
        ({"origin.topic": "a\0b"}, "origin.topic"),
    ],
)
def test_a_redriven_record_must_tell_a_place_and_time_that_can_be(said: dict[str, str], field: str) -> None:
    headers = [(f"milestones.redrive.{name}", text.encode()) for name, text in {**REDRIVEN, **said}.items()]
    value = msgspec.json.encode(envelope("u", {"status": "a"}, {"status": "b"}))
    made = FakeRecord(TOPIC, 0, 5, b'{"name":"SO-1"}', value, headers)
    letter = poison(made)
    assert letter.field == f"milestones.redrive.{field}"


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ({"id": ""}, "source.id"),
        ({"id": "x" * 1_001}, "source.id"),
        ({"file": "x" * 1_001, "pos": 4}, "source.file"),
        ({"gtid": "x" * 1_001, "file": "f", "pos": 4}, "source.gtid"),
        ({"lsn": "x" * 1_001}, "source.lsn"),
        ({"lsn": 7, "txId": "x" * 1_001}, "source.txId"),
    ],
)
def test_an_identity_is_neither_empty_nor_endless(source: dict[str, object], field: str) -> None:
    block = {"table": "tabSales Order", "ts_ms": AT_MS, **source}
    letter = poison(record(envelope("u", {"status": "a"}, {"status": "b"}, source=block)))
    assert (letter.error_class, letter.field) == ("BadValue", field)


def test_a_binary_log_without_a_position_identifies_nothing() -> None:
    block = {"table": "tabSales Order", "ts_ms": AT_MS, "file": "binlog.000001"}
    made = event(record(envelope("u", {"status": "a"}, {"status": "b"}, source=block)))
    assert made.identity.kind == "offset"


# Avro that looks like JSON, and keys of every kind.


@pytest.mark.parametrize("length", [17, 45, 61])
def test_a_key_in_avro_may_begin_as_json_does(length: int) -> None:
    name = "x" * length
    key = avro(row_schema("erp.shop.t.Key", {"name": "string"}), {"name": name})
    assert key[:1] in b'"Z[z{'
    made = record(envelope("u", {"status": "a"}, {"status": "b"}), key=key, headers=[_header("key", 3)])
    schemas = SchemasById({3: row_schema("erp.shop.t.Key", {"name": "string"})})
    assert event(made, schemas=schemas).reference_name == name
    assert schemas.asked == [SchemaId(IdKind.GLOBAL, 3)]


def test_a_row_in_avro_may_begin_as_json_does() -> None:
    schema = row_schema("erp.shop.tabSales_Order.Value", {"idx": "long", "status": "string"})
    payload = avro(schema, {"idx": -62, "status": "Won"})
    assert payload[:1] == b"{"
    made = record(payload, headers=[_header("value", 4)])
    assert event(made, schemas=SchemasById({4: schema})).fields[0].after == "Won"


def _header(part: str, number: int) -> tuple[str, bytes]:
    return f"apicurio.{part}.globalId", number.to_bytes(8, "big")


@pytest.mark.parametrize("columns", [(), ("amount",)])
def test_a_key_has_the_encodings_of_its_own_schema(columns: tuple[str, ...]) -> None:
    kind = {
        "type": "bytes", "optional": False, "name": "org.apache.kafka.connect.data.Decimal",
        "parameters": {"scale": "2"}, "field": "amount",
    }  # fmt: skip
    schema = {"type": "struct", "name": "erp.shop.t.Key", "fields": [kind]}
    key = msgspec.json.encode({"schema": schema, "payload": {"amount": "MDk="}})
    documents = {"Sales Order": DocumentType("Sales Order", key=columns)} if columns else {}
    decoder = ChangeDecoder(rules_of(documents=documents), Options())
    [made] = decoder.decode(batch_of(record(envelope("d"), key=key))).events
    assert made.reference_name == "123.45"


def test_a_key_in_the_row_has_the_encodings_of_the_rows_schema() -> None:
    day = {"type": "int32", "optional": False, "name": "io.debezium.time.Date", "field": "day"}
    row = {"type": "struct", "fields": [day, {"type": "string", "field": "status"}], "field": "after"}
    value = {"schema": {"type": "struct", "fields": [row]}, "payload": envelope("c", None, {"status": "a", "day": 0})}
    decoder = ChangeDecoder(rules_of(documents={"Sales Order": DocumentType("Sales Order", key=("day",))}), Options())
    [made] = decoder.decode(batch_of(record(value))).events
    assert made.reference_name == "1970-01-01"


def test_a_letter_names_the_field_that_is_of_another_type() -> None:
    letter = poison(record(envelope("u", None, {"status": "b"}, source=mariadb_source(pos="x"))))
    assert letter.field == "source.pos"
    assert letter.origin == Origin("topic-id", 0, 0)


def test_a_text_key_may_hold_anything() -> None:
    key = b'SO "schema" 1'
    assert event(record(envelope("u", {"status": "a"}, {"status": "b"}), key=key)).reference_name == key.decode()


@pytest.mark.parametrize(
    "schema",
    [
        7,
        {},
        {"type": ["object", "null"]},
        {"type": "record"},
        {"type": "record", "name": 7, "fields": "x"},
        {"type": "record", "name": "R", "fields": 5},
        {"type": "record", "name": "R", "fields": ["x"]},
        {"type": "record", "name": "R", "fields": [{"name": 5, "type": 6}]},
        {"type": "enum", "name": "E", "symbols": 5},
        {"type": "fixed", "name": "F", "size": "x"},
        {"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "bytes", "connect.parameters": 5}}]},
    ],
    ids=str,
)
def test_nothing_that_stands_in_a_registry_ends_the_program(schema: object) -> None:
    made = record(confluent(9, b"\x02\x02"))
    assert poison(made, schemas=SchemasById({9: schema})).error_class == "MalformedRecord"


def test_a_scale_of_endless_digits_is_none() -> None:
    decimal = {
        "type": "bytes", "name": "org.apache.kafka.connect.data.Decimal", "parameters": {"scale": "9" * 5_000},
        "field": "status",
    }  # fmt: skip
    row = {"type": "struct", "fields": [decimal], "field": "after"}
    value = {"schema": {"type": "struct", "fields": [row]}, "payload": envelope("c", None, {"status": "MDk="})}
    assert poison(record(value)).field == "status"


@pytest.mark.parametrize("key", [(7).to_bytes(8, "big"), (7).to_bytes(4, "big"), b"\x00" * 5])
def test_a_key_of_a_serializer_for_numbers_is_no_avro(key: bytes) -> None:
    schemas = SchemasById({})
    letter = poison(record(envelope("u", {"status": "a"}, {"status": "b"}), key=key), schemas=schemas)
    assert (letter.field, schemas.asked) == ("key", [])


# Rows that are none, and the headers that converters write.


@pytest.mark.parametrize("op", ["c", "u"])
def test_an_avro_row_that_is_a_text_is_a_dead_letter(op: str) -> None:
    fields = [{"name": "before", "type": ["null", "string"]}, {"name": "after", "type": ["null", "string"]}]
    source = {"type": "record", "name": "Source", "fields": [{"name": "table", "type": "string"}]}
    fields += [{"name": "source", "type": source}, {"name": "op", "type": "string"}]  # type: ignore[dict-item]
    schema = {"type": "record", "name": "Envelope", "namespace": "a.b.c", "fields": fields}
    datum = {"before": "x", "after": "y", "source": {"table": "tabSales Order"}, "op": op}
    assert poison(record(confluent(9, avro(schema, datum))), schemas=SchemasById({9: schema})).field == "before"


@pytest.mark.parametrize("wrapped", [False, True])
def test_metadata_in_headers_is_read_as_each_converter_writes_it(wrapped: bool) -> None:
    def header(name: str, value: object) -> tuple[str, bytes]:
        schema = {"type": "string", "optional": True}
        return name, msgspec.json.encode({"schema": schema, "payload": value} if wrapped else value)

    headers = [header("__op", "c"), header("__table", "tabSales Order"), header("__lsn", 7), header("__gtid", None)]
    made = event(record({"status": "Won"}, headers=headers))
    assert (made.kind, made.identity.kind) == (Kind.CREATE, "lsn")
    assert poison(record({"status": "Won"}, headers=[("__table", b'{"x":1}')])).field == "__table"


def test_an_empty_table_in_metadata_tells_nothing() -> None:
    assert "does not say its table" in poison(record({"status": "Won", "__op": "u", "__table": ""})).message


@pytest.mark.parametrize("file", ["", None])
def test_an_empty_file_is_no_place_in_a_log(file: str | None) -> None:
    block = {"table": "tabSales Order", "ts_ms": AT_MS, "server_id": 0, "gtid": None, "file": file, "pos": 0, "row": 0}
    made = event(record(envelope("u", {"status": "a"}, {"status": "b"}, source=block)))
    assert made.identity.kind == "offset"


@pytest.mark.parametrize("name", ["Dr. Visit", "a.b.c"])
def test_a_table_may_have_a_dot_in_its_name(name: str) -> None:
    decoder = ChangeDecoder(rules_of(tracker(document_type=name)), Options())
    topic = f"erp.shop.tab{name}".replace(" ", "_")
    assert len(decoder.decode(batch_of(in_topic(topic, {"status": "Won"}))).events) == 1
    key = msgspec.json.encode({"name": "1", "__dbz__physicalTableIdentifier": f"erp.shop.tab{name}"})
    decoder = ChangeDecoder(rules_of(tracker(document_type=name)), Options(Shape.FLATTENED))
    assert len(decoder.decode(batch_of(in_topic(TOPIC, {"status": "Won"}, key))).events) == 1


OBJECTS: list[dict[str, object]] = [
    {"op": "t", "source": {"scale": 1, "value": "Cg=="}},
    {"op": "m", "source": {"scale": 1, "value": "Cg=="}},
    {"op": "buy", "source": {"scale": 1, "value": "Cg=="}},
    {"after": {"wkb": "Cg=="}},
    {"payload": {"a": "b"}},
]


@pytest.mark.parametrize("columns", OBJECTS, ids=str)
@pytest.mark.parametrize("shape", [Shape.AUTO, Shape.FLATTENED])
def test_a_row_with_metadata_may_have_objects_in_columns_of_any_name(columns: dict[str, object], shape: Shape) -> None:
    assert event(record({**columns, "status": "Won", **META}), Options(shape)).fields[0].after == "Won"


@pytest.mark.parametrize("columns", OBJECTS[3:], ids=str)
def test_so_may_a_row_alone_where_rows_are_configured(columns: dict[str, object]) -> None:
    made = in_topic(ORDERS, {**columns, "status": "Won"})
    assert event(made, Options(Shape.FLATTENED)).fields[0].after == "Won"


def test_an_avro_row_may_have_a_record_in_a_column_called_source() -> None:
    inner = {"type": "record", "name": "VariableScaleDecimal", "fields": [{"name": "scale", "type": "int"}]}
    schema = row_schema("erp.shop.tabSales_Order.Value", {"op": "string", "status": "string"})
    schema["fields"].append({"name": "source", "type": inner})  # type: ignore[attr-defined]
    value = confluent(9, avro(schema, {"op": "t", "status": "Won", "source": {"scale": 1}}))
    for shape in (Shape.AUTO, Shape.FLATTENED):
        made = event(FakeRecord(ORDERS, 0, 0, b"SO-1", value), Options(shape), SchemasById({9: schema}))
        assert made.fields[0].after == "Won"


@pytest.mark.parametrize("half", ["c", "d"])
def test_a_key_that_changes_and_names_the_same_document_is_no_rename(half: str) -> None:
    documents = {"Sales Order": DocumentType("Sales Order", key=("name",))}
    decoder = ChangeDecoder(rules_of(documents=documents), Options())
    other = "__debezium.oldkey" if half == "c" else "__debezium.newkey"
    headers = [(other, b'{"name":"SO-1","company":"B"}')]
    row = {"name": "SO-1", "company": "A", "status": "Won"}
    value = envelope("c", None, row) if half == "c" else envelope("d", row)
    decoded = decoder.decode(batch_of(record(value, key={"name": "SO-1", "company": "A"}, headers=headers)))
    if half == "d":
        assert decoded.skipped == {"unchanged": 1}
    else:
        [made] = decoded.events
        assert (made.kind, made.other_name, made.fields[0].after) == (Kind.UPDATE, None, "Won")
        assert not made.fields[0].before_known


def test_the_other_halfs_key_as_a_java_text_is_a_dead_letter() -> None:
    headers = [("__debezium.oldkey", b"Struct{name=OLD}")]
    letter = poison(record(envelope("c", None, {"status": "a"}), headers=headers))
    assert "header.converter" in letter.message


def _nested(depth: int) -> dict[str, object]:
    names = [f"R{at}" for at in range(depth)]
    inner: object = {"type": "record", "name": names[0], "fields": []}
    for last, name in pairwise(names):
        fields = [{"name": "a", "type": inner}, {"name": "b", "type": last}]
        inner = {"type": "record", "name": name, "fields": fields}
    return inner  # type: ignore[return-value]


@pytest.mark.parametrize(
    "schema",
    [_nested(40), {"type": "array", "items": {"type": "error", "name": "E", "fields": []}}],
    ids=["two of two of two …", "errors"],
)
def test_no_bytes_never_make_endless_data(schema: dict[str, object]) -> None:
    assert poison(record(confluent(9, b"\xfe\xff\xff\x01")), schemas=SchemasById({9: schema})).message


@pytest.mark.parametrize("schema", [None, {"type": "struct"}])
def test_a_wrapped_null_is_a_tombstone(schema: object) -> None:
    value = {"schema": schema, "payload": None}
    assert decode(in_topic(ORDERS, value)).skipped == {"tombstone": 1}
    assert event(in_topic(ORDERS, value), Options(Shape.FLATTENED)).kind is Kind.DELETE


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"status": "BEGIN", "id": "7", "event_count": None, "data_collections": None}, "transaction"),
        ({"source": {"file": "f"}, "databaseName": "d", "ddl": "ALTER", "tableChanges": []}, "schema change"),
    ],
)
@pytest.mark.parametrize("shape", [Shape.AUTO, Shape.FLATTENED])
def test_markers_of_older_connectors_have_no_time(value: object, kind: str, shape: Shape) -> None:
    assert decode(record(value), Options(shape)).skipped == {kind: 1}


def test_numbers_inside_arrays_and_keys_are_not_rounded() -> None:
    first, second = b"12345678901234567.25", b"12345678901234567.75"
    value = msgspec.json.encode(envelope("u", {"status": ["A"]}, {"status": ["B"]}))
    value = value.replace(b'"A"', first).replace(b'"B"', second)
    made = event(FakeRecord(with_value=value))
    assert made.fields[0].after == f"[{second.decode()}]"
    names = {
        event(FakeRecord(with_key=b'{"id":' + key + b"}", with_value=value)).reference_name for key in (first, second)
    }
    assert names == {first.decode(), second.decode()}


def test_a_tombstone_says_in_headers_what_a_row_would() -> None:
    headers = [("__op", b"d"), ("__table", b"tabSales Order"), ("__lsn", b"7"), ("__source_ts_ms", str(AT_MS).encode())]
    made = event(record(None, headers=headers), Options(Shape.FLATTENED, only_topic=TOPIC))
    assert (made.kind, made.identity.kind, made.reached_at) == (Kind.DELETE, "lsn", AT_MS * 1_000)


def test_cut_avro_is_told_the_same_way_each_time() -> None:
    schemas = SchemasById({1: STATUS_SCHEMA})
    whole = confluent(1, avro(STATUS_SCHEMA, change("u", {"status": "a"}, {"status": "b"})))
    made = record(whole[:-3])
    assert poison(made, schemas=schemas).message == poison(made, schemas=schemas).message
    assert "0x" not in poison(made, schemas=schemas).message


def test_the_field_of_a_time_is_the_one_that_says_it() -> None:
    block = {"table": "tabSales Order", "id": "7", "time": "1969-12-31T23:59:59Z"}
    letter = poison(record(envelope("u", {"status": "a"}, {"status": "b"}, source=block)))
    assert letter.field == "source.time"
