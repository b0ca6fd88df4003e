"""What conditions can say, what they answer, and what a person is told who wrote one wrong.

The library is young: what this program relies on stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from consumer.core.condition_hints import FUNCTIONS
from consumer.core.conditions import LONGEST_CONDITION, Condition
from consumer.core.events import ChangeEvent
from consumer.core.tracker_text import tracker_from
from consumer.errors import ConfigError, RuleError
from tests.unit.samples import envelope, postgres_source, record, tracker
from tests.unit.streams import Stream

Row = Mapping[str, object]

BEFORE: Row = {
    "status": "Draft",
    "amount": 10,
    "ratio": 0.5,
    "note": "",
    "done": False,
    "city": "Köln",
    "due": "2026-01-31",
}
AFTER: Row = {**BEFORE, "status": "Open", "amount": 12000, "done": True, "big": 2**70}


_TEN = "[0,1,2,3,4,5,6,7,8,9]"
ENDLESS = (
    f"op != 'x' && {_TEN}.all(a, {_TEN}.all(b, {_TEN}.all(c, {_TEN}.all(d, {_TEN}.all(e, a + b + c + d + e >= 0)))))"
)
"""A hundred thousand rounds."""


def event_of(
    condition: str,
    before: Row | None = BEFORE,
    after: Row = AFTER,
    op: str = "u",
    source: Row | None = None,
) -> ChangeEvent:
    """A change of `status`, decoded for a tracker with this condition."""
    stream = Stream(tracker_from({"document_type": "Sales Order", "track_field": "status", "when": condition}, "it"))
    more = {} if source is None else {"source": source}
    stream.take(record(envelope(op, before, {**after, "modified_by": "ada@example.org"}, **more)))
    [event] = stream.events
    return event


def holds(
    condition: str, before: Row | None = BEFORE, after: Row = AFTER, op: str = "u", source: Row | None = None
) -> bool:
    return Condition(condition, "it").holds(event_of(condition, before, after, op, source), "status")


@pytest.mark.parametrize(
    "condition",
    [
        "op == op",
        "after.amount >= 10000",
        "after.amount >= 10000.0",
        "after.amount == 12000.0",
        "after.big > 1e20",
        "after.ratio < 1",
        "after.done && !before.done",
        'after.status == "Open"',
        "after.status == 'Open' // a comment with a \" in it",
        'after["status"] in ["Open", "Closed"]',
        'after.city.startsWith("Kö")',
        'after.status.matches("^O.en$")',
        "after.note == null",
        "after.due >= '2026-01-01'",
        'timestamp(after.due + "T00:00:00Z") < now',
        'now - timestamp("2020-01-01T00:00:00Z") > duration("24h")',
        'now.getFullYear("Europe/Berlin") == 2026',
        'op == "u"',
        '"amount" in changed && !("ratio" in changed)',
        '"status" in changed',
        "size(changed) == 2 && (after.amount > 0 || after.ratio > 0)",
        'actor == "ada@example.org"',
        "has(after.amount) && !has(after.nothing)",
        "after.nothing == 1 || after.amount == 12000",
        "[1, 2, 3].exists(n, n * 4000 == after.amount)",
        'before.status + after.status == "DraftOpen"',
    ],
)
def test_it_holds(condition: str) -> None:
    assert holds(condition)
    assert not holds(f"!({condition.partition(' //')[0]})")


def test_of_a_new_document_everything_was_empty() -> None:
    assert holds('before.status == null && op == "c" && before.status != "Draft"', before=None, op="c")


@pytest.mark.parametrize(
    ("condition", "said", "reason"),
    [
        ("after.nothing == 1", {}, "a column is not in the record"),
        ("before.status == 'Draft'", {"before": None}, "before is unknown"),
        ("'amount' in changed", {"before": None}, "before is unknown"),
        ("before.status == 'Draft'", {"op": "r", "before": None}, "before is unknown"),
        ("after.status > 5", {}, "types do not fit"),
        ("after.note > 5", {}, "types do not fit"),
        ("after.amount", {}, "not true or false"),
        ("1 / (after.amount - 12000) == 1", {}, "error"),
        (ENDLESS, {}, "budget exceeded"),
    ],
)
def test_what_cannot_be_told_has_a_reason(condition: str, said: dict[str, Any], reason: str) -> None:
    with pytest.raises(RuleError) as raised:
        holds(condition, **said)
    assert raised.value.reason == reason


def test_who_cannot_tell_is_counted_and_the_others_go_on() -> None:
    stream = Stream(
        tracker(name="errs", when="after.nothing == 1"), tracker(name="is met", when="after.amount > 1"), tracker()
    )
    stream.take(record(envelope("u", BEFORE, AFTER)))
    assert [m.milestone_tracker for m in stream.milestones] == ["is met", "Sales Order-status"]
    assert stream.unjudged == {("errs", "a column is not in the record"): 1}


def test_what_a_snapshot_reads_is_not_asked_for_where_it_is_no_milestone() -> None:
    asks = "before.status == null && after.amount > 1"
    stream = Stream(tracker(name="baseline", when=asks), tracker(name="each", when=asks, snapshot="milestone"))
    stream.take(record(envelope("r", None, AFTER)))
    assert stream.unjudged == {("each", "before is unknown"): 1}


def test_a_value_that_cannot_be_read_is_not_there() -> None:
    stream = Stream(tracker(when="after.broken == 1"), documents=None)
    stream.take(record(envelope("u", BEFORE, {**AFTER, "broken": "a" + "\x00"})))
    assert not stream.poison
    assert stream.unjudged == {("Sales Order-status", "a column is not in the record"): 1}


def test_what_was_too_large_to_be_sent_again_is_what_it_was() -> None:
    unavailable = "__debezium_unavailable_value"
    assert holds("after.city == 'Köln'", after={**AFTER, "city": unavailable}, source=postgres_source())


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("after.status >", "it: when: line 1, column 15: Syntax error: mismatched input '<EOF>'; something is missing"),
        ("status == 'Open'", "undeclared reference to 'status'.*; a column is after.status or before.status"),
        ("after.status.lower() == 'x'", "undeclared reference to 'lower'.*; CEL has no such function"),
        ("after.amount >= 1 &&\n  now == 5", r"line 2, column 7: found no matching overload.*; both sides have to be"),
        ("now", "it: when gives .*timestamp, not true or false; compare it with something"),
        ('after.status == ""', 'when compares with "", and an empty column is null there; write `== null`'),
        ("after.exists(c, c == 'x')", "when calls after.exists.*, and after holds only the columns that are named"),
        ("after[actor] == 'x'", r"after\[…\] needs the column's name as a text"),
        ("true" + " || true" * LONGEST_CONDITION, "when is longer than 4,000 characters; take it apart"),
        ("'unfinished", "line 1"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_a_way_out(condition: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Condition(condition, "it")


def test_a_mistake_is_shown_where_it_is() -> None:
    with pytest.raises(ConfigError) as raised:
        Condition("after.amount >= 1 &&\n  now == 5", "it")
    assert str(raised.value).splitlines()[1:] == ["    now == 5", "        ^"]


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ('after.a == before.b && after["c d"] == 1', ("a", "b", "c d")),
        ("after.a == 1.5e3 // after.b", ("a",)),
        ('"a" in changed', ("a",)),
        (r"after.a == 'it\'s' && after.b == 1", ("a", r"it\'s", "b")),
        ('after.a == """x"y""" && after.b == 2', ("a", 'x"y', "b")),
        ("op == 'u'", ("u",)),
        ("true", ()),
    ],
)
def test_only_the_columns_that_are_named_are_read(condition: str, columns: tuple[str, ...]) -> None:
    assert Condition(condition, "it").columns == columns


