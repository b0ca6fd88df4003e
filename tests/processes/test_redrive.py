"""`milestones dead-letters` on real servers: what was wrong is put right, and its records are sent again."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
import yaml
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.processes.readings import Event, assert_announced, ends, events
from tests.processes.truth import FIELD, TRACKED, TRACKERS, Change, Reached, changes, milestones
from tests.processes.workers import Deployment

_ROOT = Path(__file__).parents[2]
_WRONG = [{"document_type": name, "track_field": FIELD, "as": "decimal"} for name in TRACKED]
"""Statuses are no numbers: with these trackers every change of one is a dead letter."""

Command = Callable[..., str]


@pytest.fixture
def command(deployment: Deployment, tmp_path: Path) -> Command:
    """`milestones dead-letters …` as a person calls it from a script: what it prints."""

    def run(*arguments: str, code: int = 0, fault: str = "") -> str:
        path = tmp_path / "command.yaml"
        path.write_text(yaml.safe_dump(deployment.config), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "consumer", "dead-letters", *arguments, "--config", str(path)],
            cwd=_ROOT, env={**os.environ, "MILESTONES_FAULT": fault},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr if code > 0 else done.stdout

    return run


def _listed(command: Command, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in command("list", "--json", *arguments).splitlines()]


def _statuses(command: Command) -> Counter[str]:
    return Counter(letter["status"] for letter in _listed(command, "--all"))


def _fed(deployment: Deployment, stream: Sequence[Change]) -> None:
    """Sent as Debezium sends: the key chooses the partition."""
    settings = {
        "bootstrap.servers": deployment.kafka.bootstrap_servers,
        "partitioner": "murmur2_random",
        "log_level": 0,
    }
    producer = Producer(settings)
    for change in stream:
        producer.produce(deployment.topic, change.value, change.key, headers=change.headers)
    assert producer.flush(60) == 0


def _all_dead(deployment: Deployment, stream: Sequence[Change]) -> None:
    """The stream goes by under the wrong trackers."""
    deployment.create(2)
    _fed(deployment, stream)
    deployment.config["trackers"] = _WRONG
    deployment.finish()


def _put_right(deployment: Deployment) -> None:
    deployment.config["trackers"] = list(TRACKERS)


def _inputs(deployment: Deployment) -> list[Event]:
    return events(deployment.kafka.bootstrap_servers, deployment.topic)


def _header(event: Event, name: str) -> str | None:
    value = dict(event.headers).get(f"milestones.redrive.{name}")
    return None if value is None else value.decode()


def _what(reached: Reached) -> tuple[str, ...]:
    """A milestone without its place in the count, which is that of its evaluation."""
    return reached.reference_type, reached.reference_name, reached.from_value or "", reached.value, reached.gtid


def _states(deployment: Deployment) -> dict[tuple[str, str], str]:
    """Where each tracked document stands, those that stand nowhere left out."""
    with psycopg.connect(deployment.dsn) as connection:
        rows = connection.execute(
            "select reference_type, reference_name, value from document_state where value is not null"
        ).fetchall()
    return {(row[0], row[1]): row[2] for row in rows}


def _right_states(stream: Sequence[Change]) -> dict[tuple[str, str], str]:
    last = {(c.document_type, c.name): c.after for c in stream if c.document_type in TRACKED}
    return {document: value for document, value in last.items() if value}


def _delete_all(deployment: Deployment, topic: str) -> None:
    """What retention does."""
    before = {TopicPartition(topic, n, end): None for n, end in ends(deployment.kafka.bootstrap_servers, topic).items()}
    for answer in deployment.admin.delete_records(list(before)).values():
        answer.result(10.0)


def test_a_dry_run_says_what_it_would_send_and_sends_nothing(deployment: Deployment, command: Command) -> None:
    stream = changes(100)
    _all_dead(deployment, stream)
    letters = len(deployment.dead_letters())
    assert letters > 20
    printed = command("redrive")
    assert f"would send {letters} records again" in printed
    assert "nothing was sent; say --execute" in printed
    assert ends(deployment.kafka.bootstrap_servers, deployment.topic).keys() == {0, 1}
    assert len(_inputs(deployment)) == len(stream)
    assert _statuses(command) == {"open": letters}


def test_what_was_wrong_with_all_is_put_right_and_each_change_is_one_milestone(
    deployment: Deployment, command: Command
) -> None:
    stream = changes(400)
    _all_dead(deployment, stream)
    letters = deployment.dead_letters()
    _put_right(deployment)
    assert f"sent {len(letters)} records again" in command("redrive", "--execute")
    assert _statuses(command) == {"sent": len(letters)}
    deployment.finish()
    assert _statuses(command) == {"done": len(letters)}
    assert command("list").splitlines()[0] == "no dead letters"
    rows = deployment.rows()
    assert Counter(_what(row.reached) for row in rows) == Counter(map(_what, milestones(stream)))
    assert_announced(deployment.events(), rows)
    assert _states(deployment) == _right_states(stream)
    assert "would send 0 records again" in command("redrive")


def test_each_record_comes_back_as_it_was_into_the_partition_of_its_document(
    deployment: Deployment, command: Command
) -> None:
    _all_dead(deployment, changes(60))
    first = {(e.partition, e.offset): e for e in _inputs(deployment)}
    command("redrive", "--execute")
    again = [event for event in _inputs(deployment) if (event.partition, event.offset) not in first]
    assert len(again) == len(deployment.dead_letters())
    for event in again:
        assert _header(event, "origin.topic") == deployment.topic
        origin = first[int(_header(event, "origin.partition") or ""), int(_header(event, "origin.offset") or "")]
        assert (event.partition, event.key, event.value) == (origin.partition, origin.key, origin.value)
        own = [header for header in event.headers if not header[0].startswith("milestones.")]
        assert own == list(origin.headers)
        assert len(event.headers) - len(own) == 7
        assert _header(event, "count") == "1"


@pytest.mark.fault("59", "redriven dead letters")
def test_changes_redriven_after_later_ones_are_milestones_and_leave_every_document_where_it_stands(
    deployment: Deployment, command: Command
) -> None:
    stream = changes(600)
    _all_dead(deployment, stream[:300])
    letters = len(deployment.dead_letters())
    _put_right(deployment)
    _fed(deployment, stream[300:])
    deployment.finish()
    command("redrive", "--execute")
    deployment.finish()
    assert _statuses(command) == {"done": letters}
    rows = deployment.rows()
    assert Counter(_what(row.reached) for row in rows) == Counter(map(_what, milestones(stream)))
    assert_announced(deployment.events(), rows)
    assert _states(deployment) == _right_states(stream)


def test_a_record_without_a_key_keeps_its_partition(deployment: Deployment, command: Command) -> None:
    deployment.create(4)
    change = Change(1, "u", "Task", "TAS-1", "Open", "Working")
    producer = deployment.producer()
    producer.produce(deployment.topic, change.value, None, 3)
    assert producer.flush(30) == 0
    deployment.finish()
    assert [letter["reason"] for letter in _listed(command)] == ["MissingKey"]
    command("redrive", "--execute")
    assert [event.partition for event in _inputs(deployment)] == [3, 3]
    deployment.config["documents"] = {"Task": {"key": "name"}}
    deployment.finish()
    assert [row.reached for row in deployment.rows()] == milestones([change])


def test_what_fails_again_is_one_open_dead_letter_and_ends_after_three_times(
    deployment: Deployment, command: Command
) -> None:
    deployment.create(1)
    deployment.config["trackers"] = _WRONG
    _fed(deployment, [Change(1, "u", "Task", "TAS-1", "Open", "Working")])
    deployment.finish()
    for times in (1, 2, 3):
        assert "sent 1 records again" in command("redrive", "--execute")
        deployment.finish()
        assert _header(deployment.dead_letters()[-1], "count") == str(times)
        assert _statuses(command) == {"superseded": times, "open": 1}
        [letter] = _listed(command)
        assert (
            letter["origin"]
            == f"{deployment.topic}/0/{ends(deployment.kafka.bootstrap_servers, deployment.topic)[0] - 1}"
        )
    for options in ((), ("--again",)):
        printed = command("redrive", "--execute", *options)
        assert "left out 1: sent 3 times already; see --max-times" in printed
        assert "sent 0 records again" in printed
    origins = {_header(event, "origin.offset") for event in _inputs(deployment)[1:]}
    assert origins == {"0"}
    assert "sent 1 records again" in command("redrive", "--execute", "--max-times", "4")


@pytest.mark.fault("59", "a redrive killed between delivery and note")
def test_killed_between_delivery_and_note_the_next_redrive_doubles_no_milestone(
    deployment: Deployment, command: Command
) -> None:
    stream = changes(200)
    _all_dead(deployment, stream)
    letters = len(deployment.dead_letters())
    _put_right(deployment)
    command("redrive", "--execute", code=-9, fault="redriven:1:kill")
    assert _statuses(command) == {"open": letters}
    command("redrive", "--execute")
    assert len(_inputs(deployment)) == len(stream) + 2 * letters
    deployment.finish()
    rows = deployment.rows()
    assert Counter(_what(row.reached) for row in rows) == Counter(map(_what, milestones(stream)))
    assert_announced(deployment.events(), rows)
    assert _states(deployment) == _right_states(stream)


def test_a_change_that_is_named_by_its_place_only_is_one_milestone_however_often_it_is_sent(
    deployment: Deployment, command: Command
) -> None:
    deployment.create(2)
    deployment.config["trackers"] = _WRONG
    change = Change(1, "u", "Task", "TAS-1", "Open", "Working")
    envelope = json.loads(change.value)
    envelope["source"], envelope["transaction"], envelope["ts_ms"] = {"table": "tabTask"}, None, None
    producer = deployment.producer()
    producer.produce(deployment.topic, json.dumps(envelope).encode(), change.key, 0, timestamp=1_763_800_000_123)
    assert producer.flush(30) == 0
    deployment.finish()
    _put_right(deployment)
    command("redrive", "--execute")
    command("redrive", "--execute", "--again")
    deployment.finish()
    with psycopg.connect(deployment.dsn) as connection:
        rows = connection.execute(
            "select source_identity_kind, extract(epoch from reached_at) from milestone"
        ).fetchall()
    assert [(kind, float(at)) for kind, at in rows] == [("offset", 1_763_800_000.123)]


def test_a_record_that_its_topic_refuses_stays_open_and_the_others_go(deployment: Deployment, command: Command) -> None:
    _all_dead(deployment, changes(20))
    letters = len(deployment.dead_letters())
    incompressible = Random(1).randbytes(60_000).hex()
    large = Change(99, "u", "Task", "TAS-9", incompressible, "Working")
    _fed(deployment, [large])
    deployment.finish()
    resource = ConfigResource(ResourceType.TOPIC, deployment.topic)
    resource.add_incremental_config(
        ConfigEntry("max.message.bytes", "50000", incremental_operation=AlterConfigOpType.SET)
    )
    deployment.admin.incremental_alter_configs([resource])[resource].result(10.0)
    error = command("redrive", "--execute", code=1)
    assert "larger than the topic takes" in error
    assert "not sent: 1 records; they stay open" in error
    assert _statuses(command) == {"sent": letters, "open": 1}
    [refused] = [letter for letter in _listed(command) if letter["status"] == "open"]
    assert _listed(command, "--document", "TAS-9") == [refused]


def test_a_second_redrive_waits_for_nobody_and_again_means_again(deployment: Deployment, command: Command) -> None:
    _all_dead(deployment, changes(40))
    letters = len(deployment.dead_letters())
    _put_right(deployment)
    command("redrive", "--execute")
    printed = command("redrive", "--execute")
    assert f"left out {letters}: sent before; --again sends them once more" in printed
    assert "sent 0 records again" in printed
    assert f"sent {letters} records again" in command("redrive", "--execute", "--again")
    deployment.finish()
    assert len({event.id for event in deployment.events()}) == len(deployment.events()) == len(deployment.rows())


@pytest.mark.parametrize("gone", ["dead-letter topic", "input topic"])
def test_a_record_that_is_gone_from_one_topic_is_taken_from_the_other(
    deployment: Deployment, command: Command, gone: str
) -> None:
    stream = changes(30)
    _all_dead(deployment, stream)
    letters = len(deployment.dead_letters())
    _delete_all(deployment, deployment.topic if gone == "input topic" else f"{deployment.topic}.dead-letter")
    _put_right(deployment)
    assert f"sent {letters} records again" in command("redrive", "--execute")
    deployment.finish()
    assert Counter(_what(r.reached) for r in deployment.rows()) == Counter(map(_what, milestones(stream)))


def test_a_record_that_is_gone_everywhere_is_said_to_be(deployment: Deployment, command: Command) -> None:
    _all_dead(deployment, changes(10))
    letters = _listed(command)
    for topic in (deployment.topic, f"{deployment.topic}.dead-letter"):
        _delete_all(deployment, topic)
    gone = f"left out {len(letters)}: the record is gone: neither the dead-letter topic nor the input topic has it"
    assert gone in command("redrive", "--execute")
    assert _statuses(command) == {"open": len(letters)}
    assert "record: removed by retention" in command("show", letters[0]["origin"])


def test_records_of_a_topic_that_is_not_followed_are_left_out(deployment: Deployment, command: Command) -> None:
    _all_dead(deployment, changes(10))
    letters = len(deployment.dead_letters())
    with psycopg.connect(deployment.dsn) as connection:
        connection.execute("update stream_position set topic = 'other', topic_id = 'other'")
    assert f"left out {letters}: this database does not follow the topic {deployment.topic}" in command("redrive")


def test_one_record_is_found_by_its_document_its_origin_or_its_reason(deployment: Deployment, command: Command) -> None:
    deployment.create(2)
    deployment.config["trackers"] = _WRONG
    stream = [Change(n, "u", "Task", f"TAS-{n}", "Open", "Working") for n in range(5)]
    deployment.feed(stream, lambda change: (change.number % 2,))
    producer = deployment.producer()
    producer.produce(deployment.topic, b"{\x1b[31m", b"\x9b", 0, headers=[("h\x07", b"\x1b]0;x\x07"), ("none", None)])
    assert producer.flush(30) == 0
    deployment.finish()
    [found] = _listed(command, "--document", "TAS-3")
    assert found["origin"] == f"{deployment.topic}/1/1"
    assert [letter["origin"] for letter in _listed(command, "--partition", "0", "--offsets", "1..2")] == [
        f"{deployment.topic}/0/2", f"{deployment.topic}/0/1",
    ]  # fmt: skip
    [malformed] = _listed(command, "--reason", "MalformedRecord")
    assert len(_listed(command, "--field", FIELD, "--since", "1h")) == 5
    assert _listed(command, "--until", "1h") == []
    shown = command("show", malformed["origin"])
    assert shown.isprintable() is False
    assert all(line.isprintable() for line in shown.splitlines())
    assert {"header h\\x07: \\x1b]0;x\\x07", "header none: null"} <= set(shown.splitlines())
    assert "{\\x1b[31m" in shown
    counts, others, head, *rest = command("list", "--limit", "2").splitlines()
    assert (counts.split(), others.split()) == (["5", "BadValue"], ["1", "MalformedRecord"])
    assert head.split() == ["origin", "recorded", "status", "reason", "field", "message"]
    assert [line.split()[0] for line in rest[:2]] == [letter["origin"] for letter in _listed(command, "--limit", "2")]
    assert rest[2:] == ["… and 4 more; --limit shows more"]
    printed = command("redrive", malformed["origin"], found["origin"], "--execute")
    assert "sent 2 records again" in printed
    assert "sent 1 records again" in command("redrive", "--document", "TAS-1", "--execute")
    assert _statuses(command) == {"open": 3, "sent": 3}
