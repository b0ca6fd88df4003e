"""`milestones doctor` on real servers: sound ones, and ones that have what it looks for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from consumer.core.records import Partition
from consumer.kafka.sampling import newest
from consumer.kafka.topics import Topics
from tests.processes.truth import changes
from tests.processes.workers import ROOT, Deployment
from tests.services import LOOKS_AT_RIGHTS, KafkaService, PostgresService, open_kafka, open_postgres
from tests.unit.diagnosed import update

ONE_MB = str(1 << 20)


@pytest.fixture(scope="module")
def durable() -> Iterator[PostgresService]:
    """A PostgreSQL as people run it."""
    with closing(open_postgres(private=True, durable=True)) as service:
        yield service


def doctor(deployment: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "consumer", "doctor", *arguments, "--config", str(deployment.write_config())]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def examined(deployment: Deployment, *arguments: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """The exit code, and the findings by code."""
    ended = doctor(deployment, "--json", *arguments)
    found: dict[str, list[dict[str, str]]] = {}
    for line in ended.stdout.splitlines():
        one = json.loads(line)
        found.setdefault(one["code"], []).append(one)
    assert found, ended.stderr
    return ended.returncode, found


def bad(found: Mapping[str, Sequence[Mapping[str, str]]]) -> set[str]:
    """The codes that are worse than a note."""
    return {code for code, some in found.items() if some[0]["level"] in ("warning", "problem")}


def test_a_sound_deployment_has_nothing_wrong_and_is_left_as_it_was(
    deployment: Deployment, durable: PostgresService
) -> None:
    deployment.dsn = durable.create_database()
    deployment.config["postgres"]["dsn"] = deployment.dsn
    deployment.create(2, **{"max.message.bytes": ONE_MB})
    deployment.feed(changes(300))
    worker = deployment.start()
    deployment.wait_until_published()
    code, found = examined(deployment)
    assert (code, bad(found)) == (0, set())
    assert {"broker", "input", "group", "postgres", "formats", "identity", "newest"} <= found.keys()
    assert "4.1 or later" in found["broker"][0]["found"]
    assert found["group"][0]["found"] == "1 member, stable; 0 records behind the end"
    assert worker.is_running
    assert len(deployment.members()) == 1


def test_before_the_first_run_it_says_what_is_to_be_done(deployment: Deployment) -> None:
    deployment.kafka.create_topic(deployment.topic, 1)
    deployment.config["input"]["create_topics"] = False
    code, found = examined(deployment, "--workers", "2")
    assert code == 3
    assert [one["place"] for one in found["topic-missing"]] == [
        f"topic {deployment.topic}-reached", f"topic {deployment.topic}.dead-letter",
    ]  # fmt: skip
    assert found["migrations"][0]["fix"] == "run `milestones migrate`"
    assert {"workers-idle", "group-empty", "sample-empty", "replication"} <= found.keys()


def test_what_is_wrong_with_topics_and_records_is_found(deployment: Deployment) -> None:
    deployment.create(2, **{"cleanup.policy": "compact", "retention.ms": "1000", "max.message.bytes": "2000000"})
    deployment.kafka.create_topic(f"{deployment.topic}-reached", 1, {"cleanup.policy": "compact"})
    deployment.kafka.create_topic(f"{deployment.topic}.dead-letter", 1, {"max.message.bytes": "1000000"})
    deployment.config["trackers"] = [
        {"document_type": "Sales Order", "track_field": "grand_total"},
        {"document_type": "Sales Order", "track_field": "statuz"},
        {"document_type": "Sales Oder", "track_field": "status"},
    ]
    producer = deployment.producer()
    for at in range(40):
        one = update(at, {"name": f"SO-{at % 5}", "status": "Open", "grand_total": "AukO3QA="})
        producer.produce(deployment.topic, one.with_value, one.with_key, at % 2)
    producer.produce(deployment.topic, b"{", b"SO-1", 0)
    assert producer.flush(30) == 0
    code, found = examined(deployment)
    assert code == 3
    assert {
        "input-compacted", "input-retention", "output-compacted", "output-narrow", "dead-letter-size", "dead-letters",
        "decimal-unscaled", "field-unseen", "type-misspelt", "document-split",
    } <= bad(found)  # fmt: skip
    assert found["dead-letters"][0]["found"].startswith("1 of 41")


def test_a_role_without_rights_and_positions_of_another_group_are_found(deployment: Deployment) -> None:
    deployment.create(1)
    deployment.feed(changes(20))
    deployment.finish()
    deployment.config["kafka"]["group.id"] += "-another"
    code, found = examined(deployment)
    assert code == 3
    assert "take-over" in found["run-would-stop"][0]["found"]
    separator = "&" if "?" in deployment.dsn else "?"
    deployment.config["postgres"]["dsn"] = f"{deployment.dsn}{separator}options=-crole%3Ddoctor_of_nothing"
    with psycopg.connect(deployment.dsn, autocommit=True) as connection:
        connection.execute("create role doctor_of_nothing")
        try:
            code, found = examined(deployment)
        finally:
            connection.execute("drop role doctor_of_nothing")
    assert code == 3
    assert "insert on milestone" in found["rights-missing"][0]["found"]
    assert found["rights-missing"][0]["fix"].startswith("grant milestones_consumer to doctor_of_nothing")
    assert "superuser" not in found


def test_a_server_that_is_away_is_a_finding_and_two_are_a_failure(deployment: Deployment) -> None:
    deployment.create(1)
    deployment.config["postgres"]["dsn"] = "postgresql://nobody@127.0.0.1:1/nothing"
    code, found = examined(deployment)
    assert (code, found["postgres-unreachable"][0]["level"]) == (3, "problem")
    deployment.config["kafka"]["bootstrap.servers"] = "127.0.0.1:1"
    ended = doctor(deployment)
    assert ended.returncode == 1
    assert "PostgreSQL cannot be reached" in ended.stderr
    deployment.config["kafka"]["no.such.property"] = 1
    assert doctor(deployment).returncode == 2


def test_lines_are_whole_where_nobody_looks(deployment: Deployment) -> None:
    deployment.create(1)
    lines = doctor(deployment).stdout.splitlines()
    assert all(line.split(": ")[0] in ("ok", "note", "warning", "problem") for line in lines[:-1])
    assert any(line.startswith("note: topic ") and line.endswith("[topic-to-be-made]") for line in lines)


def test_a_sample_has_what_was_committed_only_and_is_bounded(deployment: Deployment) -> None:
    deployment.create(2)
    stream = changes(200)
    deployment.feed(stream)
    settings = deployment.config["kafka"]
    ends = Topics(settings).ends([Partition(deployment.topic, number) for number in (0, 1)])
    records, whole = newest(settings, ends, 60, 30.0)
    assert (len(records), whole) == (60, True)
    assert {record.partition() for record in records} == {0, 1}
    last = {record.partition(): record.offset() for record in records}
    assert last == {key.partition: end.high - 1 for key, end in ends.items()}
    assert newest(settings, ends, 60, 0.0) == ([], False)
    committed = Consumer({**settings, "log_level": 0}).committed([TopicPartition(deployment.topic, 0)], timeout=10)
    assert committed[0].offset < 0


# Rights in Kafka


@pytest.fixture(scope="module")
def guarded() -> Iterator[KafkaService]:
    """A broker that looks at rights; who has none on a thing may do everything with it."""
    with closing(open_kafka(private=True, settings=LOOKS_AT_RIGHTS)) as service:
        yield service


def test_rights_that_kafka_does_not_give_are_named(
    guarded: KafkaService, database: str, topic: str, tmp_path: pytest.TempPathFactory
) -> None:
    deployment = Deployment(guarded, database, topic, tmp_path)  # type: ignore[arg-type]
    deployment.create(1)
    deployment.feed(changes(20))
    deployment.kafka.create_topic(f"{topic}-reached", 1)
    allowed = [
        (ResourceType.TOPIC, topic, AclOperation.DESCRIBE),
        (ResourceType.TOPIC, f"{topic}-reached", AclOperation.DESCRIBE),
        (ResourceType.GROUP, deployment.group, AclOperation.DESCRIBE),
        (ResourceType.TRANSACTIONAL_ID, f"{deployment.group}-main-doctor", AclOperation.DESCRIBE),
    ]
    bindings = [
        AclBinding(kind, name, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*", operation, AclPermissionType.ALLOW)
        for kind, name, operation in allowed
    ]
    for answer in deployment.admin.create_acls(bindings).values():
        answer.result(10.0)
    _, found = examined(deployment)
    assert {one["place"]: one["fix"] for one in found["not-allowed"]} == {
        f"topic {topic}": f"allow READ on topic {topic}",
        f"topic {topic}-reached": f"allow WRITE on topic {topic}-reached",
        f"group {deployment.group}": f"allow READ on group {deployment.group}",
        "input": "allow READ on the input topics",
    }
    assert f"begin with {deployment.group}-main" in found["transactions-refused"][0]["fix"]
