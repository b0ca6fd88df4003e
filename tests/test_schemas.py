"""The schemas in `schemas/` describe exactly what is published."""

import json
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from consumer.captured import CapturedRecord, read_captured
from consumer.config import read_trackers
from consumer.core import dead_letters
from consumer.core.compiled import compile_rules
from consumer.core.dead_letters import dead_letter_event
from consumer.core.evaluation import Context, evaluate
from consumer.core.matching import match, state_keys
from consumer.core.milestones import Announcement, Event, Milestone, announcement
from consumer.core.records import Batch, DeadLetter, Origin, Partition, Span
from consumer.core.states import DocumentState
from consumer.core.trackers import Trackers
from consumer.errors import Poison
from consumer.formats.decoder import ChangeDecoder

REPOSITORY = Path(__file__).parents[1]
DATA = REPOSITORY / "tests" / "data"
REVISION = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
FORMATS = FormatChecker()


@FORMATS.checks("date-time", raises=ValueError)
def _is_a_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def read_schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((REPOSITORY / "schemas" / name).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return schema


SCHEMA = read_schema("milestone-reached.schema.json")
MILESTONE = Draft202012Validator(SCHEMA, format_checker=FORMATS)
LETTER = Draft202012Validator(read_schema("dead-letter.schema.json"), format_checker=FORMATS)


class Given(NamedTuple):
    """A captured record as the client would hand it over."""

    record: CapturedRecord
    at: int

    def topic(self) -> str:
        return "document-changes"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return self.record.key

    def value(self) -> bytes | None:
        return self.record.value

    def headers(self) -> object:
        return list(self.record.headers)

    def timestamp(self) -> tuple[int, int]:
        return 1, self.record.timestamp


@cache
def milestones() -> tuple[Milestone, ...]:
    """What the pure core makes of the captured stream, laid out in one partition."""
    captured = [r for r in read_captured(DATA / "frappe-events-stringmode.jsonl.gz") if r.topic == "document-changes"]
    records = [Given(record, at) for at, record in enumerate(captured)]
    span = Span("document-changes", "Xq3yTnbUSl2V9aTCTTvVGw", 0, 0, 0, len(records))
    rules = compile_rules(Trackers(REVISION, tuple(read_trackers(DATA / "trackers.yaml"))), {})
    decoded = ChangeDecoder(rules).decode(Batch(records, {Partition("document-changes", 0): span}))
    candidates = match(decoded.events, rules)
    states = {key: DocumentState() for key in state_keys(candidates)}
    return tuple(evaluate(candidates, states, {}, Context(1_800_000_000_000_001, REVISION, {})).milestones)


def _value(milestone: Milestone) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(announcement(milestone).value or b"")
    return value


def test_every_milestone_of_the_captured_stream_is_announced_as_its_schema_says() -> None:
    assert len(milestones()) > 1_600
    for milestone in milestones():
        MILESTONE.validate(_value(milestone))


OPTIONAL = ("labels", "owner")
"""What only some trackers say."""


def test_the_schema_names_every_field_of_an_announcement_and_no_other() -> None:
    fields = list(Announcement.__struct_fields__)
    assert list(SCHEMA["properties"]) == fields
    assert SCHEMA["required"] == [field for field in fields if field not in OPTIONAL]


@pytest.mark.parametrize("place", ["event", "origin"])
def test_an_unknown_field_is_refused(place: str) -> None:
    value = _value(milestones()[0])
    (value if place == "event" else value["origin"])["unheard_of"] = 1
    with pytest.raises(ValidationError):
        MILESTONE.validate(value)


@pytest.mark.parametrize("field", [field for field in Announcement.__struct_fields__ if field not in OPTIONAL])
def test_a_missing_field_is_refused(field: str) -> None:
    value = _value(milestones()[0])
    del value[field]
    with pytest.raises(ValidationError):
        MILESTONE.validate(value)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("id", "4711"),
        ("value", ""),
        ("from_value", ""),
        ("from_value_known", "perhaps"),
        ("tracker_revision", "7"),
        ("occurrence", 0),
        ("reached_at", "2026-02-30T00:00:00Z"),
        ("reached_at", "2026-02-03 00:00:00Z"),
        ("recorded_at", "2026-02-03T00:00:00+01:00"),
        ("source_identity_kind", "sequence"),
    ],
)
def test_a_wrong_value_is_refused(field: str, wrong: object) -> None:
    with pytest.raises(ValidationError):
        MILESTONE.validate({**_value(milestones()[0]), field: wrong})


def test_a_field_that_may_be_unknown_may_be_null() -> None:
    value = {**_value(milestones()[0]), "from_value": None, "from_value_known": "unknown", "actor": None}
    MILESTONE.validate(value)


def test_the_example_in_the_schema_is_right() -> None:
    for example in SCHEMA["examples"]:
        MILESTONE.validate(example)


def _kinds_of_poison(above: type[Poison] = Poison) -> Iterator[type[Poison]]:
    for below in above.__subclasses__():
        yield below
        yield from _kinds_of_poison(below)


def _headers_added(event: Event) -> dict[str, str]:
    added = [(name, value) for name, value in event.headers if name.startswith(dead_letters.PREFIX)]
    return {name: value.decode() for name, value in added if value is not None}


ORIGIN = Origin("Xq3yTnbUSl2V9aTCTTvVGw", 3, 1042)
RECORD = Given(CapturedRecord("document-changes", 3, 1042, b"k", b"{", (("h", b"v"),), 1_700_000_000_000), 1042)


@pytest.mark.parametrize("kind", list(_kinds_of_poison()))
def test_each_kind_of_dead_letter_has_the_headers_that_its_schema_says(kind: type[Poison]) -> None:
    for error in (kind("what is wrong"), kind("what is wrong", "status")):
        event = dead_letter_event(DeadLetter.of(error, ORIGIN, "document-changes"), RECORD)
        LETTER.validate(_headers_added(event))
        assert (event.key, event.value, event.headers[0]) == (b"k", b"{", ("h", b"v"))


def test_a_dead_letter_whose_record_is_gone_says_so() -> None:
    event = dead_letter_event(DeadLetter.of(Poison("what is wrong"), ORIGIN, "document-changes"), None)
    headers = _headers_added(event)
    assert headers[f"{dead_letters.PREFIX}payload"] == "removed by retention"
    LETTER.validate({**headers, f"{dead_letters.PREFIX}error.class": "BadValue"})


def test_an_unknown_header_of_this_program_is_refused() -> None:
    event = dead_letter_event(DeadLetter.of(Poison("what is wrong"), ORIGIN, "document-changes"), RECORD)
    headers = {**_headers_added(event), f"{dead_letters.PREFIX}error.class": "BadValue"}
    LETTER.validate(headers)
    with pytest.raises(ValidationError):
        LETTER.validate({**headers, f"{dead_letters.PREFIX}unheard-of": "1"})
