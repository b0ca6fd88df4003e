"""While PostgreSQL computes, others have the interpreter's lock for a short time each; who computes first keeps it."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from psycopg.errors import DivisionByZero

from consumer.postgres.connection import SessionLimits, connect
from consumer.tuning import computing_first
from tests.services.service import wait_until


def test_who_waits_for_the_server_has_the_lock_back_sooner_than_usual_and_who_computes_keeps_it(database: str) -> None:
    usual_s = sys.getswitchinterval()
    with (
        closing(connect(database, autocommit=True)) as other,
        closing(connect(database, SessionLimits(30.0))) as connection,
        ThreadPoolExecutor(1) as thread,
    ):
        backend = connection.info.backend_pid

        def step() -> tuple[float, float]:
            with computing_first():
                before_s = sys.getswitchinterval()
                connection.execute("select pg_advisory_xact_lock(1)")
                return before_s, sys.getswitchinterval()

        def waits() -> bool:
            query = "select wait_event from pg_stat_activity where pid = %s"
            return other.execute(query, (backend,)).fetchone() == ("advisory",)

        other.execute("select pg_advisory_lock(1)")
        computing = thread.submit(step)
        wait_until(waits, timeout_s=20.0, what="the statement waits for the lock")
        meanwhile_s = sys.getswitchinterval()
        other.execute("select pg_advisory_unlock(1)")
        before_s, after_s = computing.result()
    assert meanwhile_s < usual_s < before_s == after_s
    assert sys.getswitchinterval() == usual_s


def test_after_a_statement_that_failed_turns_are_as_usual(database: str) -> None:
    usual_s = sys.getswitchinterval()
    with (
        closing(connect(database, SessionLimits(30.0))) as connection,
        pytest.raises(DivisionByZero),
        computing_first(),
    ):
        connection.execute("select 1 / 0")
    assert sys.getswitchinterval() == usual_s
