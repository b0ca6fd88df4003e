"""What the doctor finds in streams that the real connectors sent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from consumer.captured import CapturedRecord, read_captured
from consumer.config import read_trackers
from consumer.core.trackers import Tracker
from consumer.diagnosis.examination import sample_findings
from consumer.diagnosis.findings import Level, worst
from consumer.diagnosis.sample import Sample
from consumer.formats.shapes import Options, Shape
from tests.debezium.recording import read_recording
from tests.unit.diagnosed import examined, sampled
from tests.unit.recorded import Registry
from tests.unit.samples import DATA, FakeRecord, tracker

DEBEZIUM = DATA / "debezium"
DOCUMENTS = [
    (path.parent.name, path.name.removesuffix(".jsonl.gz"))
    for path in sorted(DEBEZIUM.glob("*/*.jsonl.gz"))
    if path.name.startswith(("documents-", "one-topic-", "flat-", "cloud-events-"))
]
ALWAYS = {"type-untracked"}


def of_frappe(name: str, *trackers: Tracker) -> Sample:
    records = [one for one in read_captured(DATA / f"{name}.jsonl.gz") if one.topic == "document-changes"]
    return sampled(_records(records), *trackers)


def _records(captured: Sequence[CapturedRecord]) -> list[FakeRecord]:
    return [
        FakeRecord(r.topic, r.partition, at, r.key, r.value, list(r.headers), r.timestamp)
        for at, r in enumerate(captured)
    ]


def of_debezium(connector: str, recording: str) -> Sample:
    folder: Path = DEBEZIUM / connector
    flat = recording.startswith("flat-")
    prefix = "cdc_" if flat and not recording.startswith(("flat-json", "flat-fields")) else "__"
    options = Options(Shape.FLATTENED if flat else Shape.AUTO, prefix=prefix)
    records = _records(list(read_recording(folder / f"{recording}.jsonl.gz")))
    registry = Registry(folder / "registry.json")
    return sampled(records, tracker("Sales Order"), tracker("Task"), options=options, registry=registry)


def of_all(wanted: Sequence[Tracker]) -> list[Tracker]:
    """The same trackers, without what they say of encodings."""
    return [tracker(one.document_type, one.track_field) for one in wanted]


TRACKERS = read_trackers(DATA / "trackers.yaml")


def test_a_stream_as_the_docs_advise_it_has_nothing_wrong() -> None:
    assert worst(sample_findings(of_frappe("frappe-events-stringmode", *TRACKERS))) is Level.NOTE


def test_without_the_trackers_as_times_are_found_and_decimals_are_texts() -> None:
    found = examined(of_frappe("frappe-events-stringmode", *of_all(TRACKERS)))
    assert {one.place: one.fix.split()[2] for one in found["time-as-number"]} == {
        "Oracle Task.due": "date", "Oracle Meeting.starts": "timestamp_ms", "Oracle Shift.at": "time_ms",
    }  # fmt: skip
    assert "decimal-unscaled" not in found


def test_default_modes_lose_the_scale_of_every_tracked_decimal() -> None:
    found = examined(of_frappe("frappe-events", *of_all(TRACKERS)))
    assert {one.place for one in found["decimal-unscaled"]} == {
        "Oracle Payment.amount", "Oracle Measure.qty", "Oracle Share.pct", "Oracle Timer.dur",
    }  # fmt: skip
    assert {one.place: one.fix.split()[2] for one in found["time-as-number"]} == {
        "Oracle Task.due": "date", "Oracle Meeting.starts": "timestamp_us", "Oracle Shift.at": "time_us",
    }  # fmt: skip


def test_schemas_say_what_columns_are_and_show_that_null_may_be_hidden() -> None:
    found = examined(of_frappe("frappe-events-with-schema", *of_all(TRACKERS)))
    assert "decimal-unscaled" not in found
    assert "time-as-number" not in found
    assert {one.place for one in found["null-as-default"]} == {"Oracle Order", "ToDo"}


def test_a_table_whose_updates_have_no_row_before_is_named_and_one_that_sends_all_is_not() -> None:
    sample = of_frappe("postgres-events", tracker("Oracle Default"), tracker("Oracle Full"))
    assert [one.place for one in examined(sample)["replica-identity"]] == ["Oracle Default"]


def test_columns_that_postgres_keeps_out_of_the_row_are_told() -> None:
    sample = of_frappe("postgres-events", tracker("Oracle Default", "body"), tracker("Oracle Default"))
    assert [one.place for one in examined(sample)["toast"]] == ["Oracle Default.body"]


@pytest.mark.parametrize(("connector", "recording"), DOCUMENTS)
def test_every_kind_of_connector_is_read_and_only_what_is_so_is_found(connector: str, recording: str) -> None:
    sample = of_debezium(connector, recording)
    found = set(examined(sample)) - ALWAYS
    expected = set()
    flat = recording.startswith("flat-")
    if connector == "postgres" and not flat:
        expected.add("replica-identity")
    if flat and not (connector == "postgres" and recording.startswith("flat-fields")):
        expected.add("identity-offset")
    if recording.startswith("one-topic"):
        expected.add("router-defaults")
    if connector == "mariadb" and not flat and not recording.startswith("documents"):
        expected.add("transaction-metadata")
    if recording.endswith(("schema", "avro", "avro-confluent")):
        expected.add("null-as-default")
    assert found == expected
    assert len(sample.by_type()["Sales Order"]) > 8
    assert sample.missing == {}


def test_a_recorded_avro_stream_without_a_registry_says_what_to_set() -> None:
    records = _records(list(read_recording(DEBEZIUM / "mariadb" / "documents-avro.jsonl.gz")))
    assert examined(sampled(records))["registry-missing"][0].fix == "set input.registry.url"
