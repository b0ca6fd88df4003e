"""What docker-compose.yml mounts, on real servers without Docker: from a row in MariaDB to its milestone."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from pymysql.constants import CLIENT

from consumer.postgres.migrate import migrate
from tests.processes.readings import ends
from tests.services import KafkaService, open_connect, open_kafka, open_mariadb, open_registry
from tests.services.connect import ConnectService
from tests.services.mariadb import MariaDBService
from tests.services.registry import RegistryService
from tests.services.service import wait_until
from tests.test_compose import COMPOSE, CONNECTORS, REPOSITORY, SERVICES, mounted

pytestmark = pytest.mark.all

HARD_TO_QUOTE = r"""it's a "\ $(demo)"""
# Not debezium, as in the script: in tests that is the administrator's name.
USER = "demo_reader"
ROWS = 7
CHANGES = (
    "update `tabTask` set status = 'Completed', modified_by = 'ada@example.com' where name = 'TASK-2026-00002'",
    "update `tabSales Order` set billing_status = 'Fully Billed', status = 'Completed' where status = 'To Bill'",
    "update `tabProject` set status = null",
    "update `tabProject` set status = 'Open'",
    "delete from `tabIssue`",
)
RECORDS = ROWS + len(CHANGES) + 1
"""A delete is followed by its tombstone."""

REACHED = [
    ("Sales Order", "SAL-ORD-2026-00002", "billing_status", "Partly Billed", "Fully Billed"),
    ("Sales Order", "SAL-ORD-2026-00002", "status", "To Bill", "Completed"),
    ("Task", "TASK-2026-00002", "status", "Open", "Completed"),
]
FROM_NULL = ("Project", "PROJ-0001", "status", None, "Open")


class Line(NamedTuple):
    """The servers of the line, but for PostgreSQL."""

    mariadb: MariaDBService
    kafka: KafkaService
    registry: RegistryService
    connect: ConnectService


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    """Set as docker-compose.yml sets them; Connect alone knows the password."""
    command = [part.removeprefix("--").split("=", 1) for part in SERVICES["mariadb"]["command"]]
    settings = {
        name.removeprefix("CONNECT_").lower().replace("_", "."): value
        for name, value in SERVICES["connect"]["environment"].items()
        if name.startswith("CONNECT_CONFIG_PROVIDERS")
    }
    with ExitStack() as stack, pytest.MonkeyPatch.context() as environment:
        environment.setenv("DEBEZIUM_PASSWORD", HARD_TO_QUOTE)
        mariadb = stack.enter_context(closing(open_mariadb(private=True, settings=dict(command))))
        kafka = stack.enter_context(closing(open_kafka(private=True)))
        registry = stack.enter_context(closing(open_registry(private=True)))
        yield Line(mariadb, kafka, registry, stack.enter_context(closing(open_connect(kafka, settings))))


@pytest.fixture
def tables(line: Line, tmp_path: Path) -> Iterator[None]:
    """The demo's database and Debezium's user, by the scripts that the image reads."""
    database = SERVICES["mariadb"]["environment"]["MARIADB_DATABASE"]
    line.mariadb.create_database(database)
    _execute(line, (REPOSITORY / "deploy" / "mariadb" / "10-tables.sql").read_text(encoding="utf-8"))
    _execute(line, _user_statements(database, tmp_path / "user.sql").replace("debezium@", f"{USER}@"))
    yield
    _execute(line, f"drop user {USER}@'%'")
    line.mariadb.drop_database(database)


def _user_statements(database: str, seen: Path) -> str:
    script = mounted("mariadb", "/docker-entrypoint-initdb.d/20-debezium-user.sh")
    environment = {"DEBEZIUM_PASSWORD": HARD_TO_QUOTE, "MARIADB_DATABASE": database, "SEEN": str(seen)}
    command = f'set -eu; docker_process_sql() {{ cat > "$SEEN"; }}; . {script}'
    subprocess.run(["bash", "-c", command], check=True, env={**os.environ, **environment})
    return seen.read_text(encoding="utf-8")


