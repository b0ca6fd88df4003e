"""Migrations: each once, in order, remembered with its checksum; a database that is not this program's is refused."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from consumer.errors import Fatal
from consumer.packaged import packaged
from consumer.postgres.migrate import migrate, migrations
from consumer.postgres.store import Store

ALL = [m.version for m in migrations()]


def tables(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("select tablename from pg_tables where schemaname = 'public' order by 1").fetchall()
    return [name for (name,) in rows]


def change(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(statement.encode())


def open_store(dsn: str) -> None:
    """What `milestones run` does first."""
    with closing(Store(dsn, "milestones", 30.0)) as store:
        store.positions([])


def test_versions_follow_each_other_from_1() -> None:
    assert list(range(1, len(ALL) + 1)) == ALL
    assert {m.name for m in migrations()} == {"milestones", "views", "redrive", "rules", "followed"}


def test_what_is_missing_is_applied_and_nothing_twice(database: str) -> None:
    assert [m.version for m in migrate(database)] == ALL
    assert migrate(database) == []
    open_store(database)
    with psycopg.connect(database) as connection:
        rows = connection.execute("select version, name, checksum from schema_migration order by 1").fetchall()
    assert rows == [(m.version, m.name, m.checksum) for m in migrations()]


def test_a_dry_run_names_what_is_missing_and_changes_nothing(database: str) -> None:
    assert [m.version for m in migrate(database, dry_run=True)] == ALL
    assert tables(database) == []
    migrate(database)
    assert migrate(database, dry_run=True) == []


def test_the_schema_has_the_tables_of_the_design(migrated: str) -> None:
    assert tables(migrated) == [
        "dead_letter", "deleted_milestone", "document_alias", "document_state", "milestone", "milestone_tracker",
        "schema_migration", "stream_position", "tracker_revision", "tracker_revision_start",
    ]  # fmt: skip


def test_two_that_migrate_at_once_do_it_once(database: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(lambda _: [m.version for m in migrate(database)], range(4)))
    assert sorted(applied) == [[], [], [], ALL]


def test_a_migration_that_fails_leaves_nothing(database: str) -> None:
    change(database, "create view stage_duration as select 1")
    with pytest.raises(Fatal, match="already exists"):
        migrate(database)
    assert tables(database) == []


def test_a_database_that_is_behind_is_refused_with_what_to_run(database: str) -> None:
    with pytest.raises(
        Fatal,
        match="0001_milestones, 0002_views, 0003_redrive, 0004_rules, 0005_followed missing; run `milestones migrate`",
    ):
        open_store(database)
    migrate(database)
    change(database, "delete from schema_migration where version = 2")
    with pytest.raises(Fatal, match="behind this program: 0002_views missing; run `milestones migrate`"):
        open_store(database)


def test_a_database_that_is_ahead_is_refused_by_the_program_and_by_migrate(migrated: str) -> None:
    change(migrated, "insert into schema_migration (version, name, checksum) values (99, 'later', 'x')")
    for refused in (open_store, migrate):
        with pytest.raises(Fatal, match="ahead of this program: it has migration 0099; update the program"):
            refused(migrated)


def test_a_file_that_is_not_what_was_applied_is_refused(migrated: str) -> None:
    change(migrated, "update schema_migration set checksum = 'other' where version = 1")
    for refused in (open_store, migrate):
        with pytest.raises(Fatal, match=r"0001_milestones.sql differs from what was applied"):
            refused(migrated)


def test_grants_can_be_repeated_and_need_no_roles(migrated: str) -> None:
    with psycopg.connect(migrated) as connection:
        assert connection.execute("select from pg_roles where rolname like 'milestones\\_%'").fetchall() == []
        connection.execute((packaged("sql") / "grants.sql").read_bytes())


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("value = ''", "milestone_value_check"),
        ("from_value_known = 'perhaps'", "milestone_from_value_known_check"),
        ("occurrence = 0", "milestone_occurrence_check"),
        ("origin_offset = 5", "milestone_has_a_whole_origin_or_none"),
        ("announce = true", "milestone_made_by_hand_is_never_announced"),
    ],
)
def test_the_table_itself_refuses_what_no_milestone_can_be(migrated: str, statement: str, constraint: str) -> None:
    change(
        migrated,
        "insert into milestone (reference_type, reference_name, track_field, value, milestone_tracker)"
        " values ('Task', 'T-1', 'status', 'Open', 't')",
    )
    with pytest.raises(psycopg.errors.CheckViolation, match=constraint):
        change(migrated, f"update milestone set {statement}")  # noqa: S608 - of the list above


@pytest.mark.parametrize("column", ["reference_type", "reference_name", "track_field", "value", "milestone_tracker"])
def test_the_five_columns_of_the_origin_are_never_null(migrated: str, column: str) -> None:
    columns = ["reference_type", "reference_name", "track_field", "value", "milestone_tracker"]
    values = ", ".join("null" if name == column else "'x'" for name in columns)
    with pytest.raises(psycopg.errors.NotNullViolation, match=column):
        change(migrated, f"insert into milestone ({', '.join(columns)}) values ({values})")  # noqa: S608
