"""Every example of docs/connecting.md, run on what the real connectors sent, gives the milestones of its workload."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import yaml
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from consumer.captured import CapturedRecord
from consumer.postgres.migrate import migrate
from tests.debezium.recording import read_recording
from tests.debezium.schemas import used_ids
from tests.processes.workers import Deployment
from tests.services import RegistryService, open_registry

PAGE = Path(__file__).parents[2] / "docs" / "connecting.md"
CAPTURED = Path(__file__).parents[1] / "data" / "debezium"
TRACKED = {"tabSales Order": "Sales Order", "tabTask": "Task"}

Told = tuple[str, str, str | None, str]


def block(section: str, number: int = 0) -> str:
    """An example of a section of the page."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found: list[str] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    return found[number]


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
def test_no_example_has_more_than_five_lines(text: str) -> None:
    assert len(text.strip().splitlines()) <= 5


def expected(*, rows_alone: bool) -> Counter[Told]:
    """What the workload amounts to, told by MariaDB's envelopes, whose `before` is always there: creates and updates
    that change the status to something. It was the same in both databases.

    `rows_alone`: where nothing says what a record is, the first sight of a document is a milestone, too.
    """
    found: Counter[Told] = Counter()
    seen: set[str] = set()
    for record in read_recording(CAPTURED / "mariadb" / "documents-json.jsonl.gz"):
        envelope = json.loads(record.value or b"{}")
        table = (envelope.get("source") or {}).get("table")
        if table not in TRACKED or envelope.get("op") not in ("c", "u", "r"):
            continue
        before, after = envelope["before"] or {}, envelope["after"]
        is_first = rows_alone and envelope["op"] == "r" and after["name"] not in seen
        seen.add(after["name"])
        is_renamed = any(name == "__debezium.oldkey" for name, _ in record.headers)
        changed = envelope["op"] != "r" and not is_renamed and before.get("status") != after["status"]
        if after["status"] and (is_first or changed):
            found[TRACKED[table], after["name"], before.get("status"), after["status"]] += 1
    return found


def configured(deployment: Deployment, text: str) -> str:
    """Takes the example's lines into the configuration; returns the prefix that its topics have here."""
    prefix = deployment.topic
    said = yaml.safe_load(text.replace("erp\\.", f"{prefix}\\.").replace("topic: erp.", f"topic: {prefix}."))
    deployment.config["output"]["dead_letter_topic"] = f"{prefix}.dead-letter"
    deployment.config["input"] = {"create_topics": True, **said.get("input", {})}
    deployment.config["documents"] = said.get("documents", {})
    trackers = [{"document_type": name, "track_field": "status"} for name in TRACKED.values()]
    deployment.config["trackers"] = trackers
    return prefix


def feed(deployment: Deployment, prefix: str, records: Sequence[CapturedRecord]) -> None:
    """Sends recorded records to topics of the same names under this prefix, the database being called `shop`."""
    topics = {record.topic: _topic(record.topic, prefix) for record in records}
    for topic in set(topics.values()):
        deployment.kafka.create_topic(topic, 2, {"retention.ms": "-1"})
    producer = deployment.producer()
    for record in records:
        key = None if record.key is None else len(record.key) % 2
        producer.produce(topics[record.topic], record.value, record.key, key or 0, headers=list(record.headers))
    assert producer.flush(60) == 0


def _topic(recorded: str, prefix: str) -> str:
    rest = recorded.partition(".")[2].replace("erp.", "shop.", 1).replace("document-changes", "changes")
    return f"{prefix}.{rest}" if rest and not recorded.startswith("__") else f"{prefix}-beside"


def stored(deployment: Deployment) -> Counter[Told]:
    with psycopg.connect(deployment.dsn) as connection:
        rows = connection.execute(
            "select reference_type, reference_name, from_value, value from milestone where track_field = 'status'"
        ).fetchall()
    return Counter(tuple(row) for row in rows)


def run(deployment: Deployment, records: Sequence[CapturedRecord], text: str) -> None:
    prefix = configured(deployment, text)
    feed(deployment, prefix, records)
    migrate(deployment.dsn)
    deployment.finish()


