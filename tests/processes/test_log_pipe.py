"""A worker whose log cannot be written: a closed pipe, one that nobody reads, a full disk. It works, and ends well."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.processes.truth import changes, milestones
from tests.processes.workers import Deployment
from tests.services.server_process import LOOPBACK, free_port

Broken = Callable[[], AbstractContextManager[int]]


@contextmanager
def closed_pipe() -> Iterator[int]:
    """Its reader is gone."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@contextmanager
def full_pipe() -> Iterator[int]:
    """Its reader does not read, and there is no room left."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4_096)
    os.set_blocking(writing, True)
    yield writing
    os.close(reading)
    os.close(writing)


@contextmanager
def full_disk() -> Iterator[int]:
    """No space left on device."""
    with Path("/dev/full").open("wb") as full:
        yield full.fileno()


def _dropped(port: int) -> int:
    connection = HTTPConnection(LOOPBACK, port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = re.search(r"^milestones_log_lines_dropped_total (\S+)", text, re.MULTILINE)
    assert found is not None, text
    return int(float(found[1]))


@pytest.mark.fault("47", "its own log cannot be written")
@pytest.mark.parametrize("broken", [closed_pipe, full_pipe, full_disk], ids=lambda broken: broken.__name__)
def test_a_worker_whose_log_cannot_be_written_works_and_ends_well(deployment: Deployment, broken: Broken) -> None:
    if broken is full_disk and not Path("/dev/full").exists():
        pytest.skip("this system has no disk that is always full")
    port = free_port()
    deployment.config["metrics"] = {"port": port}
    stream = changes(500)
    deployment.create(partitions=2)
    deployment.feed(stream)
    with broken() as output:
        worker = deployment.start(output=output)
        deployment.wait_until_published()
        # At the start it says which trackers it applied. What waits in a full pipe is not lost yet.
        assert broken is full_pipe or _dropped(port) > 0
        worker.terminate()
        assert worker.ended(20) == 0
    deployment.assert_exactly(milestones(stream))


@pytest.mark.fault("47", "its own log cannot be written")
@pytest.mark.parametrize("broken", [closed_pipe, full_pipe], ids=lambda broken: broken.__name__)
def test_a_worker_that_cannot_say_why_it_stops_does_stop(deployment: Deployment, broken: Broken) -> None:
    deployment.config["input"]["create_topics"] = False
    deployment.create(partitions=1)
    with broken() as output:
        assert deployment.start(output=output).ended(20) == 1


@pytest.mark.fault("47", "its own log cannot be written")
def test_a_supervised_worker_whose_log_cannot_be_written_works_and_ends_well(deployment: Deployment) -> None:
    stream = changes(500)
    deployment.create(partitions=2)
    deployment.feed(stream)
    with full_pipe() as output:
        supervisor = deployment.start("--workers", "2", output=output)
        deployment.wait_until_published()
        supervisor.terminate()
        assert supervisor.ended(20) == 0
    deployment.assert_exactly(milestones(stream))
