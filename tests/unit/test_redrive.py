"""The headers of redriven records, and what a decoder makes of them."""

import pytest
from msgspec.structs import replace

from consumer.core.dead_letters import Payload, dead_letter_event, payload_at, payload_of
from consumer.core.events import Decoded
from consumer.core.records import DeadLetter, Origin
from consumer.core.redrive import PREFIX, Trace, redriven_headers, trace_of
from consumer.errors import MalformedRecord
from consumer.formats.decoder import ChangeDecoder
from tests.unit.samples import (
    AT_MS,
    NOW_US,
    TOPIC,
    TOPIC_ID,
    FakeRecord,
    batch_of,
    envelope,
    mariadb_source,
    record,
    rules_of,
)  # fmt: skip

FIRST = Origin(TOPIC_ID, 3, 7)
PAYLOAD = Payload(TOPIC, FIRST, AT_MS - 5_000, b"k", b"v", [("own", b"1"), ("own", b"2"), ("null", None)])


def headers(**changed: str | None) -> list[tuple[str, bytes | None]]:
    """Those of a first redrive; `changed` by their names without prefix, `_` for `.` and `-`; None leaves one out."""
    told = redriven_headers(PAYLOAD, 1, NOW_US)
    names = {name.removeprefix(PREFIX).replace(".", "_").replace("-", "_"): name for name, _ in told}
    said = {names[key]: text for key, text in changed.items()}
    kept = [(name, value) for name, value in told if name not in said]
    return kept + [(name, text.encode()) for name, text in said.items() if text is not None]


def test_a_record_keeps_its_headers_and_says_where_it_first_stood_how_often_and_when() -> None:
    assert redriven_headers(PAYLOAD, 2, 1_795_377_900_000_001) == [
        ("own", b"1"),
        ("own", b"2"),
        ("null", None),
        ("milestones.redrive.origin.topic", TOPIC.encode()),
        ("milestones.redrive.origin.topic-id", TOPIC_ID.encode()),
        ("milestones.redrive.origin.partition", b"3"),
        ("milestones.redrive.origin.offset", b"7"),
        ("milestones.redrive.origin.timestamp", str(AT_MS - 5_000).encode()),
        ("milestones.redrive.count", b"2"),
        ("milestones.redrive.time", b"2026-11-22T20:05:00.000001Z"),
    ]


def test_redriven_again_a_record_still_says_where_it_first_stood() -> None:
    second = Payload(TOPIC, Origin(TOPIC_ID, 0, 99), NOW_US // 1_000, b"k", b"v", headers())
    again = redriven_headers(second, 2, NOW_US + 1)
    assert trace_of(again) == Trace(TOPIC, FIRST, AT_MS - 5_000, 2)
    assert len(again) == len(headers())


def test_a_record_that_was_never_redriven_has_no_trace() -> None:
    assert trace_of([("own", b"1"), ("milestones.dead-letter.origin.offset", b"7")]) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"count": None},
        {"count": "-1"},
        {"count": "²"},
        {"count": "9" * 20},
        {"origin_topic_id": ""},
        {"origin_partition": "x"},
        {"origin_timestamp": None},
    ],
    ids=str,
)
def test_a_trace_that_cannot_be_read_is_refused_and_never_passed_over(changed: dict[str, str | None]) -> None:
    with pytest.raises(MalformedRecord) as refused:
        trace_of(headers(**changed))
    assert refused.value.field is not None
    assert refused.value.field.startswith(PREFIX)


def test_a_dead_letter_gives_back_the_record_as_it_was() -> None:
    first = FakeRecord(TOPIC, 3, 7, b"k", b"v", [("own", b"1"), ("null", None)], AT_MS)
    letter = dead_letter_event(DeadLetter(FIRST, TOPIC, "BadValue", "why"), first)
    found = payload_of(FakeRecord("letters", 0, 0, letter.key, letter.value, letter.headers))
    assert found == Payload(TOPIC, FIRST, AT_MS, b"k", b"v", [("own", b"1"), ("null", None)])
    assert found == payload_at(first, FIRST)


def test_a_dead_letter_whose_record_was_gone_and_foreign_records_give_none() -> None:
    gone = dead_letter_event(DeadLetter(FIRST, TOPIC, "BadValue", "why"), None)
    assert payload_of(FakeRecord("letters", 0, 0, gone.key, gone.value, gone.headers)) is None
    assert payload_of(FakeRecord("letters", with_headers=None)) is None
    assert payload_of(FakeRecord("letters", with_headers=[("milestones.dead-letter.origin.offset", b"x")])) is None


def test_a_dead_letter_that_somebody_copied_to_the_input_is_known_by_its_last_origin() -> None:
    copied = dead_letter_event(DeadLetter(FIRST, TOPIC, "BadValue", "why"), record(b"v"))
    second = Origin(TOPIC_ID, 0, 50)
    letter = dead_letter_event(
        DeadLetter(second, TOPIC, "BadValue", "why"),
        FakeRecord(TOPIC, 0, 50, copied.key, copied.value, copied.headers),
    )
    found = payload_of(FakeRecord("letters", 0, 0, letter.key, letter.value, letter.headers))
    assert found is not None
    assert (found.origin, found.headers) == (second, [])


# Decoding


def decoded(value: object, told: object) -> Decoded:
    return ChangeDecoder(rules_of()).decode(batch_of(record(value, headers=told, offset=50)))


CHANGE = envelope("u", {"status": "Draft"}, {"status": "Billed"})
UNNAMED = {**CHANGE, "source": {"table": "tabSales Order"}, "ts_ms": None}


def test_the_event_of_a_redriven_record_is_that_of_the_first_one_but_for_where_it_stands() -> None:
    [once], [again] = decoded(CHANGE, None).events, decoded(CHANGE, headers()).events
    assert not once.redriven
    assert again.redriven
    assert replace(again, first_origin=None) == once
    assert again.first_origin == FIRST
    assert again.origin == Origin(TOPIC_ID, 0, 50)


def test_where_only_its_place_names_a_change_and_tells_its_time_the_first_place_does() -> None:
    [event] = decoded(UNNAMED, headers()).events
    assert (event.identity.kind, event.identity.text) == ("offset", f"{TOPIC_ID}:3:7")
    assert event.reached_at == (AT_MS - 5_000) * 1_000


def test_the_connectors_clock_is_believed_before_the_records_time_stamp() -> None:
    [event] = decoded({**UNNAMED, "ts_ms": AT_MS - 1}, headers()).events
    assert event.reached_at == (AT_MS - 1) * 1_000


def test_a_redriven_record_with_broken_headers_is_a_dead_letter_and_no_event() -> None:
    result = decoded(CHANGE, headers(origin_offset="x"))
    assert result.events == []
    [letter] = result.poison
    assert (letter.error_class, letter.field) == ("MalformedRecord", "milestones.redrive.origin.offset")


def test_headers_of_records_that_make_no_event_are_not_looked_at() -> None:
    same = envelope("u", {"status": "Draft"}, {"status": "Draft"})
    other = {**CHANGE, "source": mariadb_source("tabNote")}
    for value in (same, other):
        result = decoded(value, headers(origin_offset="x"))
        assert (result.events, result.poison) == ([], [])
