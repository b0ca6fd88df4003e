"""The table of dead letters: what is selected, what became of each, and that one redrive works at a time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from consumer.core.letters import NotedLetter, Place, Selection
from consumer.core.records import Origin
from consumer.errors import Fatal
from consumer.postgres.dead_letters import noted_letters, redrive_notes
from tests.unit.samples import TOPIC, TOPIC_ID

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def place(partition: int, offset: int, topic_id: str = TOPIC_ID) -> Origin:
    return Origin(topic_id, partition, offset)


@pytest.fixture
def dsn(migrated: str) -> str:
    """Two partitions stored up to 10, and four dead letters, one of a topic that is not followed any more."""
    with psycopg.connect(migrated) as connection:
        connection.cursor().executemany(
            "insert into stream_position values (%s, %s, %s, 'milestones', 10, 10)",
            [(TOPIC, partition, TOPIC_ID) for partition in (0, 1)],
        )
        connection.cursor().executemany(
            "insert into dead_letter values (%s, %s, %s, %s, 'why', %s, %s)",
            [
                (TOPIC_ID, 0, 1, "BadValue", "status", NOW - timedelta(hours=3)),
                (TOPIC_ID, 0, 5, "MissingKey", None, NOW - timedelta(hours=2)),
                (TOPIC_ID, 1, 1, "BadValue", "stage", NOW - timedelta(hours=1)),
                ("gone", 0, 1, "MalformedRecord", None, NOW),
            ],
        )
    return migrated


ALL = [place(0, 1, "gone"), place(1, 1), place(0, 5), place(0, 1)]


@pytest.mark.parametrize(
    ("selection", "selected"),
    [
        (Selection(), ALL),
        (Selection(reasons=("BadValue",)), [ALL[1], ALL[3]]),
        (Selection(reasons=("BadValue", "MissingKey")), ALL[1:]),
        (Selection(field="stage"), [ALL[1]]),
        (Selection(since=NOW - timedelta(hours=2)), ALL[:3]),
        (Selection(until=NOW - timedelta(hours=2)), [ALL[3]]),
        (Selection(topic=TOPIC), ALL[1:]),
        (Selection(topic="gone"), [ALL[0]]),
        (Selection(topic="'; drop table dead_letter; --"), []),
        (Selection(partition=1), [ALL[1]]),
        (Selection(first_offset=2), [ALL[2]]),
        (Selection(last_offset=4, topic=TOPIC), [ALL[1], ALL[3]]),
        (Selection(places=(Place(TOPIC, 0, 5), Place("gone", 0, 1), Place(TOPIC, 7, 7))), [ALL[0], ALL[2]]),
    ],
)
def test_a_selection_gives_these_the_newest_first(dsn: str, selection: Selection, selected: Sequence[Origin]) -> None:
    assert [letter.origin for letter in noted_letters(dsn, selection)] == selected


def test_a_letter_says_what_was_noted_and_the_name_of_its_topic_as_long_as_it_is_followed(dsn: str) -> None:
    letters = noted_letters(dsn, Selection())
    assert letters[1] == NotedLetter(
        origin=place(1, 1), topic=TOPIC, error_class="BadValue", message="why", field="stage",
        recorded_at=NOW - timedelta(hours=1), status="open", times=0, redriven_at=None, redriven_by=None,
        redriven_to=None, redriven_from=None,
    )  # fmt: skip
    assert [str(letter.place) for letter in letters] == [
        "gone/0/1", f"{TOPIC}/1/1", f"{TOPIC}/0/5", f"{TOPIC}/0/1",
    ]  # fmt: skip


def statuses(dsn: str) -> list[str]:
    return [letter.status for letter in noted_letters(dsn, Selection(topic=TOPIC))]


def test_a_redriven_letter_is_sent_then_done_once_its_place_is_stored(dsn: str) -> None:
    with redrive_notes(dsn) as notes:
        notes.note({place(0, 1): place(0, 9), place(0, 5): place(0, 10)})
    assert statuses(dsn) == ["open", "sent", "done"]
    [letter] = noted_letters(dsn, Selection(places=(Place(TOPIC, 0, 5),)))
    assert (letter.times, letter.redriven_to) == (1, place(0, 10))
    assert letter.redriven_at is not None
    assert letter.redriven_by


def test_a_letter_whose_record_failed_again_gives_way_to_the_newer_one(dsn: str) -> None:
    with redrive_notes(dsn) as notes:
        notes.note({place(0, 1): place(0, 5)})
    letters = {letter.origin: letter for letter in noted_letters(dsn, Selection(topic=TOPIC))}
    assert (letters[place(0, 1)].status, letters[place(0, 5)].status) == ("superseded", "open")
    assert letters[place(0, 5)].redriven_from == place(0, 1)


def test_a_place_in_a_topic_that_is_not_followed_any_more_is_never_done(dsn: str) -> None:
    with redrive_notes(dsn) as notes:
        notes.note({place(0, 1): place(0, 3, "another")})
    assert statuses(dsn)[-1] == "sent"


def test_each_redrive_is_counted_and_the_last_place_counts(dsn: str) -> None:
    for offset in (20, 30):
        with redrive_notes(dsn) as notes:
            notes.note({place(0, 1): place(0, offset)})
    letter = noted_letters(dsn, Selection(places=(Place(TOPIC, 0, 1),)))[0]
    assert (letter.times, letter.redriven_to) == (2, place(0, 30))


def test_two_redrives_at_once_are_one_too_many(dsn: str) -> None:
    with redrive_notes(dsn) as notes:
        with pytest.raises(Fatal, match="another redrive is at work"), redrive_notes(dsn):
            pass
        assert notes.followed_topics() == {TOPIC}
        assert len(notes.letters(Selection())) == 4
    with redrive_notes(dsn):
        pass


def test_a_database_that_is_behind_is_refused_with_what_to_run(database: str) -> None:
    with pytest.raises(Fatal, match="run `milestones migrate`"):
        noted_letters(database, Selection())
    with pytest.raises(Fatal, match="run `milestones migrate`"), redrive_notes(database):
        pass


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("redrive_count = 1", "dead_letter_redriven_is_counted"),
        ("redriven_offset = 1", "dead_letter_was_redriven_to_a_whole_place_or_not_at_all"),
        ("redrive_count = -1", "dead_letter_redrive_count_check"),
    ],
)
def test_the_table_refuses_half_a_note(dsn: str, change: str, constraint: str) -> None:
    with psycopg.connect(dsn) as connection, pytest.raises(psycopg.errors.CheckViolation, match=constraint):
        connection.execute(f"update dead_letter set {change}".encode())  # noqa: S608 - of the list above
