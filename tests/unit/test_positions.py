"""Where reading goes on, from both watermarks; and when a person has to decide."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.positions import LogEnds, Owner, StoredPosition, check_proof, start_of
from consumer.core.records import LastRecord
from consumer.errors import Fatal

OWNER = Owner("document-changes", "id-1", "milestones")
LAST = LastRecord(9, 1_000, 42)


def row(stored: int, published: int = 0, last: LastRecord | None = None, **other: str) -> StoredPosition:
    owned = {"topic_id": "id-1", "consumer_group": "milestones", **other}
    return StoredPosition(owned["topic_id"], owned["consumer_group"], stored, published, last)


def watermarks(
    stored: StoredPosition | None, committed: int | None, low: int = 0, high: int = 100, *, allow_gap: bool = False
) -> tuple[int, int, int, int]:
    """`stored`, `published`, the first offset of the batch, and where to seek."""
    start = start_of(OWNER, 3, stored, committed, LogEnds(low, high), allow_gap=allow_gap)
    assert (start.span.topic, start.span.topic_id, start.span.partition) == ("document-changes", "id-1", 3)
    assert start.known is (stored is not None)
    return start.span.stored, start.span.published, start.span.next_offset, start.seek


def test_a_group_that_never_ran_starts_at_the_earliest_record() -> None:
    assert watermarks(None, None, low=7) == (7, 7, 7, 7)


def test_a_database_made_anew_evaluates_everything_and_announces_from_where_kafka_was() -> None:
    assert watermarks(None, 50, low=7) == (7, 50, 7, 7)


def test_offsets_committed_below_the_log_are_kept_for_the_look_up() -> None:
    assert watermarks(None, 3, low=7) == (7, 3, 3, 7)


def test_both_watermarks_alike_go_on_there() -> None:
    assert watermarks(row(50), 50) == (50, 50, 50, 50)


def test_a_crash_between_the_commits_goes_on_at_published() -> None:
    assert watermarks(row(50), 40) == (50, 40, 40, 40)


def test_a_restored_database_goes_on_at_stored() -> None:
    assert watermarks(row(30), 50) == (30, 50, 30, 30)


def test_an_offset_rewound_by_kafkas_tools_goes_on_there() -> None:
    assert watermarks(row(50), 0) == (50, 0, 0, 0)


def test_where_kafka_forgot_the_offsets_the_table_remembers_them() -> None:
    assert watermarks(row(50, published=40), None) == (50, 40, 40, 40)


def test_what_was_stored_but_not_published_is_looked_up_although_retention_took_the_records() -> None:
    assert watermarks(row(50), 20, low=45) == (50, 20, 20, 45)


def test_a_gap_is_a_stop() -> None:
    with pytest.raises(Fatal, match=r"document-changes-3: records 50 to 59 were removed .* --allow-gap"):
        watermarks(row(50), 50, low=60)


def test_an_accepted_gap_goes_on_at_the_first_record_that_is_left() -> None:
    assert watermarks(row(50), 50, low=60, allow_gap=True) == (50, 50, 50, 60)


def test_a_published_offset_above_a_gap_is_no_gap() -> None:
    with pytest.raises(Fatal, match="records 30 to 39 were removed"):
        watermarks(row(30), 50, low=40)


def test_a_log_that_begins_at_stored_has_no_gap() -> None:
    assert watermarks(row(50), 50, low=50) == (50, 50, 50, 50)


@pytest.mark.parametrize(
    ("stored", "wrong"),
    [
        (row(5, topic_id="id-0"), "deleted and made again (id id-1, stored id-0)"),
        (row(5, consumer_group="other"), "belongs to consumer group 'other', not 'milestones'"),
    ],
)
def test_another_topic_id_or_group_is_a_stop_that_names_take_over(stored: StoredPosition, wrong: str) -> None:
    with pytest.raises(Fatal, match=re.escape(wrong)) as caught:
        watermarks(stored, 5)
    assert "`milestones take-over --topic document-changes`" in str(caught.value)


@pytest.mark.parametrize(("stored", "committed"), [(row(101), 100), (row(100), 101), (None, 101)])
def test_a_position_beyond_the_end_is_a_stop(stored: StoredPosition | None, committed: int) -> None:
    with pytest.raises(Fatal, match=r"position 101 is beyond the end of the log, 100"):
        watermarks(stored, committed)


def test_a_position_at_the_end_is_none() -> None:
    assert watermarks(row(100), 100) == (100, 100, 100, 100)


def test_the_last_stored_record_is_read_again_as_proof() -> None:
    start = start_of(OWNER, 0, row(10, last=LAST), 10, LogEnds(0, 100))
    assert (start.proof, start.seek, start.span.next_offset) == (LAST, 9, 10)


def test_a_proof_within_what_is_read_anyway_moves_nothing() -> None:
    start = start_of(OWNER, 0, row(10, last=LAST), 4, LogEnds(0, 100))
    assert (start.proof, start.seek) == (LAST, 4)


def test_a_proof_that_retention_removed_proves_nothing() -> None:
    start = start_of(OWNER, 0, row(10, last=LAST), 10, LogEnds(10, 100))
    assert (start.proof, start.seek) == (None, 10)


def test_the_same_last_record_proves_the_log() -> None:
    check_proof("t-0", LAST, LastRecord(9, 1_000, 42))


@pytest.mark.parametrize("found", [LAST._replace(hash=43), LAST._replace(timestamp=1_001), LAST._replace(offset=10)])
def test_another_last_record_is_another_log(found: LastRecord) -> None:
    with pytest.raises(Fatal, match="t-0: the record at offset 9 is not the one that was stored"):
        check_proof("t-0", LAST, found)


OFFSETS = st.integers(0, 50)


@given(st.none() | st.builds(row, OFFSETS, OFFSETS), st.none() | OFFSETS, OFFSETS, OFFSETS)
def test_nothing_between_the_lower_watermark_and_the_end_is_ever_skipped(
    stored: StoredPosition | None, committed: int | None, one: int, other: int
) -> None:
    ends = LogEnds(min(one, other), max(one, other))
    try:
        start = start_of(OWNER, 0, stored, committed, ends)
    except Fatal:
        return
    assert start.span.next_offset == min(start.span.stored, start.span.published)
    assert start.seek <= max(start.span.next_offset, ends.low)
    assert start.span.stored >= ends.low
    assert stored is None or start.span.stored == stored.next_offset
    assert committed is None or start.span.published == committed
