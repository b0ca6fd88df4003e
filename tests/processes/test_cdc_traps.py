"""What real change streams do, where only real servers and processes prove what follows; see docs/formats.md."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from random import Random
from string import ascii_letters

import pytest

from tests.processes.readings import assert_announced, assert_rows
from tests.processes.truth import FIELD, Change, Reached, changes, milestones
from tests.processes.workers import Deployment, WorkerProcess


def _finished(deployment: Deployment) -> WorkerProcess:
    """A worker that worked off what there is."""
    worker = deployment.start("--until-end")
    assert worker.ended() == 0, worker.log[-4_000:]
    return worker


def _logged(worker: WorkerProcess, event: str) -> list[str]:
    return [line for line in worker.log.splitlines() if event in line]


def _send(deployment: Deployment, *values: bytes, key: bytes | None = None, headers: Mapping[str, bytes] = {}) -> None:
    """Records as they are, to partition 0."""
    producer = deployment.producer()
    for value in values:
        producer.produce(deployment.topic, value, key, 0, headers=list(headers.items()))
    assert producer.flush(60) == 0


def _place(read: Change) -> str:
    """The identity of a snapshot's read, which belongs to no transaction."""
    source = json.loads(read.value)["source"]
    return ":".join(str(source[part]) for part in ("server_id", "file", "pos", "row", "ts_ms"))


def test_trap_03_a_snapshot_that_differs_is_a_missed_change_stored_and_announced_once(deployment: Deployment) -> None:
    """Two documents changed unseen; a snapshot reads them, then once more, and the worker dies in between."""
    deployment.config["trackers"] = [{"document_type": "Task", "track_field": FIELD, "snapshot": "reconcile"}]
    deployment.create(partitions=1)
    names = [f"TAS-{n}" for n in range(4)]
    begun = [Change(n, "c", "Task", name, None, "Draft") for n, name in enumerate(names, 1)]
    values = ["Draft", "Completed", "Draft", "Review"]
    reads = [
        Change(round_ * 10 + n, "r", "Task", name, None, value)
        for round_ in (1, 2)
        for n, (name, value) in enumerate(zip(names, values, strict=True))
    ]
    deployment.feed([*begun, *reads[:4]])
    assert deployment.start(fault="stored:1:kill").ended() == -9
    deployment.finish()
    deployment.feed(reads[4:])
    quiet = _finished(deployment)
    found = [Reached("Task", names[n], "Draft", values[n], _place(reads[n]), 2) for n in (1, 3)]
    deployment.assert_exactly([*milestones(begun), *found])
    assert _logged(quiet, "changes were missed") == []

    deployment.feed([Change(30 + n, "r", "Task", name, None, "Working") for n, name in enumerate(names)])
    told = _logged(_finished(deployment), "changes were missed")
    assert len(told) == 1
    assert "Task.status" in told[0]
    assert not re.search("Working|TAS-", told[0])


@pytest.mark.fault("43", "a restarted source")
def test_trap_05_what_a_restarted_source_sends_again_is_stored_and_announced_once(deployment: Deployment) -> None:
    """Everything is delivered twice, the second time to another partition as well, while workers are killed."""
    stream = changes(900)
    deployment.create(partitions=3)
    deployment.feed(stream[:600])
    assert deployment.start(fault="stored:4:kill").ended() == -9
    deployment.feed(stream[300:600])
    deployment.feed(stream[:600], lambda change: [(change.partition(3) + 1) % 3])
    assert deployment.start(fault="produced:3:kill").ended() == -9
    deployment.feed(stream[600:])
    deployment.finish()
    deployment.assert_exactly(milestones(stream), in_order=False)


def test_trap_13_a_column_that_vanishes_is_told_once_and_changes_nothing(deployment: Deployment) -> None:
    deployment.config["processing"]["max_batch_records"] = 10
    deployment.create(partitions=1)
    before = [Change(n, "u", "Task", f"TAS-{n % 5}", "Draft", "Open") for n in range(1, 6)]
    deployment.feed(before)
    for n in range(10, 60):
        change = Change(n, "u", "Task", f"TAS-{n % 5}", "Open", "Open")
        _send(deployment, change.value.replace(b'"status":', b'"state":'), key=change.key)
    after = [Change(n, "u", "Task", f"TAS-{n % 5}", "Open", "Review") for n in range(100, 105)]
    deployment.feed(after)
    told = _logged(_finished(deployment), "a tracked column is not in the records")
    deployment.assert_exactly(milestones([*before, *after]))
    assert len(told) == 1
    assert "Task" in told[0]


def test_trap_15_partitions_that_are_added_move_keys_and_each_document_keeps_its_order(deployment: Deployment) -> None:
    """To a multiple: else keys move between partitions that were there before, too, and nobody can tell the order."""
    stream = changes(900)
    deployment.create(partitions=2)
    deployment.feed(stream[:200])
    deployment.finish()
    deployment.feed(stream[200:700])
    deployment.add_partitions(4)
    deployment.feed(stream[700:])
    deployment.finish()
    deployment.assert_exactly(milestones(stream))


def _refused_by_an_index() -> tuple[bytes, bytes, dict[str, bytes]]:
    """Half a rename whose names and identity are each short enough, and together too long for a btree (54000)."""
    draw = Random(1)
    old, new = ("".join(draw.choices(ascii_letters, k=990)) for _ in range(2))
    identity = "".join(chr(draw.randrange(0x20000, 0x2A000)) for _ in range(1_000))
    source = {"document_type": "Task", "id": identity, "time": "2026-11-23T10:00:00Z"}
    value = json.dumps({"op": "c", "after": {FIELD: "Open"}, "source": source}).encode()
    return value, new.encode(), {"__debezium.oldkey": old.encode()}


@pytest.mark.fault("55", "a row that PostgreSQL refuses among 10,000")
def test_trap_16_what_postgresql_refuses_is_one_dead_letter_and_ten_thousand_others_go_on(
    deployment: Deployment,
) -> None:
    """In one batch: texts that are refused before they are sent, and one row that only PostgreSQL can refuse."""
    deployment.config["processing"]["max_batch_records"] = 20_000
    stream = changes(10_000)
    deployment.create(partitions=1)
    deployment.feed(stream[:5_000])
    good = Change(20_000, "u", "Task", "TAS-BAD", "Open", "Working")
    for text in (rb'"a\u0000b"', rb'"\ud800"'):
        _send(deployment, good.value.replace(b'"Working"', text), key=good.key)
    _send(deployment, good.value, key=b"a\x00b")
    value, key, headers = _refused_by_an_index()
    _send(deployment, value, key=key, headers=headers)
    deployment.feed(stream[5_000:])
    deployment.finish()
    reasons = sorted(str(letter.reason("error.class")) for letter in deployment.dead_letters())
    assert reasons == ["BadValue", "BadValue", "MalformedRecord", "RefusedByDatabase"]
    assert any("54000" in str(letter.reason("error.message")) for letter in deployment.dead_letters())
    rows = deployment.rows()
    assert_rows(rows, milestones(stream))
    assert_announced(deployment.events(), rows)
