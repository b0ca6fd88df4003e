"""What producers without Debezium send: the two forms of the document change, the docs' examples, and what is none."""

import json
import re
from io import BytesIO
from typing import Any

import fastavro
import pytest
from jsonschema import Draft202012Validator, ValidationError

from consumer.captured import read_captured
from tests.test_schemas import DATA, FORMATS, REPOSITORY, read_schema

CHANGE_SCHEMA = read_schema("document-change.schema.json")
CHANGE = Draft202012Validator(CHANGE_SCHEMA, format_checker=FORMATS)
AVRO_TEXT = (REPOSITORY / "schemas" / "document-change.avsc").read_text(encoding="utf-8")
AVRO = fastavro.parse_schema(json.loads(AVRO_TEXT))


def change_examples() -> list[dict[str, Any]]:
    """Those of the schema and of the page for producers."""
    page = (REPOSITORY / "docs" / "producing.md").read_text(encoding="utf-8")
    fences = re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert fences
    return [*CHANGE_SCHEMA["examples"], *map(json.loads, fences)]


def through_avro(value: dict[str, Any]) -> dict[str, Any]:
    """What a reader gets of what a serializer wrote; keys that the schema does not have are an error."""
    written = BytesIO()
    fastavro.schemaless_writer(written, AVRO, value, strict_allow_default=True)
    written.seek(0)
    read = fastavro.schemaless_reader(written, AVRO, None)
    assert isinstance(read, dict)
    return read


@pytest.mark.parametrize("example", change_examples(), ids=lambda example: example["op"])
def test_the_examples_of_a_document_change_are_right_in_json_and_avro(example: dict[str, Any]) -> None:
    CHANGE.validate(example)
    read = through_avro(example)
    assert read == {"before": None, "after": None, **example}
    CHANGE.validate(read)


@pytest.mark.parametrize("value", [None, True, 7, -(2**63), 1.5, "", "text", "1200.50"])
def test_a_field_is_the_same_in_json_and_avro(value: object) -> None:
    source = {"document_type": "Task", "id": None, "time": "2026-11-23T10:00:00Z"}
    change = {"op": "c", "before": None, "after": {"status": value}, "source": source}
    read = through_avro(change)
    assert read == change
    assert type(read["after"]["status"]) is type(value)


def test_both_forms_of_a_document_change_have_the_same_fields() -> None:
    fields = {field["name"]: field["type"] for field in json.loads(AVRO_TEXT)["fields"]}
    assert set(fields) == set(CHANGE_SCHEMA["properties"])
    assert fields["op"]["symbols"] == CHANGE_SCHEMA["properties"]["op"]["enum"]
    source = CHANGE_SCHEMA["properties"]["source"]
    assert [field["name"] for field in fields["source"]["fields"]] == list(source["properties"])
    without_default = [field["name"] for field in fields["source"]["fields"] if "default" not in field]
    assert without_default == source["required"]


def _changed(**changes: object) -> dict[str, Any]:
    """The first example with other parts; a part that is `...` is left out."""
    return {name: part for name, part in {**CHANGE_SCHEMA["examples"][0], **changes}.items() if part is not ...}


def _with_source(**changes: object) -> dict[str, Any]:
    source = {**CHANGE_SCHEMA["examples"][0]["source"], **changes}
    return _changed(source={name: part for name, part in source.items() if part is not ...})


@pytest.mark.parametrize(
    "change",
    [
        _changed(before=...),
        _changed(before=None),
        _changed(op="c", before=None),
        _changed(op="r", before=...),
        _changed(op="d", after=None),
        _with_source(id=...),
        _with_source(id=None),
        _with_source(time="2026-11-23T10:00:00+05:30"),
        _with_source(time="2026-11-23T10:00:00.123456789Z"),
        _changed(after={}),
    ],
    ids=str,
)
def test_what_a_producer_may_send(change: dict[str, Any]) -> None:
    CHANGE.validate(change)


@pytest.mark.parametrize(
    "change",
    [
        _changed(op="x"),
        _changed(op=...),
        _changed(source=...),
        _changed(after=...),
        _changed(after=None),
        _changed(op="c", after=None),
        _changed(op="r", after=...),
        _changed(op="d"),
        _changed(after=[]),
        _changed(after={"items": [{"item_code": "A"}]}),
        _changed(ts_ms=1),
        _changed(befor={"status": "Open"}),
        _with_source(document_type=...),
        _with_source(document_type=""),
        _with_source(document_type=None),
        _with_source(id=""),
        _with_source(id=4711),
        _with_source(time=...),
        _with_source(time=1_763_800_000_000),
        _with_source(time="2026-11-23"),
        _with_source(time="2026-11-23T10:00:00"),
        _with_source(time="2026-11-23 10:00:00Z"),
        _with_source(time="2026-02-30T10:00:00Z"),
        _with_source(time="1969-12-31T23:59:59Z"),
        _with_source(version="1"),
    ],
    ids=str,
)
def test_what_a_producer_may_not_send(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CHANGE.validate(change)


@pytest.mark.parametrize("name", ["frappe-events-stringmode", "postgres-events", "frappe-events-with-schema"])
def test_no_record_of_debezium_is_taken_for_a_document_change(name: str) -> None:
    values = [record.value for record in read_captured(DATA / f"{name}.jsonl.gz") if record.value is not None]
    assert len(values) > 100
    assert not [value for value in values if CHANGE.is_valid(json.loads(value))]
