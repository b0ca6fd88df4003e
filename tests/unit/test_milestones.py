"""The milestone's id, and the event that announces it."""

import json
from collections.abc import Callable
from uuid import RFC_4122, UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.milestones import Milestone, announcement, labels_text, milestone_id
from consumer.core.states import StateKey
from tests.unit.samples import AT_MS, milestone

NAMES = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable())
KEYS = st.builds(StateKey, NAMES, NAMES, NAMES)
TIMES_MS = st.integers(min_value=0, max_value=2**48 - 1)
KEY = StateKey("Sales Order", "SO-1", "status")


@given(NAMES, KEYS, NAMES, TIMES_MS)
def test_an_id_is_a_version_8_uuid_and_the_same_every_time(
    tracker: str, key: StateKey, identity: str, at_ms: int
) -> None:
    id_ = milestone_id(tracker, key, identity, at_ms)
    parsed = UUID(id_)
    assert (str(parsed), parsed.version, parsed.variant) == (id_, 8, RFC_4122)
    assert milestone_id(tracker, StateKey(*key), identity, at_ms) == id_


@given(KEYS, KEYS, TIMES_MS, TIMES_MS)
def test_ids_sort_by_the_time_of_the_change(one: StateKey, other: StateKey, early_ms: int, late_ms: int) -> None:
    early, late = milestone_id("t", one, "a", early_ms), milestone_id("t", other, "b", late_ms)
    if early_ms != late_ms:
        assert (early < late) is (early_ms < late_ms)
        assert (UUID(early) < UUID(late)) is (early_ms < late_ms)


@pytest.mark.parametrize(
    "other",
    [
        lambda: milestone_id("other", KEY, "0-1-7#1", AT_MS),
        lambda: milestone_id("t", StateKey("Task", "SO-1", "status"), "0-1-7#1", AT_MS),
        lambda: milestone_id("t", StateKey("Sales Order", "SO-2", "status"), "0-1-7#1", AT_MS),
        lambda: milestone_id("t", StateKey("Sales Order", "SO-1", "stage"), "0-1-7#1", AT_MS),
        lambda: milestone_id("t", KEY, "0-1-7#2", AT_MS),
        lambda: milestone_id("t", KEY, "0-1-7#1", AT_MS + 1),
    ],
    ids=["tracker", "document type", "document", "field", "source identity", "time"],
)
def test_each_part_of_an_id_makes_it_another_one(other: Callable[[], str]) -> None:
    assert other() != milestone_id("t", KEY, "0-1-7#1", AT_MS)


def test_parts_of_an_id_do_not_run_into_each_other() -> None:
    assert milestone_id("t", StateKey("A", "BC", "f"), "i", 0) != milestone_id("t", StateKey("AB", "C", "f"), "i", 0)


def test_an_id_is_what_it_was_when_the_first_rows_were_stored() -> None:
    assert milestone_id("Sales Order-status", KEY, "0-1-7#1", AT_MS) == "01a204db-abf8-88a0-93b5-a4b028edf23e"


def test_an_announcement_is_a_cloud_event_in_binary_mode() -> None:
    event = announcement(milestone(milestone_tracker="Sales Order-status"))
    headers = dict(event.headers)
    assert len(headers) == len(event.headers)
    assert headers == {
        "ce_specversion": b"1.0",
        "ce_id": b"01a204db-87d9-8b83-ae0d-a38625af7ee0",
        "ce_type": b"milestones.milestone-reached.v1",
        "ce_source": b"/milestones/Sales%20Order-status",
        "ce_time": b"2026-11-22T20:03:55Z",
        "ce_subject": b"Sales Order/SO-1",
        "content-type": b"application/json",
    }
    assert event.key == b"Sales Order/SO-1"


def test_announcements_of_one_document_share_a_key_and_those_of_others_do_not() -> None:
    one, same = announcement(milestone()), announcement(milestone(track_field="stage", value="Won", origin_offset=8))
    assert one.key == same.key
    assert one.key != announcement(milestone(reference_name="SO-2")).key


def test_the_value_says_all_that_the_row_says_but_how_it_is_announced() -> None:
    said = json.loads(announcement(milestone(actor=None, from_value=None, from_value_known="unknown")).value or b"")
    origin = said.pop("origin")
    assert origin == {"topic_id": "topic-id", "partition": 0, "offset": 7}
    own_columns = {"origin_topic_id", "origin_partition", "origin_offset", "announce", "silent", "labels", "owner"}
    assert set(said) == set(Milestone.__struct_fields__) - own_columns
    assert said["reached_at"] == "2026-11-22T20:03:55Z"
    assert said["actor"] is None
    assert said["from_value_known"] == "unknown"


def test_labels_and_owner_are_said_where_there_are_any() -> None:
    labelled = milestone(labels=labels_text({"team": "sales", "area": "north"}), owner="jo@example.com")
    said = json.loads(announcement(labelled).value or b"")
    assert said["labels"] == {"area": "north", "team": "sales"}
    assert said["owner"] == "jo@example.com"
    assert list(said)[-2:] == ["labels", "owner"]


@given(
    st.builds(
        lambda value, name, actor: milestone(value=value, reference_name=name, actor=actor),
        NAMES,
        NAMES,
        st.none() | NAMES,
    )
)
def test_announcing_again_gives_the_same_bytes(stored: Milestone) -> None:
    event = announcement(stored)
    assert announcement(msgspec.convert(msgspec.to_builtins(stored), Milestone)) == event
