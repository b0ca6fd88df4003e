"""Every kind of rule in one deployment, with a worker that dies: rows are what the rules mean, and an audit agrees."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from itertools import islice

import psycopg
import pytest

from consumer.app_audit import Progress, Wanted, audit
from consumer.config import load
from tests.processes import ruled
from tests.processes.workers import Deployment

SILENT = Progress(lambda _: None, lambda _: None)

_CHANGES = 1_200


def _feed(deployment: Deployment, stream: Iterable[ruled.RuledChange]) -> None:
    producer = deployment.producer()
    for change in stream:
        producer.produce(deployment.topic, change.value, change.key, change.partition(2))
    assert producer.flush(60) == 0


def test_each_kind_of_rule_survives_a_death(deployment: Deployment) -> None:
    stream = list(islice(ruled.endless(1), _CHANGES))
    deployment.config["trackers"] = ruled.TRACKERS
    deployment.create(2)
    _feed(deployment, stream[: _CHANGES // 2])
    assert deployment.start(fault="stored:3:kill").ended(60.0) != 0
    _feed(deployment, stream[_CHANGES // 2 :])
    deployment.start()
    deployment.wait_until_published()
    deployment.drain()

    assert ruled.stored(deployment.dsn) == ruled.meant(stream)
    deployment.assert_clean()
    # Of a range nobody knows what its documents were before: no rule may be said to lack a milestone for that.
    for first in range(100, 500, 100):
        report = audit(load(deployment.write_config()), Wanted(deployment.topic, 1, first, first + 149), SILENT)
        assert (report.records, report.counts) == (150, Counter()), report.differences


def test_what_a_tracker_says_beside_its_rule_is_in_row_and_event(deployment: Deployment) -> None:
    deployment.config["trackers"] = [
        {"document_type": "Sales Order", "track_field": "status", "name": "loud", "owner": "ops@example.org",
         "labels": {"team": "sales", "area": "north"}},
        {"document_type": "Sales Order", "track_field": "status", "name": "quiet", "announce": False},
    ]  # fmt: skip
    deployment.create(2)
    _feed(deployment, islice(ruled.endless(2), 60))
    deployment.start()
    deployment.wait_until_published()
    deployment.drain()

    with psycopg.connect(deployment.dsn) as connection:
        said = connection.execute(
            "select distinct milestone_tracker, labels ->> 'team', owner, announce from milestone order by 1"
        ).fetchall()
    assert said == [("loud", "sales", "ops@example.org", True), ("quiet", None, None, False)]
    announced = [json.loads(event.value or b"") for event in deployment.events()]
    assert announced
    assert {(one["milestone_tracker"], one["owner"], one["labels"]["area"]) for one in announced} == {
        ("loud", "ops@example.org", "north")
    }
    deployment.assert_clean()


@pytest.mark.fault("46", "a rule that errs, and one that burns its budget")
def test_a_rule_that_cannot_tell_costs_nobody_else_a_milestone(deployment: Deployment) -> None:
    ten = "[0,1,2,3,4,5,6,7,8,9]"
    endless = f"op != 'x' && {ten}.all(a, {ten}.all(b, {ten}.all(c, {ten}.all(d, {ten}.all(e, a+b+c+d+e >= 0)))))"
    plain = {"document_type": "Sales Order", "track_field": "status"}
    deployment.config["trackers"] = [
        {**plain, "name": "plain"}, {**plain, "name": "errs", "when": "after.nothing > 1"},
        {**plain, "name": "endless", "when": endless}, {**plain, "name": "at times", "when": "after.amount > 50"},
    ]  # fmt: skip
    deployment.create(2)
    stream = list(islice(ruled.endless(3), 180))
    _feed(deployment, stream)
    worker = deployment.start()
    deployment.wait_until_published()
    deployment.drain()

    stored = Counter(tracker for tracker, _, _ in ruled.stored(deployment.dsn).elements())
    assert stored["plain"] == sum(tracker == "any value, every" for tracker, _, _ in ruled.meant(stream).elements())
    assert 0 < stored["at times"] < stored["plain"]
    assert stored.keys() == {"plain", "at times"}
    deployment.assert_clean()
    lines = [json.loads(line) for line in worker.log.splitlines() if line.startswith("{")]
    told = {(line["tracker"], line["reason"]) for line in lines if "tracker" in line}
    assert told >= {("errs", "a column is not in the record"), ("endless", "budget exceeded")}
