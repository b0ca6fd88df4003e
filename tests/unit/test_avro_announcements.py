"""Announcements in Avro: the same as in JSON, readable with any Avro library, and read back for an audit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any, cast

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.app_output import announced_without_registry, avro_schema
from consumer.core.milestones import Milestone, announced_value, announcement, labels_text
from consumer.errors import Fatal, MalformedRecord
from consumer.formats.avro_announcements import AvroAnnouncer, announced_in_avro
from consumer.formats.avro_schemas import AvroSchemas
from consumer.formats.wire import SchemaId
from tests.test_schemas import milestones
from tests.unit.avro import STATUS_SCHEMA, avro, change, confluent
from tests.unit.samples import milestone

NUMBER = 77
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
MICROS = st.integers(min_value=0, max_value=7_258_118_400_000_000)
LABELS = st.dictionaries(TEXTS, TEXTS, max_size=3).map(labels_text)
MILESTONES = st.builds(
    Milestone,
    id=TEXTS, reference_type=TEXTS, reference_name=TEXTS, track_field=TEXTS, value=TEXTS, milestone_tracker=TEXTS,
    from_value=TEXTS | st.none(), from_value_known=st.sampled_from(["observed", "state", "unknown"]),
    tracker_revision=TEXTS, occurrence=st.integers(1, 2**31 - 1), reached_at=MICROS, recorded_at=MICROS,
    actor=TEXTS | st.none(), source_identity=TEXTS, source_identity_kind=TEXTS, origin_topic_id=TEXTS,
    origin_partition=st.integers(0, 2**31 - 1), origin_offset=st.integers(0, 2**63 - 1), announce=st.just(True),
    silent=st.just(False), labels=LABELS, owner=TEXTS | st.none(),
)  # fmt: skip


class OneSchema:
    """A registry that knows one schema."""

    def __init__(self, text: str) -> None:
        self._text = text

    def texts(self, schema: SchemaId) -> Sequence[str]:
        if schema.number != NUMBER:
            raise MalformedRecord(f"the schema registry knows no schema with id {schema.number}")
        return (self._text,)


ANNOUNCE = AvroAnnouncer(avro_schema(), NUMBER)
SCHEMAS = AvroSchemas(OneSchema(avro_schema()))


def read(value: bytes) -> dict[str, Any]:
    """As a subscriber reads it, logical types included."""
    assert value[:5] == b"\x00" + NUMBER.to_bytes(4, "big")
    stream = BytesIO(value[5:])
    datum = fastavro.schemaless_reader(stream, fastavro.parse_schema(json.loads(avro_schema())), None)
    assert stream.read() == b""
    return cast("dict[str, Any]", datum)


def test_every_milestone_of_the_captured_stream_says_the_same_in_both_formats() -> None:
    for one in milestones():
        told, in_json = read(ANNOUNCE(one).value or b""), json.loads(announced_value(one))
        for name in ("reached_at", "recorded_at"):
            told[name] = told[name].replace(tzinfo=None).isoformat() + "Z"
        for name in ("id", "tracker_revision"):
            told[name] = str(told[name])
        assert {name: value for name, value in told.items() if name in in_json} == in_json
        assert [value for name, value in told.items() if name not in in_json] == [None, None]


@given(MILESTONES)
def test_what_was_announced_in_avro_is_read_back_as_it_would_be_in_json(one: Milestone) -> None:
    assert announced_in_avro(ANNOUNCE(one).value or b"", SCHEMAS) == announced_value(one)


def test_all_but_the_value_and_its_type_is_as_in_json() -> None:
    one = milestone(labels=labels_text({"b": "1", "a": "2"}), owner="ada@example.com")
    in_avro, in_json = ANNOUNCE(one), announcement(one)
    assert in_avro.key == in_json.key
    assert in_avro.headers[:-1] == in_json.headers[:-1]
    assert in_avro.headers[-1] == ("content-type", b"application/avro")
    assert read(in_avro.value or b"")["labels"] == {"a": "2", "b": "1"}
    assert ANNOUNCE(one) == in_avro


@pytest.mark.parametrize("value", [b"", b"{}", b"\x00\x00", announced_value(milestone())])
def test_what_is_no_avro_is_left_to_others(value: bytes) -> None:
    assert announced_in_avro(value, SCHEMAS) is None
    if not value.startswith(b"\x00"):
        assert announced_without_registry(value) is None


def test_avro_without_a_registry_is_a_stop() -> None:
    with pytest.raises(Fatal, match=r"set output\.registry\.url"):
        announced_without_registry(ANNOUNCE(milestone()).value or b"")


def test_avro_of_an_unknown_schema_or_of_something_else_is_refused() -> None:
    value = ANNOUNCE(milestone()).value or b""
    with pytest.raises(MalformedRecord, match="no schema with id 3"):
        announced_in_avro(confluent(3, value[5:]), SCHEMAS)
    with pytest.raises(MalformedRecord, match="not Avro of schema"):
        announced_in_avro(value[:-1], SCHEMAS)
    other = AvroSchemas(OneSchema(json.dumps(STATUS_SCHEMA)))
    with pytest.raises(MalformedRecord, match="no milestone"):
        announced_in_avro(confluent(NUMBER, avro(STATUS_SCHEMA, change("d", None, None))), other)
