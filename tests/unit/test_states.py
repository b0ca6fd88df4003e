"""Which changes of a document were seen, and where it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.events import ChangeEvent
from consumer.core.states import REMEMBERED, DocumentState
from tests.unit.samples import Change, event_of


def seen(*changes: Change) -> DocumentState:
    state = DocumentState()
    for change in changes:
        state.remember(event_of(change))
    return state


def elsewhere(identity: str, **more: str) -> ChangeEvent:
    """The same change delivered again, in another partition, where offsets say nothing."""
    return event_of(Change(identity=identity, partition=1, offset=0, **more))  # type: ignore[arg-type]


@given(st.integers(min_value=1, max_value=80))
def test_the_last_32_identities_are_remembered_and_no_more(count: int) -> None:
    state = seen(*(Change(identity=f"change {n}", offset=n) for n in range(count)))
    known = [n for n in range(count) if state.has_seen(elsewhere(f"change {n}"))]
    assert known == list(range(max(0, count - REMEMBERED), count))


def test_a_document_that_was_never_seen_has_seen_nothing() -> None:
    assert not DocumentState().has_seen(event_of(Change()))


@pytest.mark.parametrize(("offset", "expected"), [(6, True), (7, True), (8, False)])
def test_an_equal_or_older_offset_of_the_same_partition_was_seen(offset: int, expected: bool) -> None:
    state = seen(Change(identity="one", offset=7))
    assert state.has_seen(event_of(Change(identity="another", offset=offset))) is expected


def test_an_older_offset_of_another_partition_says_nothing() -> None:
    assert not seen(Change(identity="one", offset=7)).has_seen(elsewhere("another"))


def test_a_gtid_known_from_another_binary_log_was_seen_before_a_fail_over() -> None:
    state = seen(Change(identity="1:b.1:40:0", transaction="0-1-7", log="1:b.1"))
    assert state.has_seen(elsewhere("2:b.9:88:0", transaction="0-1-7", log="2:b.9"))


def test_a_second_change_of_the_same_transaction_in_the_same_log_is_new() -> None:
    state = seen(Change(identity="1:b.1:40:0", transaction="0-1-7", log="1:b.1"))
    assert not state.has_seen(elsewhere("1:b.1:60:0", transaction="0-1-7", log="1:b.1"))


def test_a_new_gtid_from_another_binary_log_is_new() -> None:
    state = seen(Change(identity="1:b.1:40:0", transaction="0-1-7", log="1:b.1"))
    assert not state.has_seen(elsewhere("2:b.9:88:0", transaction="0-1-8", log="2:b.9"))


def test_gtids_are_forgotten_with_the_identities() -> None:
    changes = [Change(identity=f"1:{n}", offset=n, transaction=f"0-1-{n}", log="1:b.1") for n in range(REMEMBERED + 1)]
    state = seen(*changes)
    assert not state.has_seen(elsewhere("2:0", transaction="0-1-0", log="2:b.9"))
    assert state.has_seen(elsewhere("2:1", transaction="0-1-1", log="2:b.9"))


@given(st.lists(st.text(max_size=3), max_size=40), st.text(max_size=3))
def test_an_identity_is_known_only_if_it_was_remembered_whole(remembered: list[str], asked: str) -> None:
    state = seen(*(Change(identity=f"id {text}", offset=n) for n, text in enumerate(remembered)))
    assert state.has_seen(elsewhere(f"id {asked}")) is (asked in remembered[-REMEMBERED:])


def test_since_stays_where_the_value_is_the_same() -> None:
    state = DocumentState()
    state.become("Draft", event_of(Change(at_us=1_000)))
    state.become("Draft", event_of(Change(at_us=2_000)))
    assert (state.known, state.value, state.since) == (True, "Draft", 1_000)
    state.become("To Bill", event_of(Change(at_us=3_000)))
    assert (state.value, state.since) == ("To Bill", 3_000)


def test_the_end_of_a_document_is_kept_until_it_comes_back() -> None:
    state = DocumentState()
    state.become("Draft", event_of(Change(at_us=1_000)))
    state.end(event_of(Change(at_us=2_000)))
    assert (state.known, state.value, state.since, state.ended_at) == (True, None, 2_000, 2_000)
    state.become(None, event_of(Change(at_us=3_000)))
    assert (state.value, state.since, state.ended_at) == (None, 3_000, None)


def test_occurrences_are_counted_for_each_tracker() -> None:
    state = DocumentState()
    assert [state.count("a"), state.count("b"), state.count("a")] == [1, 1, 2]
    assert DocumentState().occurrences == {}


def test_a_renamed_document_takes_value_counts_and_memory_along() -> None:
    old = seen(Change(identity="before", transaction="0-1-7", log="1:b.1"))
    old.become("Draft", event_of(Change(at_us=1_000)))
    old.count("a")
    new = DocumentState()
    new.continue_from(old)
    assert (new.known, new.value, new.since, new.occurrences) == (True, "Draft", 1_000, {"a": 1})
    assert new.has_seen(elsewhere("before"))
    assert new.has_seen(elsewhere("other", transaction="0-1-7", log="2:b.9"))
    new.count("a")
    assert old.occurrences == {"a": 1}
