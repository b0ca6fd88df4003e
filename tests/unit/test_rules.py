"""Each kind of rule against a slow, obvious reading of what it says, over histories of one document."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.core.tracker_text import tracker_from
from consumer.core.trackers import Tracker
from tests.unit.meanings import KINDS, MODES, Meaning, Row, from_open, text
from tests.unit.samples import envelope, mariadb_source, record
from tests.unit.streams import Stream

REPOSITORY = Path(__file__).parents[2]

STATES = ("Draft", "Open", "Billed", "Closed", "", None)
AMOUNTS = (None, 0, 5, 99.5, 100, "100.0", 250)
DAYS = (None, "2026-01-01", "2026-06-30", "2026-12-31")
ROWS = st.fixed_dictionaries(
    {
        "status": st.sampled_from(STATES),
        "amount": st.sampled_from(AMOUNTS),
        "due": st.sampled_from(DAYS),
        "a": st.sampled_from((None, "", "x")),
        "b": st.sampled_from((None, "y")),
        "docstatus": st.sampled_from((0, 1, 2)),
    }
)
HISTORIES = st.lists(ROWS, min_size=1, max_size=12)


def tracker(**said: object) -> Tracker:
    return tracker_from({"document_type": "Sales Order", **said}, "trackers[0]")


def reached(followed: Tracker, rows: Sequence[Row], *, with_before: bool = True) -> list[int]:
    """The numbers of the changes that are milestones: a create, and updates."""
    stream = Stream(followed)
    return [number for number, one in enumerate(_records(rows, with_before=with_before)) if stream.take(one)]


def _records(rows: Sequence[Row], *, with_before: bool) -> list[Any]:
    before: Row | None = None
    made = []
    for number, row in enumerate(rows):
        said = before if with_before else None
        event = envelope("c" if number == 0 else "u", said, row)
        source = {**dict(event["source"]), "gtid": f"0-1-{number}", "pos": number}  # type: ignore[call-overload]
        made.append(record({**event, "source": source}))
        before = row
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=40)
@given(rows=HISTORIES)
def test_a_rule_means_what_it_says(kind: str, mode: str, rows: list[Row]) -> None:
    said, meaning = KINDS[kind]
    followed = tracker(**said, occurrence=mode)
    assert reached(followed, rows) == getattr(meaning, mode)(rows)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "when"])
@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=40)
@given(rows=HISTORIES)
def test_without_before_the_state_tells_the_same(kind: str, mode: str, rows: list[Row]) -> None:
    said, _ = KINDS[kind]
    followed = tracker(**said, occurrence=mode)
    assert reached(followed, rows, with_before=False) == reached(followed, rows)


@settings(max_examples=40)
@given(rows=HISTORIES)
def test_values_to_come_from_count_for_each_kind_of_occurrence(rows: list[Row]) -> None:
    said = {"track_field": "status", "values": ["Billed", "Closed"], "from_values": ["Open"]}
    assert reached(tracker(**said), rows) == Meaning(text("status"), from_open).every(rows)


_EXAMPLE = re.compile(
    r"```yaml\n(- document_type[^`]*)```\n\n\| the row becomes \| milestone \|\n\|---\|---\|\n((?:\|[^\n]*\n)+)"
)


def examples() -> list[Any]:
    """The examples of docs/trackers.md: a tracker, and a row's changes with what they reach."""
    rules = (REPOSITORY / "docs" / "trackers.md").read_text(encoding="utf-8").partition("## Rules")[2]
    found: list[Any] = []
    for written, table in _EXAMPLE.findall(rules):
        [said] = yaml.safe_load(written)
        cells = [line.strip("| ").split(" | ") for line in table.splitlines()]
        found.append(pytest.param(said, cells, id=f"{said['document_type']}-{len(found)}"))
    return found


@pytest.mark.parametrize(("said", "cells"), examples())
def test_an_example_of_the_page_is_true(said: dict[str, Any], cells: list[list[str]]) -> None:
    stream = Stream(tracker_from(said, "trackers[0]"))
    row: dict[str, Any] = {}
    for number, (change, milestone) in enumerate(cells):
        before, row = (row or None), {**row, **yaml.safe_load(change.strip("`"))}
        source = {**mariadb_source(f"tab{said['document_type']}"), "gtid": f"0-1-{number}", "pos": number}
        took = stream.take(record(envelope("u" if before else "c", before, row, source=source)))
        assert [value for value, _, _ in took] == ([] if milestone == "–" else [milestone.strip("`")]), change


def test_the_page_has_an_example_of_each_kind() -> None:
    shown = {key for example in examples() for key in example.values[0]}
    assert shown >= {"values", "from_values", "at_least", "at_most", "filled", "docstatus", "when", "occurrence"}
