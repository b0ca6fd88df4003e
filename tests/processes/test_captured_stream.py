"""Golden test: real saves in a real Frappe, captured by the real connector, and the milestones that are right."""

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import psycopg
import pytest
import yaml

from consumer.app_audit import Progress
from consumer.app_backtest import Request, run_backtest
from consumer.app_explain import explain_document, explain_record
from consumer.captured import CapturedRecord, read_captured
from consumer.config import load
from consumer.core.letters import Place
from tests.processes.readings import Row, assert_announced
from tests.processes.workers import Deployment

_DATA = Path(__file__).parents[1] / "data"
_PARTITIONS = 6
_NOBODY = Progress(lambda _: None, lambda _: None)


def _captured(kind: str = "document-changes") -> list[CapturedRecord]:
    records = read_captured(_DATA / "frappe-events-stringmode.jsonl.gz")
    return [record for record in records if record.topic.endswith(kind)]


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


@pytest.mark.all
def test_explanations_say_of_every_record_what_the_worker_made_of_it(frappe: Deployment) -> None:
    records = _captured()
    _feed(frappe, _some_repeated_later(records))
    frappe.finish()
    settings = load(frappe.write_config())
    explained = [
        one
        for document_type in sorted({said["document_type"] for said in frappe.config["trackers"]})
        for one in explain_document(settings, document_type, None, _NOBODY)
    ]
    assert len(explained) > 2_000
    assert all(one.evaluated for one in explained)
    reached = [(verdict.id, one.place) for one in explained for verdict in one.verdicts if verdict.reached]
    rows = frappe.rows()
    assert sorted(reached) == sorted((row.id, f"{frappe.topic}/{row.partition}/{row.offset}") for row in rows)
    assert {verdict.reason for one in explained for verdict in one.verdicts} >= {"reached", "duplicate", "unchanged"}

    for one in explained[:: len(explained) // 20]:
        assert explain_record(settings, Place.parse(one.place), _NOBODY).kind == one.kind


@pytest.mark.all
@pytest.mark.parametrize("apart_from", [1_000_000, 0])
def test_a_backtest_with_the_rules_in_force_gives_the_table(frappe: Deployment, apart_from: int) -> None:
    _feed(frappe, _some_repeated_later(_captured()))
    frappe.finish()
    settings = load(frappe.write_config())
    for request in (Request(against_table=True), Request()):
        report = run_backtest(settings, request, _NOBODY, apart_from)
        assert not report.differs, [one.detail for some in report.samples.values() for one in some]
        assert sum(line.new for line in report.trackers.values()) == len(frappe.rows())
        assert report.unreadable == 0

    fewer = frappe.folder / "fewer.yaml"
    fewer.write_text(yaml.safe_dump(frappe.config["trackers"][1:]))
    report = run_backtest(settings, Request(trackers=fewer), _NOBODY, apart_from)
    missing = {name for name, line in report.trackers.items() if line.removed}
    assert len(missing) == 1
    assert sum(line.removed for line in report.trackers.values()) == 1_698 - sum(
        line.new for line in report.trackers.values()
    )


def test_trackers_that_the_site_sends_are_followed(frappe: Deployment) -> None:
    """Those of the site, and none of config.yaml: what columns cannot say of themselves is all that is missing."""
    documents = {one["document_type"] for one in frappe.config["trackers"] if "as" not in one}
    columns = [one for one in frappe.config["trackers"] if "as" in one]
    frappe.config["trackers"] = {"follow": True, "rules": columns}
    frappe.start()
    _feed(frappe, _captured("tabMilestone_Tracker"))
    frappe.wait(lambda: len(_followed(frappe)) > len(documents), "the site's trackers are taken on")
    followed = _followed(frappe)
    assert followed.pop("Oracle Case-priority") is True
    assert not any(followed.values())
    frappe.wait_until_published()

    _feed(frappe, _captured())
    frappe.wait_until_published()
    site = [row for row in _found(frappe.rows()) if row[0] != "Oracle Silent"]
    assert site == _expected()
    assert frappe.dead_letters() == []


def _followed(deployment: Deployment) -> dict[str, bool]:
    with psycopg.connect(deployment.dsn) as connection:
        statement = "select name, disabled from milestone_tracker where managed_by = 'frappe'"
        rows: list[tuple[str, bool]] = connection.execute(statement).fetchall()
    return dict(rows)
