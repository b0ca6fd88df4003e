"""`milestones audit` on a real stream: clean as it is, and red for whatever is taken away, added or changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import Any

import psycopg
import pytest
from confluent_kafka import TopicPartition

from consumer import app_audit
from consumer.config import load
from tests.processes import readings
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


def test_a_partition_of_which_nothing_is_stored_is_no_difference(deployment: Deployment) -> None:
    stream = changes(60)
    deployment.create(partitions=2)
    deployment.feed(stream, lambda _: (0,))
    deployment.finish()
    assert deployment.stored()[1] == 0
    code, report = audit(deployment)
    assert (code, report["records"], report["differences"]) == (0, 60, {})


def test_a_long_stream_is_read_by_a_process_of_its_own_which_says_the_same(deployment: Deployment) -> None:
    expected = settled(deployment)
    _change(deployment, "delete from milestone where id = %s", *_ids(deployment, 1))
    settings = load(deployment.write_config())
    told: list[int] = []
    steps = app_audit.Progress(lambda _: None, told.append)
    alone, apart = (
        app_audit.audit(settings, app_audit.Wanted(), steps, apart_from=records) for records in (1_000_000, 0)
    )
    assert apart == alone
    assert dict(apart.counts) == {"missing": 1, "announced but not stored": 1}
    assert (apart.records, apart.expected) == (2_000, expected)
    assert sum(told) == 2 * (2_000 + expected)


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
        producer.produce(f"{deployment.topic}-reached", value, again.key, again.partition)
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


def _as_the_owner(deployment: Deployment, *statements: str) -> None:
    with psycopg.connect(deployment.dsn) as connection:
        connection.execute("set session_replication_role = replica")
        for statement in statements:
            connection.execute(statement.encode())


def test_a_repair_writes_and_announces_what_is_missing_once(deployment: Deployment) -> None:
    """Rows that were never announced, as after a restored output topic; rows that are gone; and both."""
    expected = settled(deployment)
    _as_the_owner(deployment, "create table kept as select * from milestone")
    reached = f"{deployment.topic}-reached"
    deployment.kafka.delete_topic(reached)
    deployment.kafka.create_topic(reached, 2, {"retention.ms": "-1"})
    _as_the_owner(deployment, "delete from milestone where origin_offset % 2 = 0")
    code, report = audit(deployment, "--repair")
    gone, silent = report["repairs"]["write and announce"], report["repairs"]["announce"]
    assert (code, gone + silent) == (3, expected)
    assert report["differences"] == {"missing": gone, "not announced": silent}
    assert (report["written"], report["announced_late"]) == (0, 0)
    code, report = audit(deployment, "--repair", "--execute")
    assert (code, report["written"], report["announced_late"]) == (3, gone, expected)
    code, report = audit(deployment, "--repair", "--execute")
    assert (code, report["differences"], report["repairs"]) == (0, {}, {})
    assert (report["stored"], report["announced"]) == (expected, expected)
    different = """
        select from milestone join kept using (id)
        where to_jsonb(milestone) - 'recorded_at' <> to_jsonb(kept) - 'recorded_at'"""
    with psycopg.connect(deployment.dsn) as connection:
        assert connection.execute(different).fetchall() == []


def test_a_row_that_is_gone_and_was_announced_is_written_and_not_announced_again(deployment: Deployment) -> None:
    expected = settled(deployment)
    _as_the_owner(deployment, "delete from milestone where occurrence = 1")
    code, report = audit(deployment, "--repair", "--execute")
    assert (code, set(report["repairs"]), report["announced_late"]) == (3, {"write"}, 0)
    code, report = audit(deployment)
    assert (code, report["stored"], report["announced"]) == (0, expected, expected)


def test_a_repair_killed_between_rows_and_events_is_ended_by_the_next(deployment: Deployment) -> None:
    expected = settled(deployment)
    reached = f"{deployment.topic}-reached"
    deployment.kafka.delete_topic(reached)
    deployment.kafka.create_topic(reached, 2, {"retention.ms": "-1"})
    _as_the_owner(deployment, "delete from milestone")
    command = [sys.executable, "-m", "consumer", "audit", "--config", str(deployment.write_config()), "--repair"]
    killed = subprocess.run(
        [*command, "--execute"], cwd=ROOT, check=False, env={**os.environ, "MILESTONES_FAULT": "produced:1:kill"}
    )
    assert killed.returncode == -9
    code, report = audit(deployment, "--repair", "--execute")
    assert (code, report["written"] < expected, report["announced_late"]) == (3, True, expected)
    code, report = audit(deployment)
    assert (code, report["stored"], report["announced"]) == (0, expected, expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--execute"], "--execute: say --repair, too"),
        (["--partition", "0"], "--partition: say --topic, too"),
        (["--offsets", "5..9"], "--offsets: say --topic and --partition, too"),
        (["--topic", "nowhere"], "has stored nothing of nowhere; it has stored "),
        (
            ["--topic", "TOPIC", "--partition", "9"],
            "has stored nothing of partition 9 of TOPIC; it has stored TOPIC (1 ",
        ),
        (["--topic", "TOPIC", "--partition", "0", "--offsets", "5000..6000"], "--offsets: TOPIC/0 is stored up to "),
        (["--topic", "TOPIC", "--partition", "0", "--offsets", "1..99999"], "and 99999 is beyond it; write 1.."),
    ],
)
def test_what_cannot_be_audited_is_said(deployment: Deployment, arguments: list[str], words: str) -> None:
    settled(deployment, 20, 1)
    arguments, [expected] = (
        [word.replace("TOPIC", deployment.topic) for word in some] for some in (arguments, [words])
    )
    command = [sys.executable, "-m", "consumer", "audit", "--config", str(deployment.write_config()), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, expected in done.stderr) == (2, True), done.stderr


def test_a_range_is_audited_by_what_its_records_say_themselves(deployment: Deployment) -> None:
    settled(deployment)
    arguments = ("--topic", deployment.topic, "--partition", "1", "--offsets", "300..599")
    code, report = audit(deployment, *arguments)
    assert (code, report["records"], report["differences"]) == (0, 300, {})
    assert report["expected"] == report["stored"] == report["announced"] > 0
    with psycopg.connect(deployment.dsn) as connection:
        connection.execute("update milestone set value = 'x' where origin_partition = 1 and origin_offset < 400")
    assert 0 < audit(deployment, *arguments)[1]["differences"]["different"] < 100


def test_what_an_emptied_output_topic_cannot_tell_is_no_difference(deployment: Deployment) -> None:
    expected = settled(deployment, 200)
    output = f"{deployment.topic}-reached"
    ends = readings.ends(deployment.kafka.bootstrap_servers, output)
    places = [TopicPartition(output, number, offset) for number, offset in ends.items()]
    for answer in deployment.admin.delete_records(places).values():
        answer.result(10.0)
    code, report = audit(deployment)
    assert (code, report["differences"]) == (0, {})
    assert report["untold"] == {"announced before what the output topic still has": expected}


def test_what_stands_behind_an_open_transaction_is_waited_for(deployment: Deployment) -> None:
    settled(deployment, 200)
    output = f"{deployment.topic}-reached"
    open_one = deployment.producer({"transactional.id": "somebody else's"})
    open_one.init_transactions(30)
    open_one.begin_transaction()
    for number in readings.ends(deployment.kafka.bootstrap_servers, output):
        open_one.produce(output, b"none of ours", partition=number)
    assert open_one.flush(30) == 0
    deployment.feed(changes(400)[200:])
    deployment.finish()
    committing = threading.Timer(5.0, open_one.commit_transaction, [30])
    committing.start()
    code, report = audit(deployment)
    committing.join()
    assert (code, report["differences"]) == (0, {})
