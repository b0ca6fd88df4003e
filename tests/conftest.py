"""Fixtures for real servers (see `tests/services`). A test asks for what it needs, and each starts once per run."""

import os
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.faults.plugin import (  # noqa: F401 - hooks of pytest
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_generate_tests,
    pytest_runtest_makereport,
    pytest_runtest_setup,
)
from tests.services import KafkaService, PostgresService, open_kafka, open_postgres


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaService]:
    """The run's Kafka, shared by all tests: never harm it, and name topics by `topic`."""
    with closing(open_kafka()) as service:
        yield service


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresService]:
    """The run's PostgreSQL, shared by all tests: never harm it, and use `database`."""
    with closing(open_postgres()) as service:
        yield service


@pytest.fixture
def own_kafka() -> Iterator[KafkaService]:
    """A Kafka of this test's own, which may be killed and restarted."""
    with closing(open_kafka(private=True)) as service:
        yield service


@pytest.fixture
def own_postgres() -> Iterator[PostgresService]:
    """A PostgreSQL of this test's own, which may be killed and restarted."""
    with closing(open_postgres(private=True)) as service:
        yield service


@pytest.fixture
def database(postgres: PostgresService) -> Iterator[str]:
    """The DSN of an empty database, dropped afterwards whoever is still connected."""
    dsn = postgres.create_database()
    yield dsn
    postgres.drop_database(dsn)


@pytest.fixture
def topic() -> str:
    """A name that no other test has, for a topic or as the beginning of several."""
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI nothing may be skipped: a skipped test would look like a passed one."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if reporter and skipped and os.environ.get("MILESTONES_REQUIRE_SERVERS") == "1":
        reporter.write_line(f"\n{len(skipped)} skipped, which MILESTONES_REQUIRE_SERVERS=1 forbids", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
