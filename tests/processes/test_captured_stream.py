"""Golden test: real saves in a real Frappe, captured by the real connector, and the milestones that are right."""

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import pytest
import yaml

from consumer.captured import CapturedRecord, read_captured
from tests.processes.readings import Row, assert_announced
from tests.processes.workers import Deployment

_DATA = Path(__file__).parents[1] / "data"
_PARTITIONS = 6


def _captured() -> list[CapturedRecord]:
    records = read_captured(_DATA / "frappe-events-stringmode.jsonl.gz")
    return [record for record in records if record.topic == "document-changes"]


def _some_repeated_later(records: Iterable[CapturedRecord]) -> Iterator[CapturedRecord]:
    """Every tenth record, drawn by lot, comes once more up to 200 records later."""
    draw = Random(3)
    late: list[tuple[int, CapturedRecord]] = []
    for at, record in enumerate(records):
        yield record
        if draw.random() < 0.1:
            late.append((at + draw.randrange(200), record))
        yield from (again for due, again in late if due == at)
    yield from (again for due, again in late if due > at)


def _feed(deployment: Deployment, records: Iterable[CapturedRecord]) -> None:
    producer = deployment.producer()
    for record in records:
        headers: list[tuple[str, str | bytes | None]] = [*record.headers]
        producer.produce(
            deployment.topic, record.value, record.key, record.partition, headers=headers, timestamp=record.timestamp
        )
    assert producer.flush(60) == 0


def _expected() -> list[tuple[str, ...]]:
    with gzip.open(_DATA / "expected-milestones.json.gz") as file:
        names = ("reference_type", "reference_name", "track_field", "from_value", "value", "gtid")
        return sorted((tuple(one[name] for name in names) for one in json.load(file)), key=repr)


def _found(rows: Iterable[Row]) -> list[tuple[str | None, ...]]:
    found = [
        (one.reference_type, one.reference_name, row.track_field, one.from_value, one.value, one.gtid)
        for row in rows
        for one in (row.reached,)
    ]
    return sorted(found, key=repr)


@pytest.fixture
def frappe(deployment: Deployment) -> Deployment:
    """A deployment with the trackers of the captured site."""
    deployment.config["trackers"] = yaml.safe_load((_DATA / "trackers.yaml").read_text(encoding="utf-8"))
    deployment.config["processing"]["max_batch_records"] = 500
    deployment.create(_PARTITIONS)
    return deployment


def test_the_captured_stream_gives_exactly_its_milestones_however_often_it_is_fed(frappe: Deployment) -> None:
    records = _captured()
    _feed(frappe, records)
    frappe.finish()
    once = frappe.rows()
    assert len(once) == 1_698
    assert _found(once) == _expected()

    _feed(frappe, records)
    frappe.finish()
    assert frappe.rows() == once
    assert_announced(frappe.events(), once, in_order=False)
    assert frappe.dead_letters() == []


def test_the_captured_stream_with_a_tenth_of_it_repeated_later_gives_the_same(frappe: Deployment) -> None:
    _feed(frappe, _some_repeated_later(_captured()))
    frappe.finish()
    rows = frappe.rows()
    assert _found(rows) == _expected()
    assert_announced(frappe.events(), rows, in_order=False)
    assert frappe.dead_letters() == []
