"""What the store step does while PostgreSQL computes, and what others do."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from psycopg.errors import DivisionByZero, OperationalError

from consumer.postgres.connection import SessionLimits, connect
from consumer.postgres.sending import Sending
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
            with computing_first(awaited=True):
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


def test_a_step_that_nobody_waits_for_leaves_turns_as_they_are(database: str) -> None:
    usual_s = sys.getswitchinterval()
    with closing(connect(database, SessionLimits(30.0))) as connection, computing_first(awaited=False):
        connection.execute("select 1")
        assert sys.getswitchinterval() == usual_s


def test_after_a_statement_that_failed_turns_are_as_usual(database: str) -> None:
    usual_s = sys.getswitchinterval()
    with (
        closing(connect(database, SessionLimits(30.0))) as connection,
        pytest.raises(DivisionByZero),
        computing_first(awaited=True),
    ):
        connection.execute("select 1 / 0")
    assert sys.getswitchinterval() == usual_s


def test_whoever_freezes_between_statements_that_are_sent_one_behind_another_is_ended_as_elsewhere(
    database: str,
) -> None:
    with (
        closing(connect(database, autocommit=True)) as other,
        closing(connect(database, SessionLimits(3.0))) as connection,
    ):
        backend = connection.info.backend_pid

        def state() -> tuple[object, ...] | None:
            return other.execute("select state from pg_stat_activity where pid = %s", (backend,)).fetchone()

        def freeze() -> None:
            connection.execute("select 1")
            with Sending(connection) as send:
                send("select pg_advisory_xact_lock(%(key)s)", {"key": 1})
                wait_until(lambda: state() == ("idle in transaction",), timeout_s=20.0, what="the lock is taken")
                assert other.execute("select pg_try_advisory_lock(1)").fetchone() == (False,)
                wait_until(lambda: state() is None, timeout_s=20.0, what="the session is ended")
                send("select %(number)s", {"number": 1})

        with pytest.raises(OperationalError):
            freeze()
        assert other.execute("select pg_try_advisory_lock(1)").fetchone() == (True,)


def test_of_statements_that_are_sent_one_behind_another_the_first_error_is_raised(database: str) -> None:
    with closing(connect(database, SessionLimits(30.0))) as connection:

        def divide() -> None:
            with Sending(connection) as send:
                for divisor in (1, 0, 2):
                    send("select 1 / %(divisor)s", {"divisor": divisor})

        with pytest.raises(DivisionByZero):
            divide()


def test_what_was_sent_is_done_by_the_end(database: str) -> None:
    with closing(connect(database, SessionLimits(30.0))) as connection:
        with Sending(connection) as send:
            numbers = [send("select %(number)s::integer", {"number": number}) for number in range(20)]
        assert [cursor.fetchone() for cursor in numbers] == [(number,) for number in range(20)]


def test_what_else_goes_wrong_counts_and_the_session_can_be_used_again(database: str) -> None:
    with closing(connect(database, SessionLimits(30.0))) as connection:

        def divide() -> None:
            with Sending(connection) as send:
                send("select 1 / %(divisor)s", {"divisor": 0})
                raise LookupError

        with pytest.raises(LookupError):
            divide()
        connection.rollback()
        assert connection.execute("select 1").fetchone() == (1,)


def test_only_who_computes_first_changes_turns(database: str) -> None:
    usual_s = sys.getswitchinterval()
    with (
        closing(connect(database, SessionLimits(30.0))) as connection,
        ThreadPoolExecutor(1) as thread,
        computing_first(awaited=True),
    ):
        kept_s = sys.getswitchinterval()
        assert thread.submit(lambda: connection.execute("select 1").fetchone()).result() == (1,)
        assert sys.getswitchinterval() == kept_s > usual_s