_EXAMPLES = {
    "has": "has(after.title)",
    "size": "size(after.title) == 8",
    "contains": 'after.title.contains("GENT")',
    "startsWith": 'after.title.startsWith("URG")',
    "endsWith": 'after.title.endsWith("1")',
    "matches": 'after.title.matches("^[A-Z]+ [0-9]$")',
    "int": "int(after.text) == 12",
    "double": "double(after.text) >= 12.0",
    "string": 'string(after.number) == "7"',
    "timestamp": 'timestamp(after.day + "T00:00:00Z") < now',
    "duration": 'now - timestamp(after.day + "T00:00:00Z") > duration("1h")',
    "getFullYear": 'now.getFullYear("UTC") > 2000',
    "getMonth": 'now.getMonth("UTC") <= 11',
    "getDate": 'now.getDate("Europe/Berlin") >= 1',
    "getDayOfWeek": 'now.getDayOfWeek("UTC") < 7',
    "getHours": 'now.getHours("Europe/Berlin") < 24',
    "all": '["URGENT 1", "URGENT 1"].all(one, one == after.title)',
    "exists": '["a", "URGENT 1"].exists(one, one == after.title)',
}


def test_the_functions_that_are_told_of_are_there_and_do_what_the_page_says() -> None:
    assert _EXAMPLES.keys() == set(FUNCTIONS)
    page = (Path(__file__).parents[2] / "docs" / "trackers.md").read_text(encoding="utf-8")
    row = {"title": "URGENT 1", "text": "12", "number": 7, "day": "2020-01-01"}
    for name, example in _EXAMPLES.items():
        assert f"`{name}`" in page or f"`{name}(" in page
        assert holds(example, after={**AFTER, **row}), example
