"""The table `milestone_tracker`: applied from a list, changed by hand, and every change one revision."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise

import psycopg
import pytest

from consumer.core.followed import FollowedTracker
from consumer.core.trackers import Tracker
from consumer.errors import ConfigError, Fatal
from consumer.postgres.connection import connect
from consumer.postgres.store import Store
from consumer.postgres.trackers import (
    all_trackers,
    apply_trackers,
    current_trackers,
    history,
    remove_tracker,
    set_disabled,
)
from tests.unit.samples import tracker

FULL = tracker(
    name="billed", description="done 😀", values=["Billed", "1.5"], from_values=["To Bill"], disabled=True,
    snapshot="reconcile", **{"as": "decimal", "scale": 2},
)  # fmt: skip


def by_hand(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn) as connection:
        for statement in statements:
            connection.execute(statement.encode())


INSERT = "insert into milestone_tracker (name, document_type, track_field) values ('by hand', 'Task', 'status')"


def names(trackers: object) -> list[str]:
    assert isinstance(trackers, list | tuple)
    return [one.name for one in trackers]


def by_name(trackers: Iterable[Tracker]) -> dict[str, Tracker]:
    return {one.name: one for one in trackers}


def test_a_new_database_follows_nothing_and_has_a_revision(migrated: str) -> None:
    assert current_trackers(migrated).trackers == ()
    assert len(history(migrated)) == 1


def test_what_is_applied_is_in_force_as_it_was_written(migrated: str) -> None:
    plan = apply_trackers(migrated, [FULL, tracker("Task")])
    assert (names(plan.added), plan.changed, plan.removed, plan.unchanged) == (["billed", "Task-status"], [], [], 0)
    assert by_name(current_trackers(migrated).trackers) == by_name([FULL, tracker("Task")])
    with closing(connect(migrated)) as connection:
        assert by_name(all_trackers(connection)) == by_name([FULL, tracker("Task")])


def test_a_plan_says_what_was_added_changed_and_removed(migrated: str) -> None:
    apply_trackers(migrated, [FULL, tracker("Task"), tracker("Issue")])
    wanted = [tracker("Task", description="new"), tracker("Issue"), tracker("Note")]
    plan = apply_trackers(migrated, wanted)
    assert names(plan.added) == ["Note-status"]
    assert names(plan.changed) == ["Task-status"]
    assert names(plan.removed) == ["billed"]
    assert plan.unchanged == 1
    assert by_name(current_trackers(migrated).trackers) == by_name(wanted)
    assert apply_trackers(migrated, wanted).empty


def test_a_dry_run_plans_and_changes_nothing(migrated: str) -> None:
    before = current_trackers(migrated)
    assert names(apply_trackers(migrated, [FULL], dry_run=True).added) == ["billed"]
    assert current_trackers(migrated) == before


def test_trackers_made_by_hand_stay(migrated: str) -> None:
    by_hand(migrated, INSERT)
    apply_trackers(migrated, [tracker()])
    assert apply_trackers(migrated, []).removed == [tracker()]
    assert names(current_trackers(migrated).trackers) == ["by hand"]


@pytest.mark.parametrize(
    ("wanted", "wrong"),
    [
        ([tracker(name="by hand")], "'by hand' was made by hand; give this one another `name`"),
        ([tracker("Task", **{"as": "decimal"})], "'Task-status' and 'by hand' follow one field but differ in `as`"),
        ([tracker(), tracker()], "two are named 'Sales Order-status'"),
    ],
    ids=["its name is taken", "another encoding", "two of one name"],
)
def test_trackers_that_contradict_each_other_are_refused_whole(
    migrated: str, wanted: list[Tracker], wrong: str
) -> None:
    by_hand(migrated, INSERT)
    before = current_trackers(migrated)
    with pytest.raises(ConfigError, match=wrong):
        apply_trackers(migrated, [*wanted, tracker("Note")])
    assert current_trackers(migrated) == before


def test_each_application_that_changes_anything_makes_a_revision_that_shows_all(migrated: str) -> None:
    first = current_trackers(migrated).revision
    apply_trackers(migrated, [tracker("Task")])
    apply_trackers(migrated, [tracker("Task")])
    revisions = history(migrated)
    assert revisions[0].revision == first
    assert current_trackers(migrated).revision == revisions[-1].revision
    assert len({one.revision for one in revisions}) == len(revisions) == 2
    assert names(revisions[-1].trackers) == ["Task-status"]


def test_an_application_of_several_changes_is_one_revision_for_whoever_reads(migrated: str) -> None:
    apply_trackers(migrated, [tracker("A"), tracker("B")])
    apply_trackers(migrated, [tracker("B", description="x"), tracker("C"), tracker("D")])
    assert [sorted(names(one.trackers)) for one in history(migrated)] == [
        [], ["A-status", "B-status"], ["B-status", "C-status", "D-status"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("update milestone_tracker set disabled = true where name = 'by hand'", ["by hand"]),
        ("delete from milestone_tracker", []),
        ("truncate milestone_tracker", []),
    ],
)
def test_direct_sql_makes_a_revision_too(migrated: str, statement: str, left: list[str]) -> None:
    by_hand(migrated, INSERT)
    by_hand(migrated, statement)
    assert [names(one.trackers) for one in history(migrated)] == [[], ["by hand"], left]


def test_a_statement_that_changes_nothing_makes_no_revision(migrated: str) -> None:
    by_hand(migrated, INSERT)
    by_hand(migrated, "delete from milestone_tracker where name = 'nobody'", "update milestone_tracker set name = name")
    assert len(history(migrated)) == 2


def test_an_edit_that_is_rolled_back_makes_none(migrated: str) -> None:
    with closing(psycopg.connect(migrated)) as connection:
        connection.execute(INSERT.encode())
        connection.rollback()
    assert len(history(migrated)) == 1


def test_edits_at_once_come_one_after_the_other_and_none_lacks_another(migrated: str) -> None:
    def edit(number: int) -> None:
        by_hand(
            migrated,
            f"insert into milestone_tracker (name, document_type, track_field) values ('{number}', 'Task', 'f')",  # noqa: S608
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(edit, range(16)))
    revisions = history(migrated)
    assert [len(one.trackers) for one in revisions] == list(range(17))
    for earlier, later in pairwise(revisions):
        assert {t.name for t in earlier.trackers} < {t.name for t in later.trackers}


def test_a_tracker_is_switched_off_and_on_and_removed(migrated: str) -> None:
    apply_trackers(migrated, [tracker("Task"), tracker("Note")])
    set_disabled(migrated, "Task-status", disabled=True)
    assert {one.name: one.disabled for one in current_trackers(migrated).trackers} == {
        "Task-status": True, "Note-status": False,
    }  # fmt: skip
    set_disabled(migrated, "Task-status", disabled=False)
    remove_tracker(migrated, "Note-status")
    assert current_trackers(migrated).trackers == (tracker("Task"),)


def test_a_name_that_does_not_exist_is_answered_with_those_that_do(migrated: str) -> None:
    apply_trackers(migrated, [tracker("Task"), tracker("Note")])
    wrong = "there is no tracker 'Tusk-status'; there are: Note-status, Task-status"
    with pytest.raises(ConfigError, match=wrong):
        set_disabled(migrated, "Tusk-status", disabled=True)
    with pytest.raises(ConfigError, match=wrong):
        remove_tracker(migrated, "Tusk-status")


@pytest.mark.parametrize(
    "wrong",
    [
        "document_type = 'Milestone'",
        "document_type = 'Milestone Tracker'",
        "document_type = ''",
        "track_field = ''",
        "name = ''",
        "rule = '[]'",
        "managed_by = 'somebody'",
    ],
)
def test_the_table_refuses_what_no_tracker_can_be(migrated: str, wrong: str) -> None:
    by_hand(migrated, INSERT)
    with pytest.raises(psycopg.errors.CheckViolation):
        by_hand(migrated, f"update milestone_tracker set {wrong}")  # noqa: S608 - of the list above


@pytest.mark.parametrize("rule", ['{"value": ["x"]}', '{"as": "money"}', '{"snapshot": "often"}'])
def test_a_rule_by_hand_that_cannot_be_followed_is_named_when_it_is_read(migrated: str, rule: str) -> None:
    by_hand(migrated, INSERT, f"update milestone_tracker set rule = '{rule}'")  # noqa: S608 - of the list above
    with pytest.raises(ConfigError, match="milestone_tracker"):
        current_trackers(migrated)


def test_without_any_revision_it_says_how_to_make_one(migrated: str) -> None:
    by_hand(migrated, "truncate tracker_revision")
    with pytest.raises(Fatal, match="write any tracker to make a revision"):
        current_trackers(migrated)


def test_without_tables_it_says_what_to_run(database: str) -> None:
    with pytest.raises(Fatal, match="run `milestones migrate`"):
        current_trackers(database)


def test_applying_other_trackers_keeps_those_of_the_stream_and_their_encoding_right(migrated: str) -> None:
    with closing(Store(migrated, "milestones", session_timeout_s=30.0)) as store, store.transaction({}) as tx:
        tx.follow([FollowedTracker("theirs", "Sales Order", "grand_total")])
    apply_trackers(migrated, [tracker(name="ours", track_field="grand_total", **{"as": "decimal"})])
    encodings = {one.name: one.rule.encoding for one in current_trackers(migrated).trackers}
    assert encodings == {"ours": "decimal", "theirs": "decimal"}
