"""What the doctor asks PostgreSQL: rights, migrations, settings, connections and the clock, on a real server."""

from __future__ import annotations

import psycopg
import pytest

from consumer.core.records import Partition, Span
from consumer.errors import Fatal, StoreDown
from consumer.packaged import packaged
from consumer.postgres.inspection import database_facts, needed_rights, positions_there, trackers_there
from consumer.postgres.migrate import migrate
from consumer.postgres.store import Store
from consumer.postgres.trackers import apply_trackers
from tests.services import PostgresService
from tests.unit.samples import TOPIC, TOPIC_ID, tracker


def as_role(dsn: str, role: str) -> str:
    return f"{dsn}{'&' if '?' in dsn else '?'}options=-crole%3D{role}"


def of_this_database(change: str) -> bytes:
    """`alter database` of the one that is connected to."""
    return f"do $$ begin execute format('alter database %I {change}', current_database()); end $$".encode()


@pytest.fixture
def granted(own_postgres: PostgresService) -> str:
    """A migrated database of a server with the roles."""
    dsn = own_postgres.create_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute((packaged("sql") / "roles.sql").read_bytes())
    migrate(dsn)
    return dsn


def test_the_consumer_role_lacks_nothing_and_each_right_that_it_lacks_is_named(granted: str) -> None:
    facts = database_facts(as_role(granted, "milestones_consumer"))
    assert (facts.role, facts.is_superuser, facts.missing_rights) == ("milestones_consumer", False, ())
    lacking: tuple[str, ...] = ()
    with psycopg.connect(granted, autocommit=True) as connection:
        for relation, privilege in needed_rights():
            connection.execute(f"revoke {privilege} on {relation} from milestones_consumer".encode())
            lacking = database_facts(as_role(granted, "milestones_consumer")).missing_rights
            assert f"{privilege} on {relation}" in lacking
    assert len(lacking) == len(list(needed_rights()))


def test_connections_of_the_role_and_the_database_are_counted(granted: str) -> None:
    assert database_facts(granted).connections_free > 50
    with psycopg.connect(granted, autocommit=True) as connection:
        connection.execute("alter role milestones_consumer connection limit 3")
        connection.execute("grant milestones_consumer to current_user")
    assert database_facts(as_role(granted, "milestones_consumer")).connections_free == 3
    with psycopg.connect(granted, autocommit=True) as connection:
        connection.execute(of_this_database("connection limit 2"))
        free = database_facts(granted).connections_free
    assert free == 0


def test_migrations_that_are_missing_are_told_and_nothing_is_made(database: str) -> None:
    fault = database_facts(database).schema_fault
    assert fault is not None
    assert fault.endswith("; run `milestones migrate`")
    with psycopg.connect(database) as connection:
        assert connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone() == (0,)


def test_settings_and_clock_are_told(database: str) -> None:
    migrate(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(of_this_database("set synchronous_commit = off"))
    facts = database_facts(database)
    assert facts.settings["synchronous_commit"] == "off"
    assert {"fsync", "full_page_writes"} < facts.settings.keys()
    assert (facts.schema_fault, facts.encoding, facts.is_read_only) == (None, "UTF8", False)
    assert facts.version_number >= 16_00_00
    assert abs(facts.clock_ahead_s) < 60


def test_a_read_only_server_is_said_to_be_one(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(of_this_database("set default_transaction_read_only = on"))
    with pytest.raises(StoreDown, match="read-only"):
        database_facts(database)
    any_server = f"{database}{'&' if '?' in database else '?'}target_session_attrs=any"
    assert database_facts(any_server).is_read_only


def test_a_database_that_is_not_there_is_refused(database: str) -> None:
    with pytest.raises(Fatal, match="does not exist"):
        database_facts(f"{database}_of_nobody")


def test_trackers_and_positions_are_read(database: str) -> None:
    migrate(database)
    apply_trackers(database, [tracker()])
    store = Store(database, "a group", 15.0)
    store.connect()
    store.create_positions([Span(TOPIC, TOPIC_ID, 3, 7, 5, 0)])
    store.close()
    assert [one.name for one in trackers_there(database)] == ["Sales Order-status"]
    position = positions_there(database)[Partition(TOPIC, 3)]
    assert (position.topic_id, position.consumer_group, position.next_offset) == (TOPIC_ID, "a group", 7)