def _execute(line: Line, statements: str) -> None:
    database = SERVICES["mariadb"]["environment"]["MARIADB_DATABASE"]
    session = line.mariadb.connect(database, client_flag=CLIENT.MULTI_STATEMENTS)
    with session as connection, connection.cursor() as cursor:
        cursor.execute(statements)
        while cursor.nextset():
            pass


def _connector(line: Line, name: str, topic: str) -> dict[str, str]:
    """The connector with this test's addresses instead of the services' names."""
    at = line.mariadb.address
    here = {
        "database.hostname": at.host,
        "database.port": str(at.port),
        "database.user": USER,
        "schema.history.internal.kafka.bootstrap.servers": line.kafka.bootstrap_servers,
        "schema.history.internal.kafka.topic": f"{topic}.schema-history",
        "transforms.route.replacement": topic,
    }
    assert set(here) <= set(CONNECTORS[name])
    return {
        key: value.replace("http://registry:8080", line.registry.url)
        for key, value in {**CONNECTORS[name], **here}.items()
    }


def _records(line: Line, topic: str) -> int:
    return sum(ends(line.kafka.bootstrap_servers, topic).values())


def _consume(line: Line, dsn: str, topic: str) -> None:
    """`milestones run --until-end` with config.yaml as it is."""
    migrate(dsn)
    environment = {
        "POSTGRES_DSN": dsn,
        "KAFKA_BOOTSTRAP_SERVERS": line.kafka.bootstrap_servers,
        "MILESTONES__INPUT__TOPIC": topic,
        "MILESTONES__INPUT__REGISTRY__URL": line.registry.confluent_api,
        "MILESTONES__OUTPUT__TOPIC": f"{topic}-reached",
        "MILESTONES__METRICS__ENABLED": "false",
    }
    command = [sys.executable, "-m", "consumer", "run", "--until-end"]
    ran = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **environment}, check=False, capture_output=True)
    assert ran.returncode == 0, ran.stderr.decode()[-4_000:]


@pytest.mark.parametrize("name", CONNECTORS)
@pytest.mark.usefixtures("tables")
def test_a_changed_row_becomes_its_milestone(line: Line, database: str, topic: str, name: str) -> None:
    line.kafka.create_topic(topic, partitions=int(COMPOSE["services"]["kafka"]["environment"]["KAFKA_NUM_PARTITIONS"]))
    line.connect.add({topic: _connector(line, name, topic)})
    try:
        wait_until(lambda: _records(line, topic) == ROWS, timeout_s=60.0, what="the tables are read")
        for change in CHANGES:
            _execute(line, change)
        wait_until(lambda: _records(line, topic) == RECORDS, timeout_s=60.0, what="the changes are read")
    finally:
        line.connect.remove(topic)
    _consume(line, database, topic)
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "select reference_type, reference_name, track_field, from_value, value from milestone order by 1, 2, 3"
        ).fetchall()
        assert connection.execute("select error_class, message from dead_letter").fetchall() == []
    # Apicurio's converter shows NULL as the column's DEFAULT: docs/compose.md says so.
    assert found == ([FROM_NULL] if name == "connector.json" else []) + REACHED


@pytest.mark.parametrize("name", CONNECTORS)
@pytest.mark.usefixtures("tables")
def test_debezium_knows_every_property_of_its_own_and_finds_no_fault(line: Line, topic: str, name: str) -> None:
    connector = _connector(line, name, topic)
    answer = _validated(line, {**connector, "name": topic})
    assert [each["value"]["errors"] for each in answer["configs"] if each["value"]["errors"]] == []
    known = {each["definition"]["name"] for each in answer["configs"]}
    elsewhere = ("schema.history.internal.", "topic.creation.", "key.converter.", "value.converter.")
    assert [key for key in connector if key not in known and not key.startswith(elsewhere)] == []


def _validated(line: Line, connector: dict[str, str]) -> dict[str, Any]:
    plugin = connector["connector.class"].rpartition(".")[2]
    request = urllib.request.Request(  # noqa: S310 - of a server on this machine
        f"{line.connect.url}/connector-plugins/{plugin}/config/validate",
        json.dumps(connector).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=60.0) as answer:  # noqa: S310
        validated: dict[str, Any] = json.loads(answer.read())
    return validated
