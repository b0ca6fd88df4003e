"""/metrics, /livez and /readyz."""

import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families

from consumer.errors import ConfigError
from consumer.probes import Probes

LOOP = "milestones_worker_last_loop_timestamp_seconds"
READY = "milestones_worker_ready"
STUCK = "milestones_partition_stuck_seconds"


class Machine:
    """The workers of one machine, as they show themselves."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.loop = Gauge(LOOP, "When a worker last went round its loop.", registry=self.registry)
        self.ready = Gauge(READY, "1 while a worker can store and publish.", registry=self.registry)
        self.stuck = Gauge(STUCK, "Time since `published` moved.", ["topic", "partition"], registry=self.registry)
        self.probes = Probes("127.0.0.1", 0, self.registry)

    def get(self, path: str) -> tuple[int, str]:
        with closing(HTTPConnection("127.0.0.1", self.probes.port, timeout=10)) as connection:
            connection.request("GET", urlsplit(path).geturl())
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine()
    with closing(machine.probes):
        yield machine


def test_metrics_are_in_prometheus_form(machine: Machine) -> None:
    machine.ready.set(1)
    status, text = machine.get("/metrics")
    values = {s.name: s.value for family in text_string_to_metric_families(text) for s in family.samples}
    assert (status, values[READY]) == (200, 1.0)


def test_a_worker_is_alive_while_it_goes_round_its_loop(machine: Machine) -> None:
    machine.loop.set(time.time())
    assert machine.get("/livez") == (200, "ok\n")
    machine.loop.set(time.time() - 3_600)
    assert machine.get("/livez") == (503, "not ok\n")


def test_a_worker_that_has_not_begun_is_alive_and_not_ready(machine: Machine) -> None:
    assert machine.get("/livez") == (200, "ok\n")
    assert machine.get("/readyz") == (503, "not ok\n")


def test_a_worker_is_ready_while_it_says_so(machine: Machine) -> None:
    machine.ready.set(1)
    assert machine.get("/readyz") == (200, "ok\n")
    machine.ready.set(0)
    assert machine.get("/readyz") == (503, "not ok\n")


def test_a_partition_that_stands_still_is_named_and_its_worker_stays_alive_and_ready(machine: Machine) -> None:
    machine.loop.set(time.time())
    machine.ready.set(1)
    for number, seconds in (("10", 75.4), ("9", 61), ("2", 59), ("3", 0)):
        machine.stuck.labels("erp.changes", number).set(seconds)
    told = "nothing was published for {} s, though more is there"
    lines = ["ok", f"erp.changes-9: {told.format(61)}", f"erp.changes-10: {told.format(75)}", ""]
    assert machine.get("/livez") == (200, "\n".join(lines))
    assert machine.get("/readyz") == (200, "ok\n")
    machine.loop.set(time.time() - 3_600)
    assert machine.get("/livez") == (503, "\n".join(["not ok", *lines[1:]]))


def test_another_path_is_answered_with_those_that_there_are(machine: Machine) -> None:
    assert machine.get("/") == (404, "try /metrics, /livez or /readyz\n")


def test_a_port_that_is_taken_is_a_config_error(machine: Machine) -> None:
    with pytest.raises(ConfigError, match=r"metrics\.port: 127\.0\.0\.1:.*; choose another"):
        Probes("127.0.0.1", machine.probes.port, machine.registry)
