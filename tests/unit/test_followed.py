"""Trackers that arrive in the stream: what rows of Frappe's `Milestone Tracker` say, as a real Frappe sent them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from consumer.captured import read_captured
from consumer.config import read_trackers
from consumer.core.compiled import Rules, compile_rules
from consumer.core.followed import FOLLOWED_PLAN, FOLLOWED_TABLE, FollowedTracker, parted
from consumer.core.trackers import Trackers
from consumer.formats.decoder import ChangeDecoder
from tests.unit.samples import DATA, REVISION, FakeRecord, batch_of, envelope, mariadb_source, record, rules_of
from tests.unit.streams import as_records

ROW = {"name": "Task-status", "document_type": "Task", "track_field": "status", "disabled": 0}


def following() -> Rules:
    return compile_rules(Trackers(REVISION, ()), {}, {FOLLOWED_TABLE: FOLLOWED_PLAN})


def said(*records: FakeRecord) -> Sequence[FollowedTracker]:
    decoded = ChangeDecoder(following()).decode(batch_of(*records))
    assert not decoded.poison
    documents, trackers = parted(decoded.events)
    assert not documents  # no state is kept of them
    return trackers


def row(op: str, before: object, after: object, number: int = 1) -> FakeRecord:
    source = mariadb_source(FOLLOWED_TABLE, gtid=f"0-1-{number}", pos=number)
    return record({**envelope(op, before, after), "source": source}, offset=number, key={"name": "Task-status"})


@pytest.mark.parametrize("file", ["frappe-events", "frappe-events-stringmode", "frappe-events-with-schema"])
def test_the_trackers_of_a_real_frappe_are_those_that_its_site_had(file: str) -> None:
    records = [r for r in as_records(read_captured(DATA / f"{file}.jsonl.gz")) if "Tracker" in str(r.in_topic)]
    trackers = said(*records)
    site = {(one.document_type, one.track_field) for one in read_trackers(DATA / "trackers.yaml")}
    # One that was switched off, and one of a type whose changes Frappe makes without telling its own trackers.
    others = {("Oracle Case", "priority"), ("Oracle Silent", "status")}
    assert {(one.document_type, one.track_field) for one in trackers} == site | others
    assert [one.name for one in trackers if one.disabled] == ["Oracle Case-priority"]
    assert all(one.name == f"{one.document_type}-{one.track_field}" for one in trackers)


@pytest.mark.parametrize("op", ["c", "r"])
def test_a_new_row_is_a_tracker(op: str) -> None:
    assert said(row(op, None, ROW)) == [FollowedTracker("Task-status", "Task", "status")]


@pytest.mark.parametrize(("on", "off"), [(0, 1), ("0", "1"), (False, True)])
def test_a_changed_row_says_all_of_it_again(on: object, off: object) -> None:
    before = {**ROW, "disabled": on}
    assert said(row("u", before, {**before, "disabled": off})) == [
        FollowedTracker("Task-status", "Task", "status", disabled=True)
    ]


def test_a_row_that_only_somebody_else_saved_says_nothing() -> None:
    assert said(row("u", ROW, {**ROW, "modified_by": "jane"})) == []


def test_a_deleted_row_is_no_tracker_any_more_and_of_one_name_the_last_word_counts() -> None:
    assert said(row("c", None, ROW), row("d", ROW, None, 2)) == [FollowedTracker("Task-status")]
    again = row("c", None, {**ROW, "track_field": "state"}, 3)
    assert said(row("c", None, ROW), row("d", ROW, None, 2), again) == [FollowedTracker("Task-status", "Task", "state")]


def test_a_renamed_row_goes_and_comes() -> None:
    new = {**ROW, "name": "renamed"}
    source = mariadb_source(FOLLOWED_TABLE, gtid="0-1-1", pos=1)
    halves = [
        record(
            {**envelope("d", ROW, None), "source": source},
            key={"name": "Task-status"},
            headers=[("__debezium.newkey", b'{"name":"renamed"}')],
        ),
        record(
            {**envelope("c", None, new), "source": source},
            offset=1,
            key={"name": "renamed"},
            headers=[("__debezium.oldkey", b'{"name":"Task-status"}')],
        ),
    ]
    assert said(*halves) == [FollowedTracker("Task-status"), FollowedTracker("renamed", "Task", "status")]


@pytest.mark.parametrize(
    "more", [{"document_type": None}, {"track_field": ""}, {"document_type": "Milestone"}, {"track_field": "x" * 300}]
)
def test_a_row_that_is_no_tracker_is_passed_over(more: dict[str, object]) -> None:
    assert said(row("c", None, {**ROW, **more})) == []


def test_nobody_reads_the_table_unless_it_is_followed() -> None:
    decoded = ChangeDecoder(rules_of()).decode(batch_of(row("c", None, ROW)))
    assert (decoded.events, decoded.skipped) == ([], {"untracked": 1})
