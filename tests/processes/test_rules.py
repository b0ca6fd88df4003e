"""Every kind of rule in one deployment, with a worker that dies: rows are what the rules mean, and an audit agrees."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any

import psycopg
import pytest

from consumer.app_audit import Progress, Wanted, audit
from consumer.config import load
from tests.processes.workers import Deployment
from tests.unit.meanings import KINDS, MODES

SILENT = Progress(lambda _: None, lambda _: None)

_DOCUMENTS, _CHANGES = 30, 40
_AT_MS = 1_795_377_835_000


def _row(draw: Random) -> dict[str, Any]:
    return {
        "status": draw.choice(["Draft", "Open", "Billed", "Closed", "", None]),
        "amount": draw.choice([None, 0, 5, 99.5, 100, "100.0", 250]),
        "due": draw.choice([None, "2026-01-01", "2026-06-30", "2026-12-31"]),
        "a": draw.choice([None, "", "x"]),
        "b": draw.choice([None, "y"]),
        "docstatus": draw.choice([0, 1, 2]),
    }


def _histories(seed: int) -> dict[str, list[dict[str, Any]]]:
    draw = Random(seed)
    return {f"SO-{number}": [_row(draw) for _ in range(_CHANGES)] for number in range(_DOCUMENTS)}


def _feed(deployment: Deployment, histories: dict[str, list[dict[str, Any]]], first: int, last: int) -> None:
    """Change after change, each of all documents; a document's changes are in one partition."""
    producer = deployment.producer()
    for number in range(first, last):
        for at, (name, rows) in enumerate(histories.items()):
            source = {
                "connector": "mariadb", "ts_ms": _AT_MS + number, "table": "tabSales Order", "server_id": 1,
                "gtid": f"0-{at + 1}-{number}", "file": "binlog.000001", "pos": number, "row": 0,
            }  # fmt: skip
            before = rows[number - 1] if number else None
            change = {"before": before, "after": rows[number], "source": source, "op": "u" if number else "c"}
            key = json.dumps({"name": name}).encode()
            producer.produce(deployment.topic, json.dumps(change).encode(), key, at % 2)
    assert producer.flush(60) == 0


def _meant(histories: dict[str, list[dict[str, Any]]]) -> Counter[tuple[str, str, int]]:
    return Counter(
        (f"{kind}, {mode}", name, number)
        for kind, (_, meaning) in KINDS.items()
        for mode in MODES
        for name, rows in histories.items()
        for number in getattr(meaning, mode)(rows)
    )


def _stored(deployment: Deployment) -> Counter[tuple[str, str, int]]:
    with psycopg.connect(deployment.dsn) as connection:
        rows = connection.execute(
            "select milestone_tracker, reference_name, (extract(epoch from reached_at) * 1000)::bigint from milestone"
        ).fetchall()
    return Counter((tracker, name, at_ms - _AT_MS) for tracker, name, at_ms in rows)


def test_each_kind_of_rule_survives_a_death(deployment: Deployment) -> None:
    histories = _histories(1)
    deployment.config["trackers"] = [
        {"document_type": "Sales Order", "name": f"{kind}, {mode}", "occurrence": mode, **said}
        for kind, (said, _) in KINDS.items()
        for mode in MODES
    ]
    deployment.create(2)
    _feed(deployment, histories, 0, _CHANGES // 2)
    assert deployment.start(fault="stored:3:kill").ended(60.0) != 0
    _feed(deployment, histories, _CHANGES // 2, _CHANGES)
    deployment.start()
    deployment.wait_until_published()
    deployment.drain()

    assert _stored(deployment) == _meant(histories)
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
    _feed(deployment, _histories(2), 0, 2)
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
    endless = f"{ten}.all(a, {ten}.all(b, {ten}.all(c, {ten}.all(d, {ten}.all(e, a + b + c + d + e >= 0)))))"
    plain = {"document_type": "Sales Order", "track_field": "status"}
    deployment.config["trackers"] = [
        {**plain, "name": "plain"}, {**plain, "name": "errs", "when": "after.nothing > 1"},
        {**plain, "name": "endless", "when": endless}, {**plain, "name": "at times", "when": "after.amount > 50"},
    ]  # fmt: skip
    deployment.create(2)
    histories = _histories(3)
    _feed(deployment, histories, 0, 6)
    worker = deployment.start()
    deployment.wait_until_published()
    deployment.drain()

    stored = Counter(tracker for tracker, _, _ in _stored(deployment).elements())
    meaning = KINDS["any value"][1]
    assert stored["plain"] == sum(len(meaning.every(rows[:6])) for rows in histories.values())
    assert 0 < stored["at times"] < stored["plain"]
    assert stored.keys() == {"plain", "at times"}
    deployment.assert_clean()
    lines = [json.loads(line) for line in worker.log.splitlines() if line.startswith("{")]
    told = {(line["tracker"], line["reason"]) for line in lines if "tracker" in line}
    assert told >= {("errs", "a column is not in the record"), ("endless", "budget exceeded")}
