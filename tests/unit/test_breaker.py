"""The breaker: a flood of dead letters is a stop, a few among many are not."""

from collections.abc import Sequence
from itertools import cycle, islice

import pytest

from consumer.core.breaker import Breaker, DeadLetterLimits
from consumer.core.records import Batch, DeadLetter, Partition, offset_of
from consumer.errors import BadValue, Fatal, MalformedRecord, Poison
from tests.unit.samples import TOPIC, batch_of, record

GOOD, BAD = True, False
LIMITS = DeadLetterLimits(ratio=0.5, window=100, run=30)


def _batch(first: int, verdicts: Sequence[bool], partition: int = 0) -> tuple[Batch, list[DeadLetter]]:
    records = [record(b"", partition=partition, offset=first + at) for at in range(len(verdicts))]
    batch = batch_of(*records, stored=first, published=first)
    return batch, [_letter(batch, at) for at, good in enumerate(verdicts) if not good]


def _letter(batch: Batch, at: int, error: Poison | None = None) -> DeadLetter:
    return DeadLetter.of(error or MalformedRecord("not JSON"), batch.origin(batch.records[at]), TOPIC)


def _fed(breaker: Breaker, verdicts: Sequence[bool], size: int) -> tuple[Breaker, int]:
    """Batches of this size until all are counted or it trips; returns the records counted by then."""
    for first in range(0, len(verdicts), size):
        try:
            breaker = breaker.after(*_batch(first, verdicts[first : first + size]))
        except Fatal:
            return breaker, first
    return breaker, len(verdicts)


@pytest.mark.parametrize("size", [1, 7, 50, 10_000])
@pytest.mark.parametrize(
    "verdicts",
    [
        [GOOD] * 5_000 + [BAD] + [GOOD] * 4_999,
        [BAD] * 30 + [GOOD] * 1_000,
        ([BAD] * 30 + [GOOD] * 51) * 20,
        [*islice(cycle([GOOD, BAD]), 2_000)],
        [BAD, GOOD, BAD, BAD, GOOD] * 10,
    ],
    ids=["one among 10,000", "the longest run", "runs at the limit", "half of them", "too few to tell"],
)
def test_what_is_no_flood_goes_by(verdicts: list[bool], size: int) -> None:
    assert _fed(Breaker(LIMITS), verdicts, size)[1] == len(verdicts)


@pytest.mark.parametrize("size", [1, 7, 50, 10_000])
def test_more_in_a_row_than_allowed_is_a_stop_before_their_batch_is_counted(size: int) -> None:
    counted, records = _fed(Breaker(LIMITS), [GOOD] * 40 + [BAD] * 31, size)
    assert records == counted.seen == 70 // size * size


@pytest.mark.parametrize("size", [1, 7, 50, 10_000])
def test_more_among_the_last_records_than_allowed_is_a_stop(size: int) -> None:
    # 51 of the last 100 are bad when the record at offset 200 + 2 comes.
    verdicts = [*islice(cycle([GOOD, BAD]), 200), BAD, BAD, GOOD]
    assert _fed(Breaker(LIMITS), verdicts, size)[1] == 200 // size * size


def test_a_run_is_counted_for_each_partition() -> None:
    breaker = Breaker(LIMITS)
    for first in range(0, 60, 10):
        breaker = breaker.after(*_batch(first, [BAD] * (10 if first < 30 else 0) + [GOOD] * 10, partition=0))
        breaker = breaker.after(*_batch(first, [GOOD] * 20, partition=1))
    breaker = breaker.after(*_batch(100, [BAD] * 20, partition=1))
    with pytest.raises(Fatal, match=f"{TOPIC}-1, offset 130: 31 records in a row"):
        breaker.after(*_batch(120, [BAD] * 11, partition=1))


def test_a_run_ends_where_another_worker_had_the_partition() -> None:
    breaker = Breaker(LIMITS).after(*_batch(0, [BAD] * 30))
    breaker.after(*_batch(500, [BAD] * 30))
    with pytest.raises(Fatal, match="in a row"):
        breaker.after(*_batch(30, [BAD]))


def test_a_batch_without_records_of_a_partition_ends_no_run() -> None:
    breaker = Breaker(LIMITS).after(*_batch(0, [BAD] * 30))
    end = batch_of(record(b"", offset=39), stored=30, published=30)
    breaker = breaker.after(Batch([], end.spans), [])
    assert breaker.runs[Partition(TOPIC, 0)].next_offset == 40
    with pytest.raises(Fatal, match="in a row"):
        breaker.after(*_batch(40, [BAD]))


def test_a_batch_that_failed_counts_once_when_it_comes_again() -> None:
    breaker = Breaker(LIMITS)
    first, *again = [breaker.after(*_batch(0, [BAD] * 20)) for _ in range(5)]
    assert all(one == first for one in again)
    assert first.after(*_batch(20, [BAD] * 10)).seen == 30


def test_records_that_have_their_verdict_are_not_counted() -> None:
    batch, letters = _batch(0, [BAD] * 40)
    stored = Batch(batch.records, batch_of(*batch.records, stored=35).spans)
    counted = Breaker(LIMITS).after(stored, letters[35:])
    assert (counted.seen, [number for number, _ in counted.recent]) == (5, [1, 2, 3, 4, 5])


def test_what_postgresql_refuses_one_by_one_counts_too() -> None:
    breaker = Breaker(LIMITS)
    ones = [_batch(offset, [BAD]) for offset in range(31)]
    refused = [(Batch(batch.records, batch.spans, refused=tuple(letters)), letters) for batch, letters in ones]
    for batch, letters in refused[:30]:
        breaker = breaker.after(batch, letters)
    with pytest.raises(Fatal, match="offset 30: 31 records in a row"):
        breaker.after(*refused[30])


def test_a_limit_of_0_is_none() -> None:
    flood = _batch(0, [BAD] * 10_000)
    with pytest.raises(Fatal, match="100 of the last 100 records"):
        Breaker(DeadLetterLimits(0.5, 100, 0)).after(*flood)
    with pytest.raises(Fatal, match="31 records in a row"):
        Breaker(DeadLetterLimits(0.0, 100, 30)).after(*flood)
    assert Breaker(DeadLetterLimits(0.0, 100, 0)).after(*flood).seen == 10_000


def test_the_count_takes_no_more_memory_than_its_window() -> None:
    counted, _ = _fed(Breaker(DeadLetterLimits(1.0, 100, 0)), [BAD] * 5_000, 1_000)
    assert len(counted.recent) == 100
    assert not counted.runs


def test_the_message_names_place_reasons_and_ways_out() -> None:
    batch, letters = _batch(7, [BAD] * 40)
    letters[5:9] = [_letter(batch, at, BadValue("status is no number", "status")) for at in range(5, 9)]
    with pytest.raises(Fatal) as stopped:
        Breaker(LIMITS).after(batch, letters)
    message = str(stopped.value)
    assert message.startswith(f"{TOPIC}-0, offset {offset_of(batch.records[30])}: 31 records in a row could not be")
    assert "MalformedRecord (27), BadValue of status (4); this one: not JSON." in message
    for way in ("milestones doctor", "milestones dead-letters list", "raise processing.max_dead_letter_run"):
        assert way in message
