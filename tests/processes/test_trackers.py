"""Trackers change while a worker runs."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psycopg
import pytest

from tests.processes.truth import FIELD, UNTRACKED, Change, Reached, changes, milestones
from tests.processes.workers import Deployment

_ADD = "insert into milestone_tracker (name, document_type, track_field) values ('By hand', %s, %s)"
_DISABLE = "update milestone_tracker set disabled = true where name = 'Task-status'"
_STARTS = "select partition, first_offset from tracker_revision_start where revision = %s"
_CURRENT = "select revision from tracker_revision order by number desc limit 1"


def _starts(deployment: Deployment) -> dict[int, int]:
    """Where the revision in force began, by partition."""
    with psycopg.connect(deployment.dsn) as connection:
        revision = connection.execute(_CURRENT).fetchone()
        return dict(connection.execute(_STARTS, revision).fetchall())


def _changed(deployment: Deployment, statement: str, *values: str) -> None:
    with psycopg.connect(deployment.dsn) as connection:
        connection.execute(statement.encode(), values)


def _placed(stream: list[Change]) -> list[tuple[int, int, Change]]:
    ends = [0, 0]
    placed = []
    for change in stream:
        partition = change.partition(2)
        placed.append((partition, ends[partition], change))
        ends[partition] += 1
    return placed


def _right(stream: list[Change], began: dict[int, int], ended: dict[int, int]) -> list[Reached]:
    """With notes tracked from `began` on, and tasks until `ended`."""

    def counts(partition: int, offset: int, document_type: str) -> bool:
        if document_type == UNTRACKED:
            return offset >= began[partition]
        return document_type != "Task" or offset < ended[partition]

    return milestones((c for p, o, c in _placed(stream) if counts(p, o, c.document_type)), tracked=None)


@pytest.mark.fault("60", "rules changed and disabled in mid run")
def test_a_tracker_made_or_disabled_by_hand_takes_effect_without_a_restart(deployment: Deployment) -> None:
    stream = changes(4_000)
    deployment.create(partitions=2)
    deployment.feed(stream[:1_500])
    deployment.start()
    deployment.wait(lambda: min(deployment.stored().values(), default=0) > 50, "some of each partition are stored")
    _changed(deployment, _ADD, UNTRACKED, FIELD)
    deployment.feed(stream[1_500:2_500])
    deployment.wait_until_published()
    began = _starts(deployment)
    _changed(deployment, _DISABLE)
    deployment.feed(stream[2_500:])
    deployment.wait_until_published()
    ended = _starts(deployment)
    deployment.drain()

    assert began.keys() == ended.keys() == {0, 1}
    assert all(0 < began[partition] < ended[partition] for partition in (0, 1))
    deployment.assert_exactly(_right(stream, began, ended))


def test_trackers_that_keep_changing_hold_nobody_up(deployment: Deployment, native: bool) -> None:
    deployment.config["input"]["native"] = native
    deployment.config["processing"]["max_batch_records"] = 1_000
    stream = changes(10_000)
    deployment.create(partitions=2)
    deployment.feed(stream)
    done = Event()

    def change() -> None:
        with psycopg.connect(deployment.dsn, autocommit=True) as connection:
            connection.execute(_ADD, ("Nobody's", FIELD))
            disabled = False
            while not done.wait(0.05):
                disabled = not disabled
                connection.execute("update milestone_tracker set disabled = %s where name = 'By hand'", (disabled,))

    with ThreadPoolExecutor(1) as pool:
        deployment.start()
        deployment.wait(lambda: bool(deployment.stored()), "the worker has begun")
        changing = pool.submit(change)
        try:
            deployment.wait_until_published()
        finally:
            done.set()
        changing.result()
    deployment.drain()
    deployment.assert_exactly(milestones(stream))