@pytest.mark.parametrize(
    ("section", "number", "connector", "recording"),
    [
        ("One topic for all tables", 0, "mariadb", "one-topic-json"),
        ("One topic for all tables", 0, "postgres", "one-topic-json"),
        ("A topic for each table", 0, "mariadb", "documents-json"),
        ("A topic for each table", 0, "mariadb", "documents-json-schema"),
        ("A topic for each table", 0, "mariadb", "cloud-events-json"),
        ("A topic for each table", 0, "mariadb", "cloud-events-json-schema"),
        ("Flattened records with metadata", 0, "mariadb", "flat-fields-json"),
        ("Flattened records with metadata", 1, "mariadb", "flat-rewrite-with-tombstone-json"),
        ("Flattened records alone", 0, "mariadb", "flat-json"),
        ("JSON without schemas, in Debezium's default modes", 0, "mariadb", "documents-json"),
        ("PostgreSQL", 0, "postgres", "documents-json"),
        ("PostgreSQL", 0, "postgres", "flat-fields-json"),
        ("PostgreSQL", 0, "postgres", "cloud-events-json"),
    ],
)
def test_an_example_reads_what_the_connector_sent(
    deployment: Deployment, section: str, number: int, connector: str, recording: str
) -> None:
    run(deployment, list(read_recording(CAPTURED / connector / f"{recording}.jsonl.gz")), block(section, number))
    assert stored(deployment) == expected(rows_alone=recording == "flat-json")
    assert deployment.dead_letters() == []


# Avro: the recorded schemas are registered anew, and the records say the ids that they get.


@pytest.fixture(scope="module")
def registry() -> Iterator[RegistryService]:
    with closing(open_registry()) as service:
        yield service


def registered(
    registry: RegistryService, connector: str, used: Iterable[tuple[str, int]]
) -> Mapping[tuple[str, int], int]:
    """The new id of each of these recorded schemas, by kind of id and number."""
    recorded = json.loads((CAPTURED / connector / "registry.json").read_text(encoding="utf-8"))
    ids = {}
    with SchemaRegistryClient({"url": registry.confluent_api}) as client:
        for kind, number in used:
            subject = f"{connector}-{kind}-{number}"
            confluent = client.register_schema(subject, Schema(recorded[kind][str(number)], "AVRO"))
            meta = registry.ask(f"/apis/registry/v2/groups/default/artifacts/{subject}/meta")
            ids[kind, number] = confluent if kind == "ccompat" else meta[kind]
    return ids


def with_new_ids(record: CapturedRecord, ids: Mapping[tuple[str, int], int]) -> CapturedRecord:
    headers = []
    for name, text in record.headers:
        kind = name.rpartition(".")[2]
        is_id = name.startswith("apicurio.") and kind in ("globalId", "contentId")
        headers.append((name, ids[kind, int.from_bytes(text, "big")].to_bytes(8, "big") if is_id else text))
    has_headers = any(name.startswith("apicurio.") for name, _ in headers)
    key = record.key if has_headers else _rewritten(record.key, ids)
    value = record.value if has_headers else _rewritten(record.value, ids)
    return CapturedRecord(record.topic, record.partition, record.offset, key, value, tuple(headers), record.timestamp)


def _rewritten(part: bytes | None, ids: Mapping[tuple[str, int], int]) -> bytes | None:
    if part is None or part[:1] != b"\x00":
        return part
    return b"\x00" + ids["ccompat", int.from_bytes(part[1:5], "big")].to_bytes(4, "big") + part[5:]


@pytest.mark.all
@pytest.mark.parametrize(
    ("section", "connector", "recording"),
    [
        ("Avro", "mariadb", "documents-avro"),
        ("Avro", "mariadb", "documents-avro-confluent"),
        ("Flattened records in Avro", "mariadb", "flat-fields-avro"),
        ("Flattened records in Avro", "mariadb", "flat-fields-avro-confluent"),
    ],
)
def test_an_example_reads_what_the_connector_sent_in_avro(
    deployment: Deployment, registry: RegistryService, section: str, connector: str, recording: str
) -> None:
    recorded = list(read_recording(CAPTURED / connector / f"{recording}.jsonl.gz"))
    ids = registered(registry, connector, used_ids(recorded, confluent=recording.endswith("confluent")))
    records = [with_new_ids(record, ids) for record in recorded]
    url = "http://registry.example.org:8080/apis/ccompat/v7"
    run(deployment, records, block(section).replace(url, registry.confluent_api))
    assert stored(deployment) == expected(rows_alone=False)
    assert deployment.dead_letters() == []
