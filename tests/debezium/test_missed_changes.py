"""Changes that the log does not have, found by an incremental snapshot of the real connector."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

import psycopg
import pytest

from tests.debezium import documents, oracle
from tests.debezium.changes import ChangeStream
from tests.debezium.connectors import json_converter
from tests.debezium.oracle import Document, Reached
from tests.debezium.sources import MariaDBSource
from tests.processes.workers import Deployment
from tests.services import ConnectService, KafkaService, MariaDBService
from tests.services.service import wait_until

pytestmark = pytest.mark.all

_TRACKED = (("Task", "status"), ("Task", "exp_end_date"))
_CHUNK = 4  # As in tests/debezium/changes.py.

# Of this session alone: what follows is in the tables, and in no log. The database's triggers note it all the same.
_UNSEEN = ("SET sql_log_bin = 0", "UPDATE `tabTask` SET status = 'Unseen', exp_end_date = '2030-05-05'")

_MILESTONES = """
select reference_type, reference_name, track_field, from_value, value
from milestone order by origin_partition, origin_offset, id
"""

_WINDOWS = f"SELECT count(*) FROM {documents.SIGNALS} WHERE type = 'snapshot-window-close'"  # noqa: S608 - of names


def test_writes_kept_out_of_the_log_are_milestones_once_a_snapshot_has_read_them(
    mariadb: MariaDBService,
    kafka: KafkaService,
    topic: str,
    connect: ConnectService,
    deploy: Callable[[str], Deployment],
) -> None:
    within = topic.replace("-", "_")
    stream = ChangeStream(topic, MariaDBSource(mariadb, kafka, within), documents.MARIADB, within, seed=13)
    deployment = deploy(stream.topic)
    deployment.config["trackers"] = [{**one, "snapshot": "reconcile"} for one in oracle.trackers(_TRACKED)]
    deployment.create(partitions=1)
    stream.start(kafka, connect, json_converter(schemas=True))
    stream.work(30)
    stream.wait_until_sent(kafka, connect)
    deployment.finish()

    stream.source.run(_UNSEEN)
    for _ in range(2):
        _read_again(stream, within)
    stream.work(30)
    stream.wait_until_sent(kafka, connect)
    deployment.finish()

    logged = oracle.milestones(stream.source, _TRACKED)
    assert [one.value for some in logged.values() for one in some].count("Unseen") > 10
    assert _by_document(deployment) == logged
    assert deployment.dead_letters() == []
    assert len(deployment.events()) == sum(map(len, logged.values()))


def _read_again(stream: ChangeStream, within: str) -> None:
    """An incremental snapshot of all tasks, from its signal to its last window."""
    source = stream.source
    windows = source.ask(_WINDOWS)[0][0] + ceil(source.ask("SELECT count(*) FROM `tabTask`")[0][0] / _CHUNK)
    source.run([f"DELETE FROM {documents.SIGNALS} WHERE id = 'ask-again'"])  # noqa: S608 - of names
    source.run([documents.snapshot_signal(documents.MARIADB, within, "tabTask")])
    wait_until(lambda: source.ask(_WINDOWS)[0][0] >= windows, timeout_s=120, what=f"{windows} windows are closed")


def _by_document(deployment: Deployment) -> dict[Document, list[Reached]]:
    found: dict[Document, list[Reached]] = {}
    with psycopg.connect(deployment.dsn) as connection:
        rows: list[tuple[Any, ...]] = connection.execute(_MILESTONES).fetchall()
    for document_type, name, field, from_value, value in rows:
        found.setdefault((document_type, name, field), []).append(Reached(from_value, value))
    return found
