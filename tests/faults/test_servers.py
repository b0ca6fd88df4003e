"""Faults 12, 13 and 15–20: Kafka and PostgreSQL end, come back, refuse, are full or slow."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import psycopg
import pytest

from tests.faults.trial import Trial

_MEBIBYTE = 1 << 20


def _at_work(trial: Trial) -> None:
    # What waits after the fault is worked off partition by partition: small batches would measure that.
    trial.config["processing"]["max_batch_records"] = 1_000
    trial.begin()
    trial.work()
    trial.work()
    trial.wait_for_members(2)
    trial.wait_for_progress(trial.draw.randint(50, 300))


@pytest.mark.fault("12", "broker SIGKILL and restart")
def test_a_killed_broker_comes_back_and_work_goes_on(trial: Trial) -> None:
    _at_work(trial)
    trial.world.kafka.kill()
    trial.note("the broker was killed")
    time.sleep(trial.draw.random() * 4)
    trial.world.kafka.start()
    trial.wait_for_recovery(trial.note("the broker is back"))
    trial.settle()


@pytest.mark.fault("13", "broker SIGTERM and restart", sample=False)
def test_a_broker_that_is_shut_down_comes_back_and_work_goes_on(trial: Trial) -> None:
    _at_work(trial)
    trial.world.kafka.terminate()
    trial.note("the broker was shut down")
    time.sleep(trial.draw.random() * 4)
    trial.world.kafka.start()
    trial.wait_for_recovery(trial.note("the broker is back"))
    trial.settle()


def _away(trial: Trial, seconds: float) -> None:
    """A worker that starts while the broker is away stays alive, and no bigger than it was."""
    trial.config["processing"]["max_batch_records"] = 1_000
    trial.begin()
    worker = trial.work()
    trial.wait_for_progress()
    trial.world.kafka.kill()
    late = trial.start()
    before = psutil.Process(worker.pid).memory_info().rss
    time.sleep(seconds)
    assert worker.is_running
    assert late.is_running
    assert psutil.Process(worker.pid).memory_info().rss < before + 64 * _MEBIBYTE
    trial.world.kafka.start()
    trial.wait_for_recovery(trial.note("the broker is back"))
    trial.wait_for_members(2)
    trial.settle()


@pytest.mark.fault("13", "broker away at the start, for a quarter of a minute", sample=False)
def test_a_broker_that_is_away_at_the_start_is_waited_for(trial: Trial) -> None:
    _away(trial, 15.0)


@pytest.mark.fault("13", "broker away for minutes", sample=False)
@pytest.mark.seeds(1)
def test_a_broker_that_is_away_for_minutes_is_waited_for(trial: Trial) -> None:
    _away(trial, 150.0)


@pytest.mark.fault("15", "PostgreSQL restart (57P01)")
def test_postgres_that_is_restarted_is_waited_for(trial: Trial) -> None:
    _at_work(trial)
    trial.world.postgres.terminate()
    trial.note("PostgreSQL was shut down")
    time.sleep(trial.draw.random() * 4)
    trial.world.postgres.start()
    trial.wait_for_recovery(trial.note("PostgreSQL is back"))
    trial.settle()


@pytest.mark.fault("15", "PostgreSQL SIGKILL and restart", sample=False)
def test_postgres_that_is_killed_is_waited_for(trial: Trial) -> None:
    _at_work(trial)
    trial.world.postgres.kill()
    trial.note("PostgreSQL was killed")
    time.sleep(trial.draw.random() * 4)
    trial.world.postgres.start()
    trial.wait_for_recovery(trial.note("PostgreSQL is back"))
    trial.settle()


@pytest.mark.fault("16", "PostgreSQL turns read-only (25006)")
def test_postgres_that_is_read_only_for_a_while_is_waited_for(trial: Trial) -> None:
    _at_work(trial)
    with psycopg.connect(trial.world.postgres.admin_dsn, autocommit=True) as connection:
        connection.execute("alter system set default_transaction_read_only = on")
        connection.execute("select pg_reload_conf()")
        trial.note("read-only")
        trial.wait(lambda: "25006" in trial.logs() or "read-only" in trial.logs(), "it is refused")
        time.sleep(trial.draw.random() * 3)
        connection.execute("set default_transaction_read_only = off")
        connection.execute("alter system reset default_transaction_read_only")
        connection.execute("select pg_reload_conf()")
    trial.wait_for_recovery(trial.note("read-write again"))
    trial.settle()


@contextmanager
def _rule(trial: Trial, body: str, table: str = "milestone") -> Iterator[None]:
    """A trigger before each statement that inserts into a table."""
    with psycopg.connect(trial.dsn, autocommit=True) as connection:
        connection.execute(f"create function hold_up() returns trigger language plpgsql as $$ begin {body} end $$")
        connection.execute(f"create trigger hold_up before insert on {table} execute function hold_up()")
    try:
        yield
    finally:
        with psycopg.connect(trial.dsn, autocommit=True) as connection:
            connection.execute(f"drop trigger hold_up on {table}")
            connection.execute("drop function hold_up()")


@pytest.mark.fault("19", "disk full (53100), as the server would say it")
def test_a_full_disk_is_waited_for_and_makes_no_dead_letter(trial: Trial) -> None:
    _at_work(trial)
    with _rule(trial, "raise exception 'could not extend file: No space left on device' using errcode = '53100';"):
        trial.note("the disk is full")
        trial.wait(lambda: "53100" in trial.logs(), "it is refused")
        time.sleep(trial.draw.random() * 4)
    trial.wait_for_recovery(trial.note("there is space again"))
    trial.settle()


@pytest.mark.fault("20", "statements of 10 s", sample=False)
def test_statements_of_ten_seconds_evict_nobody(trial: Trial) -> None:
    # The limits on PostgreSQL's side follow the session time-out.
    trial.config["kafka"] |= {"session.timeout.ms": 15_000, "max.poll.interval.ms": 15_000}
    trial.begin(rate=60)
    trial.work()
    trial.wait_for_progress(50)
    with _rule(trial, "perform pg_sleep(10); return null;"):
        trial.note("slow")
        time.sleep(22.0)
    assert "MAX_POLL" not in trial.logs().upper(), trial.logs()
    trial.wait_for_recovery(trial.note("fast again"))
    trial.settle()


@pytest.mark.fault("18", "deadlocks, 40P01 on either side")
def test_deadlocks_are_tried_again(trial: Trial) -> None:
    _at_work(trial)
    stopping = threading.Event()
    deadlocks: list[str] = []

    def adversary() -> None:
        """Locks documents first and positions second: the other way round from a worker."""
        with psycopg.connect(trial.dsn, application_name="a person") as connection:
            while not stopping.wait(0.02):
                with suppress(psycopg.Error):
                    connection.execute("select 1 from document_state order by random() for update")
                    try:
                        connection.execute("select 1 from stream_position for update")
                    except psycopg.errors.DeadlockDetected as error:
                        deadlocks.append(str(error))
                connection.rollback()

    thread = threading.Thread(target=adversary)
    thread.start()
    try:
        trial.wait(lambda: bool(deadlocks) or "40P01" in trial.logs(), "a deadlock")
        time.sleep(2.0)
    finally:
        stopping.set()
        thread.join()
    trial.wait_for_recovery(trial.note("no more deadlocks"))
    trial.settle()


@pytest.mark.fault("18", "serialization failures (40001)", sample=False)
def test_serialization_failures_are_tried_again(trial: Trial) -> None:
    _at_work(trial)
    failure = "raise exception 'could not serialize access' using errcode = '40001';"
    body = f"if random() < 0.5 then {failure} end if; return null;"
    with _rule(trial, body):
        trial.wait(lambda: trial.logs().count("40001") >= 3, "failures")
    trial.wait_for_recovery(trial.note("no more failures"))
    trial.settle()
