"""The same documents, as each kind of connector and converter sent them, give the same events."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from consumer.core.events import Kind
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.shapes import Options, Shape
from tests.debezium.recording import read_recording
from tests.unit.recorded import Registry
from tests.unit.samples import DATA, FakeRecord, batch_of, rules_of, tracker

CAPTURED = DATA / "debezium"
FULL = ["json", "json-schema", "avro", "avro-confluent"]
CONNECTORS = ["mariadb", "postgres"]

Told = tuple[Kind, str, str | None, str | None]


@cache
def told(connector: str, recording: str, shape: Shape = Shape.AUTO, prefix: str = "__") -> Counter[Told]:
    """Kind, document, other name and status of each event; nothing may be a dead letter."""
    rules = rules_of(tracker("Sales Order"), tracker("Task"))
    decoder = ChangeDecoder(rules, Options(shape, prefix=prefix), Registry(CAPTURED / connector / "registry.json"))
    records = read_recording(CAPTURED / connector / f"{recording}.jsonl.gz")
    outcome = decoder.decode(
        batch_of(
            *(FakeRecord(r.topic, 0, at, r.key, r.value, list(r.headers), r.timestamp) for at, r in enumerate(records))
        )
    )
    assert list(outcome.poison) == []
    return Counter((e.kind, e.reference_name, e.other_name, e.fields[0].after) for e in outcome.events)


def changes(events: Counter[Told]) -> Counter[Told]:
    """Without what was read by snapshots: only the connectors with a signal table made an incremental one."""
    return Counter({event: number for event, number in events.items() if event[0] is not Kind.SNAPSHOT})


@pytest.mark.parametrize("connector", CONNECTORS)
@pytest.mark.parametrize("converter", FULL[1:])
def test_envelopes_tell_the_same_in_every_converter(connector: str, converter: str) -> None:
    assert told(connector, f"documents-{converter}") == told(connector, "documents-json")
    assert sum(told(connector, "documents-json").values()) > 20


@pytest.mark.parametrize("connector", CONNECTORS)
@pytest.mark.parametrize(
    "recording",
    ["one-topic-json", "one-topic-avro", "cloud-events-json", "cloud-events-json-schema", "cloud-events-json-avro",
     "cloud-events-avro"],
)  # fmt: skip
def test_one_topic_and_cloud_events_tell_what_envelopes_tell(connector: str, recording: str) -> None:
    whole = told(connector, "documents-json")
    assert changes(told(connector, recording)) == changes(whole)
    assert told(connector, recording) <= whole


@pytest.mark.parametrize("connector", CONNECTORS)
@pytest.mark.parametrize("converter", FULL)
def test_flattened_records_tell_each_change_of_a_value(connector: str, converter: str) -> None:
    flat, whole = changes(told(connector, f"flat-fields-{converter}")), changes(told(connector, "documents-json"))
    # A row without `before` may have changed wherever it was updated.
    assert not whole - flat
    assert {event[0] for event in flat - whole} <= {Kind.UPDATE}


@pytest.mark.parametrize("connector", CONNECTORS)
@pytest.mark.parametrize(
    ("recording", "deletes"),
    [("flat-json", True), ("flat-tombstone-json", True), ("flat-delete-to-tombstone-json", True),
     ("flat-rewrite-with-tombstone-json", True), ("flat-drop-json", False)],
)  # fmt: skip
def test_deletes_are_told_as_they_are_configured(connector: str, recording: str, *, deletes: bool) -> None:
    flat = told(connector, recording, Shape.FLATTENED, "__" if recording == "flat-json" else "cdc_")
    gone = {(kind, name, other) for kind, name, other, _ in flat if kind in (Kind.DELETE, Kind.RENAMED_AWAY)}
    whole = {(k, n, o) for k, n, o, _ in told(connector, "documents-json") if k in (Kind.DELETE, Kind.RENAMED_AWAY)}
    assert gone == (whole if deletes else set())
