"""The tap: clients that compiled code reads from, in processes that come to their end whatever is done to them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import consumer
from consumer.native import envelopes
from tests.processes.workers import Deployment

pytestmark = pytest.mark.skipif(envelopes is None, reason="needs what is compiled")

_OPEN = """
import sys
import confluent_kafka.cimpl
from confluent_kafka import Consumer, TopicPartition
from consumer.native import envelopes, library
servers, topic = sys.argv[1:]
assert envelopes.find_client(confluent_kafka.cimpl.__file__)
client = Consumer({"bootstrap.servers": servers, "group.id": "g", "plugin.library.paths": library})
tap = envelopes.open_tap(client)
assert envelopes.forward(tap, topic, 0)
client.assign([TopicPartition(topic, 0, 0)])
count, size, records, *_ = envelopes.take(tap, None, None, ((topic, 0, 0),), 1, 1 << 20, 20_000)
assert (count, size, records[0].value()) == (1, 2, b"{}")
"""
_ENDINGS = {
    "closed in order": "envelopes.close_tap(tap); client.close()",
    "closed twice": "envelopes.close_tap(tap); envelopes.close_tap(tap); client.close()",
    "the client is let go first": "del client; del tap",
    "both are left at the end": "",
}
_NOT_ASKED = """
from confluent_kafka import Consumer
from consumer.native import library
Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "plugin.library.paths": library}).close()
"""
_THROUGH_A_LINK = """
import os, shutil, sys
sys.path.insert(0, sys.argv[1])
from consumer.kafka.consumer_errors import Troubles
from consumer.kafka.intake import NativeIntake, for_intake, reader_of
from consumer.kafka.sorting import Sorting
from consumer.native import library
assert library.startswith(sys.argv[1])
shutil.copy(library, library + ".new")
os.replace(library + ".new", library)
settings = for_intake({"bootstrap.servers": "127.0.0.1:1", "group.id": "g"}, native=True)
troubles = Troubles()
client, intake = reader_of(settings, {}, troubles.notice, Sorting({}, troubles), troubles)
assert type(intake) is NativeIntake
intake.close()
client.close()
"""


def _run(program: str, *arguments: str) -> None:
    """In a process of its own, which must come to its end."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(consumer.__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("ending", _ENDINGS.values(), ids=[*_ENDINGS])
def test_a_client_that_is_read_from_ends_whatever_is_forgotten(deployment: Deployment, ending: str) -> None:
    deployment.create(1)
    producer = deployment.producer()
    for _ in range(1_000):
        producer.produce(deployment.topic, b"{}", b"{}", 0)
    assert producer.flush(30) == 0
    _run(_OPEN + ending, deployment.kafka.bootstrap_servers, deployment.topic)


def test_the_plugin_does_nothing_for_a_client_that_nobody_asked_it_for() -> None:
    _run(_NOT_ASKED)


def test_the_plugin_is_the_module_by_whatever_path_it_was_imported(tmp_path: Path) -> None:
    package = Path(consumer.__file__).parent
    there = tmp_path / "there"
    there.mkdir()
    shutil.copytree(package, there / "consumer", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "a link").symlink_to(there)
    _run(_THROUGH_A_LINK, str(tmp_path / "a link"))
