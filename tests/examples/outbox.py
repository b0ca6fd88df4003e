"""The application's side of `examples/producer.py`: its outbox, and the producer as a process to be killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from tests.processes.truth import FIELD, Change
from tests.services import KafkaService

EXAMPLE = Path(__file__).parents[2] / "examples" / "producer.py"
_PAGE = Path(__file__).parents[2] / "docs" / "producing.md"
_STARTED_AT = datetime(2026, 11, 23, 10, tzinfo=UTC)


def make_outbox(dsn: str) -> None:
    """The table, as the docs make it."""
    sql = _PAGE.read_text(encoding="utf-8").partition("```sql\n")[2].partition("```")[0]
    assert "create table document_outbox" in sql
    with psycopg.connect(dsn) as connection:
        connection.execute(sql.encode())


def write(dsn: str, stream: Iterable[Change], pause_s: float = 0.0) -> None:
    """One transaction a change, with pauses between them."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for change in stream:
            connection.execute(
                "insert into document_outbox (name, change) values (%s, %s)",
                (change.name, json.dumps(document_change(change))),
            )
            time.sleep(pause_s)


def document_change(change: Change) -> dict[str, Any]:
    """The minimal form of a change; every third update leaves `before` out."""
    told: dict[str, Any] = {
        "op": change.op,
        "after": None if change.op == "d" else {FIELD: change.after, "modified_by": "jane@example.com"},
        "source": {
            "document_type": change.document_type,
            "id": change.gtid,
            "time": (_STARTED_AT + timedelta(milliseconds=change.number)).isoformat(),
        },
    }
    if change.op in ("u", "d") and change.number % 3:
        told["before"] = {FIELD: change.before}
    return told


def unsent(dsn: str) -> int:
    """Rows in the outbox."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select count(*) from document_outbox").fetchone()
    return int(row[0]) if row else 0


@contextmanager
def producing(kafka: KafkaService, dsn: str, topic: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The example at work; SIGKILL ends it."""
    environment = {"POSTGRES_DSN": dsn, "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "TOPIC": topic}
    process = subprocess.Popen([sys.executable, str(EXAMPLE)], env={**os.environ, **environment})
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
