"""`examples/approval.py` on events in both formats, from a real worker and a real registry."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.processes.truth import changes
from tests.processes.workers import Deployment
from tests.services import KafkaService, RegistryService, open_registry
from tests.services.service import wait_until

pytestmark = pytest.mark.all

EXAMPLE = Path(__file__).parents[2] / "examples" / "approval.py"


@pytest.fixture
def registry() -> Iterator[RegistryService]:
    with closing(open_registry()) as service:
        yield service


@pytest.fixture
def deployment(kafka: KafkaService, database: str, topic: str, tmp_path: Path) -> Iterator[Deployment]:
    deployed = Deployment(kafka, database, topic, tmp_path)
    yield deployed
    deployed.close()


def announced(deployment: Deployment, registry: RegistryService) -> str:
    """Milestones in JSON, then more of them in Avro; the name of a tracker that has both."""
    stream = changes(600)
    deployment.create(partitions=2)
    for format_, some in (("json", stream[:300]), ("avro", stream[300:])):
        output = {"format": format_, "registry": {"url": registry.confluent_api}, "register_schema": True}
        deployment.config["output"] |= output
        deployment.feed(some)
        deployment.finish()
    with psycopg.connect(deployment.dsn) as connection:
        row = connection.execute("select milestone_tracker from milestone group by 1 order by count(*) desc").fetchone()
    assert row is not None
    return str(row[0])


def command(deployment: Deployment, tracker: str, *more: str) -> list[str]:
    topic = f"{deployment.topic}-reached"
    servers = deployment.kafka.bootstrap_servers
    options = ["--tracker", tracker, "--dsn", deployment.dsn, "--topic", topic, "--group", topic]
    return [sys.executable, str(EXAMPLE), *options, "--bootstrap-servers", servers, *more]


def ids(deployment: Deployment, query: str, *values: str) -> list[str]:
    with psycopg.connect(deployment.dsn) as connection:
        return [str(row[0]) for row in connection.execute(query, values).fetchall()]


def test_approvals_are_requested_for_events_of_both_formats(deployment: Deployment, registry: RegistryService) -> None:
    tracker = announced(deployment, registry)
    expected = ids(deployment, "select id from milestone where milestone_tracker = %s and announce", tracker)
    assert len(expected) > 20
    subscriber = subprocess.Popen(command(deployment, tracker, "--registry", registry.confluent_api))
    try:
        query = "select to_regclass('approval_request') is not null"
        wait_until(lambda: ids(deployment, query) == ["True"], timeout_s=30.0, what="the table is made")
        requested = "select id from approval_request"
        wait_until(lambda: set(ids(deployment, requested)) >= set(expected), timeout_s=30.0, what="all requests")
    finally:
        subscriber.kill()
        subscriber.wait()
    assert sorted(ids(deployment, requested)) == sorted(expected)


def test_avro_without_a_registry_ends_with_a_word_on_what_to_do(
    deployment: Deployment, registry: RegistryService
) -> None:
    tracker = announced(deployment, registry)
    done = subprocess.run(command(deployment, tracker), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "name the schema registry with --registry" in done.stderr
