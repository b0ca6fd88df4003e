"""The minimal change event as the decoder reads it: in JSON and Avro alike, and as its schema and its page say."""

import json
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest

from consumer.core.events import Decoded, Kind
from consumer.core.records import Batch, Partition, Span
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.wire import SchemaId
from tests.unit.samples import TOPIC, TOPIC_ID, FakeRecord, rules_of, tracker

AVSC = (Path(__file__).parents[2] / "schemas" / "document-change.avsc").read_text(encoding="utf-8")
SCHEMA = fastavro.parse_schema(json.loads(AVSC))
SOURCE = {"document_type": "Task", "id": "4711", "time": "2026-11-23T11:00:00.123456+01:00"}
AT_US = 1_795_428_000_123_456


class OneSchema:
    """A registry that knows this schema alone."""

    def texts(self, schema: SchemaId) -> Sequence[str]:
        assert schema.number == 7
        return [AVSC]


def as_json(change: dict[str, Any]) -> bytes:
    return json.dumps(change).encode()


def as_avro(change: dict[str, Any]) -> bytes:
    """In Confluent's wire format."""
    written = BytesIO()
    fastavro.schemaless_writer(written, SCHEMA, change)
    return b"\x00\x00\x00\x00\x07" + written.getvalue()


Form = Callable[[dict[str, Any]], bytes]
FORMS = pytest.mark.parametrize("form", [as_json, as_avro], ids=["json", "avro"])


def decoded(value: bytes, key: bytes = b"TASK-1") -> Decoded:
    batch = Batch(
        [FakeRecord(with_key=key, with_value=value)], {Partition(TOPIC, 0): Span(TOPIC, TOPIC_ID, 0, 0, 0, 1)}
    )
    rules = rules_of(tracker("Task"), tracker("Task", "progress", **{"as": "decimal"}), tracker("Task", "is_group"))
    return ChangeDecoder(rules, schemas=OneSchema()).decode(batch)


@FORMS
def test_a_change_says_type_name_values_actor_time_and_id(form: Form) -> None:
    before = {"status": "Open", "progress": 25, "is_group": False, "modified_by": "ada"}
    after = {"status": "Completed", "progress": "100.00", "is_group": None, "modified_by": "bob"}
    [event] = decoded(form({"op": "u", "before": before, "after": after, "source": SOURCE})).events
    assert (event.kind, event.document_type, event.reference_name) == (Kind.UPDATE, "Task", "TASK-1")
    assert (event.reached_at, event.actor) == (AT_US, "bob")
    assert (event.identity.kind, event.identity.text) == ("event id", "4711")
    changes = {field.track_field: (field.before, field.before_known, field.after) for field in event.fields}
    assert changes == {
        "status": ("Open", True, "Completed"),
        "progress": ("25", True, "100"),
        "is_group": ("false", True, None),
    }


@FORMS
@pytest.mark.parametrize("before", [{}, {"before": None}], ids=["left out", "null"])
def test_an_update_without_before_does_not_know_the_old_value(form: Form, before: dict[str, None]) -> None:
    [event] = decoded(form({"op": "u", **before, "after": {"status": "Completed"}, "source": SOURCE})).events
    [field] = [field for field in event.fields if field.track_field == "status"]
    assert (field.before_known, field.after) == (False, "Completed")


@FORMS
@pytest.mark.parametrize(("op", "kind"), [("c", Kind.CREATE), ("r", Kind.SNAPSHOT), ("d", Kind.DELETE)])
def test_creates_reads_and_deletes_are_told_apart(form: Form, op: str, kind: Kind) -> None:
    change = {"op": op, "source": SOURCE} | ({} if op == "d" else {"after": {"status": "Open"}})
    [event] = decoded(form(change)).events
    assert event.kind is kind


@FORMS
def test_without_an_id_the_place_of_the_record_is_its_identity(form: Form) -> None:
    source = {"document_type": "Task", "time": SOURCE["time"]}
    [event] = decoded(form({"op": "c", "after": {"status": "Open"}, "source": source})).events
    assert (event.identity.kind, event.identity.text) == ("offset", f"{TOPIC_ID}:0:0")


@FORMS
def test_types_without_trackers_are_passed_over(form: Form) -> None:
    found = decoded(form({"op": "c", "after": {"status": "Open"}, "source": {**SOURCE, "document_type": "Note"}}))
    assert (found.events, found.poison, dict(found.skipped)) == ([], [], {"untracked": 1})


@FORMS
@pytest.mark.parametrize("time", ["2026-11-23", "2026-11-23T10:00:00", "yesterday", "1969-12-31T23:59:59Z"])
def test_a_time_that_is_none_makes_a_dead_letter(form: Form, time: str) -> None:
    found = decoded(form({"op": "c", "after": {"status": "Open"}, "source": {**SOURCE, "time": time}}))
    assert found.events == []
    assert [letter.error_class for letter in found.poison] == ["BadValue"]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (b"TASK-1", "TASK-1"),
        ("Straße 7".encode(), "Straße 7"),
        (b'"TASK-1"', "TASK-1"),
        (b'{"name": "TASK-1"}', "TASK-1"),
        (b'{"company": "ACME", "number": 7}', "ACME|7"),
        (b"007", "007"),
        (b"12.50", "12.5"),
        (b'"12.50"', "12.50"),
    ],
)
def test_the_key_is_text_json_text_or_a_struct(key: bytes, name: str) -> None:
    [event] = decoded(as_json({"op": "c", "after": {"status": "Open"}, "source": SOURCE}), key).events
    assert event.reference_name == name
