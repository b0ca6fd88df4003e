"""Who may do what: sql/roles.sql and sql/grants.sql on a server of this module's own, since roles belong to servers."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from consumer.core.letters import Selection
from consumer.core.milestones import Milestone
from consumer.core.records import Origin, Partition, Span
from consumer.errors import Fatal
from consumer.packaged import packaged
from consumer.postgres.dead_letters import noted_letters, redrive_notes
from consumer.postgres.migrate import migrate
from consumer.postgres.store import Store
from consumer.postgres.trackers import apply_trackers, current_trackers, set_disabled
from tests.services import PostgresService, open_postgres
from tests.store.test_contract import evaluation, reached
from tests.unit.samples import TOPIC, TOPIC_ID, tracker

USERS = ("owner", "consumer", "system_manager", "reader")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresService]:
    with closing(open_postgres(private=True)) as service:
        with psycopg.connect(service.admin_dsn, autocommit=True) as connection:
            for _ in range(2):
                connection.execute((packaged("sql") / "roles.sql").read_bytes())
            for user in USERS:
                connection.execute(f"create role a_{user} login password 'secret' in role milestones_{user}".encode())
        yield service


@pytest.fixture
def dsn(server: PostgresService) -> str:
    """A database that belongs to the owner role, not yet migrated."""
    dsn = server.create_database()
    name = urlsplit(dsn).path[1:]
    with psycopg.connect(server.admin_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("alter database {} owner to milestones_owner").format(sql.Identifier(name)))
    return dsn


def as_user(dsn: str, user: str) -> str:
    """The DSN of the login user who is a member of that role."""
    parts = urlsplit(dsn)
    return parts._replace(netloc=f"a_{user}:secret@{parts.hostname}:{parts.port}").geturl()


@pytest.fixture
def ready(dsn: str) -> str:
    """A database that the owner has migrated."""
    migrate(as_user(dsn, "owner"))
    return dsn


@contextmanager
def connected(dsn: str, user: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(as_user(dsn, user), autocommit=True) as connection:
        yield connection


def owners(dsn: str) -> set[object]:
    """Of tables and views."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "select tableowner from pg_tables where schemaname = 'public'"
            " union all select viewowner from pg_views where schemaname = 'public'"
        ).fetchall()
    return {owner for (owner,) in rows}


def stored(dsn: str, milestone: Milestone) -> None:
    """What the consumer does with one milestone."""
    with closing(Store(as_user(dsn, "consumer"), "milestones", 30.0)) as store:
        span = Span(TOPIC, TOPIC_ID, 0, 0, 0, milestone.origin_offset + 1)
        store.create_positions([Span(TOPIC, TOPIC_ID, 0, 0, 0, 0)])
        with store.transaction({Partition(TOPIC, 0): span}) as tx:
            tx.record(evaluation(milestone), [])


def test_none_of_the_roles_can_log_in(server: PostgresService) -> None:
    with psycopg.connect(server.admin_dsn) as connection:
        rows = connection.execute(
            "select rolname, rolcanlogin, rolcreaterole, rolsuper from pg_roles where rolname like 'milestones\\_%'"
        ).fetchall()
    assert sorted(rows) == [(f"milestones_{user}", False, False, False) for user in sorted(USERS)]


@pytest.mark.parametrize("user", ["owner", None], ids=["a member of the owner role", "the administrator"])
def test_whoever_migrates_the_tables_belong_to_the_owner_role(dsn: str, user: str | None) -> None:
    migrate(dsn if user is None else as_user(dsn, user))
    assert owners(dsn) == {"milestones_owner"}
    assert migrate(as_user(dsn, "owner")) == []


def test_later_migrations_make_things_that_belong_to_the_owner_role_too(ready: str) -> None:
    with psycopg.connect(ready) as connection:
        connection.execute("drop view document_current_name, milestone_timeline, stage_duration")
        connection.execute("delete from schema_migration where version = 2")
    assert [m.version for m in migrate(ready)] == [2]
    assert owners(ready) == {"milestones_owner"}


def test_where_the_owner_role_may_not_create_tables_belong_to_who_migrates(server: PostgresService) -> None:
    dsn = server.create_database()
    migrate(dsn)
    assert owners(dsn) == {"postgres"}


def test_migrating_needs_no_createrole_but_the_right_to_create(dsn: str) -> None:
    with pytest.raises(Fatal, match="permission denied"):
        migrate(as_user(dsn, "reader"))


def test_the_consumer_can_store_and_follow_trackers(ready: str) -> None:
    consumer = as_user(ready, "consumer")
    apply_trackers(consumer, [tracker()])
    set_disabled(consumer, "Sales Order-status", disabled=True)
    [seen] = current_trackers(consumer).trackers
    assert seen.disabled
    apply_trackers(consumer, [])
    stored(ready, reached(1))


