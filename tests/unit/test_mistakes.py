"""Mistakes that people make with trackers, and what they are told: the thing, the place, and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.config import load
from consumer.errors import ConfigError

CONFIG = """kafka: {bootstrap.servers: k, group.id: g}
postgres: {dsn: host=h}
trackers:
"""
START = """  - name: it
    document_type: Sales Order
    track_field: status
"""


def told(tmp_path: Path, trackers: str) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG + trackers, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("condition", "hint"),
    [
        ('after.status = "Completed"', "equal is =="),
        ('after.status == "a" & after.docstatus == 1', "and is &&"),
        ('after.status == "a" | after.docstatus == 1', "or is ||"),
        ('after.status == "a" and after.docstatus == 1', "and is &&"),
        ('after.status == "a" OR after.docstatus == 1', "or is ||"),
        ('not after.status == "a"', "not is !"),
        ('after.status not in ["a"]', 'not is !, as in !(after.status in ["a", "b"])'),
        ('after.status <> "a"', "not equal is !="),
        ('after.status in ("a", "b")', 'a list has brackets: in ["a", "b"]'),
        ("after.status is null", "what is empty is == null"),
        ('after.title like "a%"', "there are contains, startsWith"),
        ("after.total between 1 and 2", "write both bounds"),
        ("after.status == “a”", "straight quotes"),
        ('after.status == "a', "a text does not end"),
        ("after.status == NULL", "empty is null, in small letters"),
        ("after.status == None", "empty is null"),
        ("after.done == True", "it is true, in small letters"),
        ('doc.status == "a"', "a column is after.status or before.status"),
        ('status == "a"', "a column is after.status or before.status"),
        ('befor.status == "a"', "did you mean before.status?"),
        ("lower(after.status) == 'a'", "CEL has no such function; there are has, size, contains"),
        ("double(after.total) >= 10000", "beside double(…) a number is written with a point: 10000.0"),
        ("1 == 1", "looks at nothing of the change; name a column"),
        ("after.status ==", "something is missing there"),
    ],
)
def test_a_condition_that_is_no_cel_says_what_to_write(tmp_path: Path, condition: str, hint: str) -> None:
    said = told(tmp_path, f"{START}    when: |\n      {condition}\n")
    assert said.startswith("config.yaml:4: trackers[0] (it): when")
    assert hint in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("when: !(after.status == 'a')", "config.yaml:7: trackers[0].when: YAML takes what begins with ! for a tag"),
        ("values: [!important Open]", "config.yaml:7: trackers[0].values[0]: YAML takes what begins with ! for a tag"),
        ('when: after.title == "a #1"', "write `when: |` and the condition into the next line"),
        ("at_least: 2026-02-30", "config.yaml:7: trackers[0].at_least: 2026-02-30 is no date or time that exists"),
        ('at_least: "2026-02-30"', "at_least is a number, a date (2026-12-31) or a time, not '2026-02-30'"),
        ("at_least: 100\n    as: date", "at_least is a number, and a value that is read `as: date` is none"),
        ("values: []", "values is an empty list; leave it out, if any value counts"),
        ("values: Completed", "values is a list, not 'Completed'; write [Completed]"),
        ("values: [Phase: One]", "is no value; quote a text that has a colon"),
        ("vales: [a]", "config.yaml:4: trackers[0] (it): unknown key 'vales', did you mean 'values'?"),
        ("occurrence: once", "occurrence is one of every, first, after_return, not 'once'"),
    ],
)
def test_a_line_that_does_not_fit_says_what_to_write(tmp_path: Path, line: str, said: str) -> None:
    assert said in told(tmp_path, f"{START}    {line}\n")


def test_all_trackers_that_are_wrong_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    said = told(tmp_path, f"{START}    when: a\n{START.replace('it', 'other')}    values: []\n")
    assert [line.partition(")")[0] for line in said.splitlines() if line.startswith("config")] == [
        "config.yaml:4: trackers[0] (it",
        "config.yaml:8: trackers[1] (other",
    ]


def test_two_that_read_one_field_in_two_ways_are_told_with_both(tmp_path: Path) -> None:
    said = told(tmp_path, f"{START}    as: decimal\n{START.replace('it', 'other')}    as: date\n")
    assert "differ in `as` or `scale`: decimal and date; say the same in both" in said


def test_trackers_under_rules_are_told_with_their_line(tmp_path: Path) -> None:
    said = told(tmp_path, "  follow: true\n  rules:\n    - document_type: Sales Order\n")
    assert said.startswith("config.yaml:6: trackers.rules[0]: track_field is missing")
