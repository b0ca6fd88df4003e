"""`milestones audit` on a real stream: clean as it is, and red for whatever is taken away, added or changed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import psycopg
import pytest

from tests.processes.truth import changes, milestones
from tests.processes.workers import ROOT, Deployment

pytestmark = pytest.mark.all


def audit(deployment: Deployment, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and what it says as JSON."""
    command = [sys.executable, "-m", "consumer", "audit", "--config", str(deployment.write_config()), "--json"]
    done = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def settled(deployment: Deployment, count: int = 2_000, partitions: int = 2) -> int:
    """A stream that is stored and announced; how many milestones it gives."""
    stream = changes(count)
    deployment.create(partitions=partitions)
    deployment.feed(stream)
    deployment.finish()
    return len(milestones(stream))


def test_a_stream_that_was_worked_off_is_clean(deployment: Deployment) -> None:
    expected = settled(deployment)
    code, report = audit(deployment)
    assert (code, report["differences"], report["untold"]) == (0, {}, {})
    assert (report["records"], report["expected"]) == (2_000, expected)
    assert (report["stored"], report["announced"]) == (expected, expected)


def _ids(deployment: Deployment, count: int) -> list[str]:
    """Milestones of that many documents, by id."""
    with psycopg.connect(deployment.dsn) as connection:
        query = "select min(id::text) from milestone group by reference_type, reference_name order by 1 limit %s"
        rows = connection.execute(query, [count]).fetchall()
    return [row[0] for row in rows]


def _change(deployment: Deployment, statement: str, *values: object) -> None:
    """What nobody may do: as the owner, behind the program's back."""
    with psycopg.connect(deployment.dsn) as connection:
        connection.execute("set session_replication_role = replica")  # No triggers: nothing is noted as deleted.
        changed = connection.execute(statement, values)
        assert changed.rowcount == 1


def test_whatever_is_taken_away_added_or_changed_is_found(deployment: Deployment) -> None:
    deployment.create(partitions=2)
    deployment.feed(changes(1_000))
    producer = deployment.producer()
    producer.produce(deployment.topic, b"{", b"bad", 0)
    assert producer.flush(30) == 0
    deployment.finish()
    assert audit(deployment)[0] == 0
    gone, edited, counted, moved, doubled, kept, dropped = _ids(deployment, 7)
    _change(deployment, "delete from milestone where id = %s", gone)
    _change(deployment, "update milestone set value = 'Never' where id = %s", edited)
    _change(deployment, "update milestone set occurrence = occurrence + 1 where id = %s", counted)
    _change(deployment, "update milestone set origin_offset = 1000000 where id = %s", moved)
    _change(
        deployment,
        "insert into milestone (id, reference_type, reference_name, track_field, value, milestone_tracker, announce, "
        "origin_topic_id, origin_partition, origin_offset) select gen_random_uuid(), reference_type, reference_name, "
        "track_field, value, milestone_tracker, true, origin_topic_id, origin_partition, origin_offset "
        "from milestone where id = %s",
        kept,
    )
    _change(deployment, "delete from dead_letter where error_class = %s", "MalformedRecord")
    with psycopg.connect(deployment.dsn) as connection:
        connection.execute("delete from milestone where id = %s", [dropped])
    again = next(e for e in deployment.events() if json.loads(e.value or b"")["id"] == doubled)
    forged = {**json.loads(again.value or b""), "id": "00000000-0000-8000-8000-000000000000"}
    for value in (again.value, json.dumps(forged).encode()):
        producer.produce(f"{deployment.topic}-reached", value, again.key)
    assert producer.flush(30) == 0
    code, report = audit(deployment)
    assert code == 3
    assert report["differences"] == {
        "missing": 1,
        "different": 2,
        "beyond the watermark": 1,
        "extra": 1,
        "not announced": 1,
        "announced but not stored": 2,
        "announced differently": 2,
        "announced twice": 1,
        "announced out of order": 2,
        "dead letter missing": 1,
    }
    assert report["untold"] == {"deleted by hand": 1}
    shown = {(one["kind"], one["id"]) for one in report["shown"]}
    assert {("missing", gone), ("different", edited), ("different", counted), ("announced twice", doubled)} <= shown
    [missing] = [one for one in report["shown"] if one["kind"] == "missing"]
    topic, partition, offset = missing["place"].split("/")
    assert (topic, int(partition) in (0, 1), int(offset) < 1_000) == (deployment.topic, True, True)