@pytest.mark.parametrize(
    "statement",
    [
        "delete from milestone",
        "update milestone set value = 'x'",
        "truncate stream_position",
        "delete from document_state",
        "insert into tracker_revision (trackers) values ('[]')",
        "insert into deleted_milestone (id) values (gen_random_uuid())",
        "create table mine (x int)",
        "update dead_letter set message = 'x'",
        "delete from dead_letter",
    ],
)
def test_the_consumer_can_do_nothing_else(ready: str, statement: str) -> None:
    with connected(ready, "consumer") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


BY_HAND = """
insert into milestone (reference_type, reference_name, track_field, value, milestone_tracker)
values ('Sales Order', 'SO-9', 'status', 'By hand', 'me')
"""


def test_a_system_manager_writes_and_deletes_milestones_that_are_never_announced(ready: str) -> None:
    with connected(ready, "system_manager") as connection:
        connection.execute(BY_HAND.encode())
        connection.execute("update milestone set value = 'Other' where reference_name = 'SO-9'")
        rows = connection.execute("select value, origin_offset, occurrence, announce, silent from milestone").fetchall()
        assert rows == [("Other", None, None, False, False)]
        assert connection.execute("delete from milestone").rowcount == 1
        assert connection.execute("select from deleted_milestone").fetchall() == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "gen_random_uuid()"),
        ("announce", "true"),
        ("silent", "true"),
        ("occurrence", "1"),
        ("origin_topic_id", "'t'"),
        ("origin_partition", "0"),
        ("origin_offset", "5"),
        ("source_identity", "'x'"),
        ("tracker_revision", "gen_random_uuid()"),
        ("recorded_at", "now()"),
    ],
)
def test_what_the_program_says_of_a_row_cannot_be_written_by_hand(ready: str, column: str, value: str) -> None:
    insert = BY_HAND.replace("milestone_tracker)", f"milestone_tracker, {column})").replace("'me')", f"'me', {value})")
    with connected(ready, "system_manager") as connection:
        update = f"update milestone set {column} = {value}"  # noqa: S608 - of the list above
        for statement in (insert, update):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_what_a_system_manager_deletes_is_remembered_by_whom(ready: str) -> None:
    stored(ready, reached(1))
    with connected(ready, "system_manager") as connection:
        assert connection.execute("delete from milestone").rowcount == 1
        rows = connection.execute("select id::text, deleted_by from deleted_milestone").fetchall()
    assert rows == [(reached(1).id, "a_system_manager")]


def test_a_system_managers_tracker_is_in_force_and_says_whose_it_is(ready: str) -> None:
    with connected(ready, "system_manager") as connection:
        connection.execute(
            "insert into milestone_tracker (name, document_type, track_field) values ('t', 'Task', 'status')"
        )
        connection.execute("update milestone_tracker set disabled = true")
        by = connection.execute("select created_by from tracker_revision order by number desc limit 1").fetchone()
        assert by == ("a_system_manager",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from tracker_revision")
    [seen] = current_trackers(ready).trackers
    assert (seen.name, seen.disabled, seen.managed_by) == ("t", True, "hand")


@pytest.mark.parametrize("view", ["milestone", "milestone_tracker", "milestone_timeline", "stage_duration"])
def test_a_reader_reads_and_no_more(ready: str, view: str) -> None:
    stored(ready, reached(1))
    apply_trackers(as_user(ready, "consumer"), [tracker()])
    with connected(ready, "reader") as connection:
        assert len(connection.execute(sql.SQL("select * from {}").format(sql.Identifier(view))).fetchall()) == 1
        for statement in (BY_HAND, "delete from milestone", "update milestone_tracker set disabled = true"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def noted(dsn: str) -> None:
    """What a redrive does on the way."""
    with redrive_notes(dsn) as notes:
        assert len(notes.letters(Selection())) == 1
        assert notes.followed_topics() == set()
        notes.note({Origin("t", 0, 1): Origin("t", 0, 2)})


@pytest.mark.parametrize("user", ["consumer", "system_manager"])
def test_who_runs_the_consumer_or_manages_the_system_may_redrive(ready: str, user: str) -> None:
    with connected(ready, "consumer") as connection:
        connection.execute("insert into dead_letter values ('t', 0, 1, 'BadValue', 'why')")
    noted(as_user(ready, user))
    [letter] = noted_letters(as_user(ready, user), Selection())
    assert (letter.times, letter.redriven_by) == (1, f"a_{user}")


def test_a_reader_does_not_see_dead_letters(ready: str) -> None:
    with pytest.raises(Fatal, match="permission denied"):
        noted_letters(as_user(ready, "reader"), Selection())


def test_a_user_without_rights_is_told_what_to_grant(ready: str) -> None:
    store = Store(as_user(ready, "reader"), "milestones", 30.0)
    with closing(store), pytest.raises(Fatal, match="grant milestones_consumer to this user"):
        store.positions([Partition(TOPIC, 0)])
