"""Nothing but poison: a breaker stops the flood, and once the cause is put right, the worker goes on from there."""

import psycopg
import pytest

from tests.processes.readings import assert_announced, assert_rows
from tests.processes.truth import UNTRACKED, Change, changes, milestones
from tests.processes.workers import Deployment, WorkerProcess

_REFUSING = """
create function refuse() returns trigger language plpgsql as
    $$ begin perform pg_sleep({seconds}); raise exception 'no' using errcode = '23514'; end $$;
create trigger refuse before insert on milestone for each row execute function refuse()
"""


def _stopped(deployment: Deployment) -> WorkerProcess:
    worker = deployment.start()
    assert worker.ended() == 1, worker.log[-4_000:]
    assert "Traceback" not in worker.log
    return worker


@pytest.mark.fault("40", "nothing but poison: too many in a row")
def test_a_stream_that_a_wrong_setting_makes_unreadable_is_a_stop_and_read_once_it_is_put_right(
    deployment: Deployment,
) -> None:
    deployment.config["processing"]["max_batch_records"] = 10_000
    stream = changes(1_200)
    deployment.create(partitions=2)
    deployment.feed(stream)
    deployment.config["input"]["format"] = "cloudevents"
    worker = _stopped(deployment)
    for told in (deployment.topic, "offset", "in a row", "MalformedRecord", "milestones doctor", "max_dead_letter_run"):
        assert told in worker.log
    deployment.config["input"]["format"] = "auto"
    deployment.finish()
    deployment.assert_exactly(milestones(stream))


@pytest.mark.fault("40", "some poison among many records that say nothing")
def test_a_few_bad_records_among_many_that_nobody_tracks_are_no_flood(deployment: Deployment, native: bool) -> None:
    deployment.config["input"]["native"] = native
    deployment.config["processing"] |= {"max_batch_records": 10_000, "max_dead_letter_run": 20}
    deployment.create(partitions=1)
    untracked = next(change for change in changes(100) if change.document_type == UNTRACKED and change.op == "u")
    producer = deployment.producer()
    for _ in range(550):
        producer.produce(deployment.topic, b'{"op":"u",', b"bad", 0)
        for _ in range(4):
            producer.produce(deployment.topic, untracked.value, untracked.key, 0)
    assert producer.flush(60) == 0
    deployment.finish()
    assert deployment.stored() == {0: 2_750}
    assert len(deployment.dead_letters()) == 550


@pytest.mark.fault("40", "too large a share of poison")
def test_a_share_of_bad_records_that_is_too_large_is_a_stop_and_what_was_stored_before_stays(
    deployment: Deployment,
) -> None:
    deployment.config["processing"] |= {"max_dead_letter_ratio": 0.2, "dead_letter_window": 100}
    stream = changes(400)
    deployment.create(partitions=1)
    deployment.feed(stream)
    producer = deployment.producer()
    for _ in range(30):
        producer.produce(deployment.topic, b"{", b"bad", 0)
    assert producer.flush(60) == 0
    assert "21 of the last 100 records" in _stopped(deployment).log
    before = len(deployment.dead_letters())
    assert before < 21
    deployment.config["processing"]["max_dead_letter_ratio"] = 0
    deployment.finish()
    assert len(deployment.dead_letters()) == 30
    rows = deployment.rows()
    assert_rows(rows, milestones(stream))
    assert_announced(deployment.events(), rows)


def _refused(deployment: Deployment, count: int, seconds: float) -> list[Change]:
    """Feeds that many changes in a row whose rows PostgreSQL refuses, each after so long."""
    stream = [Change(n, "c", "Task", f"BAD-{n:05d}", None, "Open") for n in range(1, count + 1)]
    deployment.create(partitions=1)
    with psycopg.connect(deployment.dsn) as connection:
        connection.execute(_REFUSING.format(seconds=seconds).encode())
    deployment.feed(stream)
    return stream


@pytest.mark.fault("55", "nothing but rows that PostgreSQL refuses")
def test_rows_that_postgres_refuses_one_after_the_other_are_a_stop_too(deployment: Deployment) -> None:
    deployment.config["processing"]["max_dead_letter_run"] = 60
    stream = _refused(deployment, 300, seconds=0)
    assert "61 records in a row could not be evaluated, most often RefusedByDatabase (61)" in _stopped(deployment).log
    assert len(deployment.dead_letters()) == deployment.stored()[0] == 60
    with psycopg.connect(deployment.dsn) as connection:
        connection.execute("drop trigger refuse on milestone")
    deployment.finish()
    assert_rows(deployment.rows(), milestones(stream[60:]))
    assert len(deployment.dead_letters()) == 60


def test_while_postgres_takes_long_to_refuse_them_the_worker_goes_on_polling(deployment: Deployment) -> None:
    deployment.config["processing"] |= {"max_dead_letter_run": 0, "max_batch_records": 500}
    _refused(deployment, 150, seconds=0.1)
    worker = deployment.start()
    deployment.wait(lambda: "the rest of the batch waits for a poll" in worker.log, "the batch is left for a poll")
    deployment.wait_until_published()
    assert worker.is_running
    deployment.drain()
    assert deployment.rows() == []
    assert len(deployment.dead_letters()) == 150
