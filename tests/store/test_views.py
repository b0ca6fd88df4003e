"""What people read: a document's milestones in order under its present name, and how long it stayed where."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.rows import dict_row

DAY = datetime(2026, 1, 1, tzinfo=UTC)


class History:
    """Rows as the program stores them; times are hours since the first day."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def _execute(self, statement: str, values: tuple[object, ...]) -> None:
        with psycopg.connect(self._dsn) as connection:
            connection.execute(statement.encode(), values)

    def reached(self, name: str, value: str, hour: float, *, tracker: str = "t") -> None:
        self._execute(
            "insert into milestone (reference_type, reference_name, track_field, value, milestone_tracker, reached_at)"
            " values ('Task', %s, 'status', %s, %s, %s)",
            (name, value, tracker, DAY + timedelta(hours=hour)),
        )

    def renamed(self, old: str, new: str, hour: float) -> None:
        self._execute(
            "insert into document_alias (reference_type, old_name, new_name, source_identity, renamed_at, first_half)"
            " values ('Task', %s, %s, gen_random_uuid()::text, %s, 'old')",
            (old, new, DAY + timedelta(hours=hour)),
        )

    def stands(self, name: str, value: str | None, hour: float, *, ended: bool = False) -> None:
        at = DAY + timedelta(hours=hour)
        self._execute(
            "insert into document_state (reference_type, reference_name, track_field, known, value, since, ended_at)"
            " values ('Task', %s, 'status', true, %s, %s, %s)",
            (name, value, at, at if ended else None),
        )

    def timeline(self) -> list[tuple[object, ...]]:
        with psycopg.connect(self._dsn) as connection:
            return connection.execute("select document_name, recorded_as, value from milestone_timeline").fetchall()

    def stages(self) -> dict[str, tuple[float, bool]]:
        """Value to hours stayed and whether it is still there."""
        with psycopg.connect(self._dsn, row_factory=dict_row) as connection:
            rows = connection.execute("select * from stage_duration").fetchall()
        return {
            row["value"]: (-1.0 if row["open"] else row["duration"].total_seconds() / 3600, row["open"]) for row in rows
        }


@pytest.fixture
def history(migrated: str) -> History:
    return History(migrated)


OPEN = (-1.0, True)


def test_a_timeline_is_in_order_of_time(history: History) -> None:
    history.reached("T-1", "Closed", 3)
    history.reached("T-1", "Open", 1)
    history.reached("T-0", "Open", 2)
    assert history.timeline() == [("T-0", "T-0", "Open"), ("T-1", "T-1", "Open"), ("T-1", "T-1", "Closed")]


def test_former_names_are_linked_to_the_present_one(history: History) -> None:
    history.reached("A", "Open", 1)
    history.renamed("A", "B", 2)
    history.reached("B", "Working", 3)
    history.renamed("B", "C", 4)
    history.reached("C", "Closed", 5)
    assert history.timeline() == [("C", "A", "Open"), ("C", "B", "Working"), ("C", "C", "Closed")]


def test_a_name_used_again_is_another_document(history: History) -> None:
    history.reached("A", "Open", 1)
    history.renamed("A", "B", 2)
    history.reached("A", "New", 3)
    history.reached("B", "Closed", 4)
    assert history.timeline() == [("A", "A", "New"), ("B", "A", "Open"), ("B", "B", "Closed")]


def test_a_name_used_again_and_renamed_again_is_linked_to_its_own(history: History) -> None:
    history.reached("A", "one", 1)
    history.renamed("A", "B", 2)
    history.reached("A", "two", 3)
    history.renamed("A", "C", 4)
    assert history.timeline() == [("B", "A", "one"), ("C", "A", "two")]


def test_a_document_renamed_there_and_back_is_one(history: History) -> None:
    history.reached("A", "Open", 1)
    history.renamed("A", "B", 2)
    history.reached("B", "Working", 3)
    history.renamed("B", "A", 4)
    history.reached("A", "Closed", 5)
    assert [name for name, _, _ in history.timeline()] == ["A", "A", "A"]


def test_there_and_back_within_one_second_ends(history: History) -> None:
    history.reached("A", "Open", 1)
    history.renamed("A", "B", 1)
    history.renamed("B", "A", 1)
    assert len(history.timeline()) == 1


def test_a_stage_lasts_until_the_next_and_the_last_is_open(history: History) -> None:
    history.reached("T-1", "Open", 1)
    history.reached("T-1", "Working", 3.5)
    history.stands("T-1", "Working", 3.5)
    assert history.stages() == {"Open": (2.5, False), "Working": OPEN}


def test_stages_go_on_over_a_rename(history: History) -> None:
    history.reached("A", "Open", 1)
    history.renamed("A", "B", 2)
    history.stands("A", None, 2, ended=True)
    history.reached("B", "Closed", 4)
    history.stands("B", "Closed", 4)
    assert history.stages() == {"Open": (3.0, False), "Closed": OPEN}


def test_a_deleted_document_stays_nowhere_any_more(history: History) -> None:
    history.reached("T-1", "Open", 1)
    history.stands("T-1", None, 5, ended=True)
    assert history.stages() == {"Open": (4.0, False)}


def test_a_value_left_for_one_that_is_no_milestone_is_left(history: History) -> None:
    history.reached("T-1", "Billed", 1)
    history.stands("T-1", "On Hold", 3)
    assert history.stages() == {"Billed": (2.0, False)}


def test_documents_and_trackers_have_stages_of_their_own(history: History) -> None:
    history.reached("T-1", "Open", 1)
    history.reached("T-2", "Closed", 2)
    history.reached("T-1", "Other", 2, tracker="u")
    assert history.stages() == {"Open": OPEN, "Closed": OPEN, "Other": OPEN}


def test_no_stage_is_shorter_than_nothing(history: History) -> None:
    history.reached("T-1", "Open", 5)
    history.stands("T-1", "Closed", 1)
    assert history.stages() == {"Open": (0.0, False)}
