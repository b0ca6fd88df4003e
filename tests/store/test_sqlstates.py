"""What each error of PostgreSQL means: real errors of a real server, told apart by SQLSTATE."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from consumer.errors import ConfigError, Fatal, MilestonesError, Refused, StoreDown
from consumer.postgres.connection import Connection, SessionLimits, connect, meaning_of, translated
from tests.services import PostgresService
from tests.services.postgres import with_database
from tests.services.server_process import LOOPBACK, free_port


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with closing(connect(database, autocommit=True)) as made:
        made.execute("create table one (k text primary key, n bigint)")
        yield made


@pytest.mark.parametrize(
    ("statement", "parameter", "meaning", "says"),
    [
        ("select %s::text", "a\x00b", Refused, "cannot store a text"),
        ("select %s::text", "\ud800", Refused, "UnicodeEncodeError"),
        ("insert into one values ('a', %s::numeric)", str(2**70), Refused, "22003"),
        ("select %s::timestamptz", "300000-01-01", Refused, "22008"),
        ("select %s::varchar(3)::name::varchar(2) || repeat('x', -1)::char(1) || (1 / 0)", "x", Refused, "22012"),
        ("create temp table t (x varchar(2)); insert into t values ('abc')", None, Refused, "22001"),
        ("insert into one values (null, 1)", None, Refused, "23502"),
        ("insert into one select string_agg(md5(n::text), '') from generate_series(1, 1000) n", None, Refused, "54000"),
        ("set statement_timeout = '10ms'; select pg_sleep(30)", None, StoreDown, "57014"),
        ("set transaction_timeout = '10ms'; begin; select pg_sleep(30)", None, StoreDown, "25P04"),
        ("begin read only; insert into one values ('a')", None, StoreDown, "25006"),
        ("select pg_terminate_backend(pg_backend_pid())", None, StoreDown, "57P01"),
        ("select * from nowhere", None, Fatal, "42P01.*run `milestones migrate`"),
        ("select nothing from one", None, Fatal, "42703.*run `milestones migrate`"),
        ("selec", None, Fatal, "42601"),
    ],
    ids=lambda value: value.strip(".*") if isinstance(value, str) and value[:2].isdigit() else None,
)
def test_an_error_means_retry_refuse_or_stop(
    connection: Connection, statement: str, parameter: str | None, meaning: type[MilestonesError], says: str
) -> None:
    with pytest.raises(meaning, match=says), translated():
        connection.execute(statement.encode(), None if parameter is None else (parameter,))


def test_a_lock_that_is_not_had_in_time_is_worth_another_try(database: str, connection: Connection) -> None:
    connection.execute("insert into one values ('a', 1)")
    with closing(connect(database, SessionLimits(0.3))) as waiting, connection.transaction():
        connection.execute("update one set n = 2")
        with pytest.raises(StoreDown, match="55P03"), translated():
            waiting.execute("update one set n = 3")


def test_a_deadlock_is_worth_another_try(database: str, connection: Connection) -> None:
    connection.execute("insert into one values ('a', 1), ('b', 1)")

    def update(session: Connection, key: str) -> None:
        with translated():
            session.execute("update one set n = n + 1 where k = %s", (key,))

    with closing(connect(database)) as first, closing(connect(database)) as second, ThreadPoolExecutor(1) as other:
        update(first, "a")
        update(second, "b")
        crossing = other.submit(update, first, "b")
        try:
            update(second, "a")
            meaning = crossing.exception()
        except StoreDown as error:
            meaning = error
            second.rollback()
            crossing.result()
    assert isinstance(meaning, StoreDown)
    assert "40P01" in str(meaning)


def test_a_session_has_the_limits_that_keep_it_below_the_session_time_out(database: str) -> None:
    with closing(connect(database, SessionLimits(30.0))) as session:
        shown = {
            name: session.execute(f"show {name}".encode()).fetchone()
            for name in (
                "idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout", "transaction_timeout"
            )
        }  # fmt: skip
    assert [row[0] for row in shown.values() if row] == ["10s", "5s", "25s", "25s"]
    assert "transaction_timeout" not in SessionLimits(30.0).settings(16_00_04)


def test_a_server_that_is_away_is_worth_another_try() -> None:
    with pytest.raises(StoreDown, match="cannot be reached"):
        connect(f"postgresql://postgres@{LOOPBACK}:{free_port()}/postgres")


def test_a_read_only_server_is_not_the_one_to_store_in(postgres: PostgresService, database: str) -> None:
    with psycopg.connect(postgres.admin_dsn, autocommit=True) as admin:
        name = psycopg.sql.Identifier(str(psycopg.conninfo.conninfo_to_dict(database)["dbname"]))
        admin.execute(psycopg.sql.SQL("alter database {} set default_transaction_read_only = on").format(name))
    with pytest.raises(StoreDown, match="read-only"):
        connect(database)


@pytest.mark.parametrize("wrong", ["database", "user"])
def test_a_connection_that_is_refused_for_good_is_a_stop(database: str, wrong: str) -> None:
    dsn = with_database(database, "nowhere") if wrong == "database" else database.replace("postgres@", "nobody@")
    with pytest.raises(Fatal, match=r"nowhere|nobody"):
        connect(dsn)


def test_a_connection_string_that_is_none_is_a_config_error_that_does_not_show_it() -> None:
    with pytest.raises(ConfigError) as caught:
        connect("postgresql://user:hunter2@host/db?nonsense=1")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("state", ["08006", "40001", "53100", "53300", "55P03", "57P02", "57P03", "25P03"])
def test_what_passes_is_waited_for(state: str) -> None:
    assert isinstance(meaning_of(psycopg.errors.lookup(state)()), StoreDown)


@pytest.mark.parametrize("state", ["22021", "23505", "23514", "54001"])
def test_what_never_passes_is_refused(state: str) -> None:
    assert isinstance(meaning_of(psycopg.errors.lookup(state)()), Refused)
