"""Trackers: what people write, what is refused, and which changes they want."""

import json

import pytest

from consumer.core.events import Kind
from consumer.core.matching import match, state_keys
from consumer.core.states import StateKey
from consumer.core.tracker_text import tracker_from
from consumer.core.trackers import OWN_DOCUMENT_TYPES, DocumentType, Rule, Tracker, check_together, trackers_from_json
from consumer.core.values import Encoding
from consumer.errors import ConfigError
from tests.unit.samples import REVISION, Change, candidates_of, event_of, key_of, rules_of, tracker

WHOLE = {
    "name": "billed",
    "description": "The invoice is out",
    "document_type": "Sales Order",
    "track_field": "status",
    "values": ["Fully Billed"],
    "from_values": ["To Bill"],
    "snapshot": "reconcile",
    "disabled": True,
}


def read(**said: object) -> Tracker:
    return tracker_from({"document_type": "Sales Order", "track_field": "grand_total", **said}, "trackers[0]")


def test_two_keys_make_a_tracker_by_frappes_rule() -> None:
    made = tracker_from({"document_type": "Task", "track_field": "status"}, "trackers[0]")
    assert made == Tracker(name="Task-status", document_type="Task", track_field="status")
    assert (made.rule, made.disabled, made.managed_by) == (Rule(), False, "config")


def test_every_key_is_taken_on() -> None:
    made = tracker_from(WHOLE, "trackers[0]")
    assert made == Tracker(
        name="billed", description="The invoice is out", document_type="Sales Order", track_field="status",
        rule=Rule(("Fully Billed",), ("To Bill",), snapshot="reconcile"), disabled=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "written", "canonical"),
    [
        ({"as": "decimal"}, [1.50, "2.00", 3], ("1.5", "2", "3")),
        ({"as": "boolean"}, [1, False, "t"], ("true", "false", "true")),
        ({}, [1.50, "1.50", True, 0], ("1.5", "1.50", "true", "0")),
    ],
)
def test_values_are_compared_as_canonical_text(
    encoding: dict[str, object], written: list[object], canonical: tuple[str, ...]
) -> None:
    assert read(**encoding, values=written, from_values=written).rule.values == canonical
    assert read(**encoding, from_values=written).rule.from_values == canonical


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (
            {"value": ["x"]},
            r"trackers\[0\]: unknown key 'value', did you mean 'values'\?; a tracker has announce, as, at_least",
        ),
        ({"document_type": ""}, "document_type is missing"),
        ({"track_field": None}, "track_field is missing"),
        ({"as": "money"}, "as: money is not known; one of text, decimal"),
        ({"scale": "2"}, "scale is a whole number"),
        ({"values": "Billed"}, "values is a list, not 'Billed'"),
        ({"values": ["", "x"]}, "values: an empty value is never reached"),
        ({"values": [None]}, "values: an empty value is never reached"),
        ({"as": "decimal", "from_values": ["much"]}, "from_values: a text is not a value of encoding 'decimal'"),
        ({"snapshot": "often"}, r"trackers\[0\] .*: snapshot is one of baseline, milestone, reconcile, not 'often'"),
        ({"snapshot": True}, "snapshot is one of baseline, milestone, reconcile, not True"),
        ({"disabled": "no"}, "disabled is true or false, not 'no'"),
        ({"document_type": "Milestone"}, "Milestone is this program's own and is never evaluated"),
        ({"document_type": "Milestone Tracker"}, "Milestone Tracker is this program's own"),
        ({"document_type": "tabMilestone"}, "tabMilestone is this program's own"),
        ({"description": "a\x00b"}, "NUL"),
        ({"values": ["a\x00b"]}, "NUL"),
        ({"track_field": "f" * 256}, "longer than 255"),
        ({"docstatus": "submitted"}, "docstatus and track_field are too many|track_field and docstatus are too many"),
        ({"track_field": None, "filled": ["a"]}, r"filled is a list of at least two columns, not \['a'\]"),
        ({"track_field": None, "filled": ["a", "a"]}, "filled names a column twice"),
        ({"track_field": None, "filled": ["a", "b"], "values": ["x"]}, "filled has no values"),
        ({"track_field": None, "filled": ["a", "b"], "at_least": 5}, "filled has no threshold"),
        ({"track_field": None, "docstatus": "done"}, "docstatus is one of draft, submitted, cancelled, not 'done'"),
        ({"track_field": None, "docstatus": "draft", "values": [1]}, "docstatus says the values; leave `values` out"),
        ({"at_least": "much"}, "at_least is a number, a date .* or a time, not 'much'"),
        ({"at_least": [1]}, r"at_least is a number, a date or a time, not \[1\]"),
        ({"at_least": 2, "at_most": 1}, "at_least 2 is above at_most 1: nothing reaches both"),
        ({"at_least": 2, "at_most": "2026-01-01"}, "at_least and at_most are two numbers, or two dates"),
        ({"occurrence": "frist"}, "occurrence is one of every, first, after_return, not 'frist'; did you mean first"),
        ({"announce": "no"}, "announce is true or false, not 'no'"),
        ({"labels": ["a"]}, "labels are at most 50 names with texts"),
        ({"labels": {"a": ["b"]}}, "labels: 'a' is to be a name with one text"),
        ({"owner": 5}, "owner is a text, not 5"),
        ({"when": "after.x >"}, r"trackers\[0\] \(Sales Order-grand_total\): when: line 1, column 10"),
    ],
)
def test_what_does_not_fit_is_refused_with_place_and_reason(said: dict[str, object], wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        read(**said)


def test_two_trackers_need_two_names() -> None:
    with pytest.raises(ConfigError, match="two are named 'Sales Order-status'; give one of them another name"):
        check_together([tracker(), tracker(values=["x"])])


def test_one_column_has_one_encoding() -> None:
    with pytest.raises(ConfigError, match="'a' and 'b' follow one field but differ in `as`"):
        check_together([tracker(name="a"), tracker(name="b", **{"as": "decimal"})])
    check_together([tracker(name="a"), tracker("Task", name="b", **{"as": "decimal"})])


def stored(**said: object) -> str:
    return json.dumps([{"name": "t", "document_type": "Task", "track_field": "status", **said}])


def test_trackers_are_read_as_the_database_recorded_them() -> None:
    rule_said = {"values": ["Done"], "as": "text", "snapshot": "milestone"}
    said = {"rule": rule_said, "disabled": True, "managed_by": "hand", "description": "d"}
    [made] = trackers_from_json(REVISION, stored(**said)).trackers
    rule = Rule(("Done",), encoding="text", snapshot="milestone")
    assert made == Tracker(
        name="t", document_type="Task", track_field="status", description="d", rule=rule, disabled=True,
        managed_by="hand",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[", "a rule that cannot be read"),
        (stored(rule={"value": ["Done"]}), "unknown field `value`"),
        (stored(rule={"values": "Done"}), "a rule that cannot be read"),
        (
            stored(rule={"snapshot": "often"}),
            "snapshot: often, which is not known; correct it there to one of baseline, milestone, reconcile",
        ),
        (stored(rule={"as": "money"}), "'t' has the rule as: money, which is not known; correct it there"),
    ],
)
def test_a_rule_written_by_hand_that_cannot_be_followed_is_named(text: str, wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        trackers_from_json(REVISION, text)


def test_who_manages_a_tracker_is_no_difference() -> None:
    assert not tracker().differs_from(tracker(managed_by="hand"))
    assert tracker().differs_from(tracker(description="new"))
    assert tracker().differs_from(tracker(disabled=True))
    assert tracker().differs_from(tracker(snapshot="reconcile"))
    assert not tracker().differs_from(tracker(snapshot="baseline"))


def test_a_document_type_is_looked_for_in_frappes_table_and_the_plain_one() -> None:
    assert set(rules_of().plans) == {"tabSales Order", "Sales Order"}


def test_a_configured_table_is_the_only_one() -> None:
    documents = {"Sales Order": DocumentType("Sales Order", "orders", ("company", "id"), "changed_by")}
    rules = rules_of(documents=documents)
    plan = rules.plans["orders"]
    assert set(rules.plans) == {"orders"}
    assert (plan.document_type, plan.key, plan.actor) == ("Sales Order", ("company", "id"), "changed_by")


def test_the_trackers_encoding_comes_before_that_of_the_documents_section() -> None:
    columns = {"amount": Encoding("decimal", 9), "due": Encoding("date"), "status": Encoding("text")}
    documents = {"Sales Order": DocumentType("Sales Order", columns=columns)}
    trackers = [
        tracker(track_field="amount", scale=2, **{"as": "decimal"}),
        tracker(track_field="due"),
        tracker(track_field="title"),
    ]
    fields = {
        field.name: field.encoding for field in rules_of(*trackers, documents=documents).plans["Sales Order"].fields
    }
    assert fields == {"amount": Encoding("decimal", 2), "due": Encoding("date"), "title": None}


def names(*trackers: Tracker, change: Change) -> list[str]:
    [candidate] = candidates_of(rules_of(*trackers), change)
    return [t.name for t in candidate.trackers]


def test_a_change_is_matched_with_the_trackers_whose_target_values_it_meets() -> None:
    trackers = [tracker(name="any"), tracker(name="won", values=["Won"]), tracker(name="lost", values=["Lost", "X"])]
    assert names(*trackers, change=Change(after="Won")) == ["any", "won"]
    assert names(*trackers, change=Change(after="X")) == ["any", "lost"]
    assert names(*trackers, change=Change(after=None)) == []


@pytest.mark.parametrize("kind", [Kind.SNAPSHOT, Kind.DELETE, Kind.RENAMED_AWAY, Kind.RENAMED_HERE])
def test_only_creates_and_updates_reach_anything(kind: Kind) -> None:
    assert names(tracker(), change=Change(kind, after="Won", other_name="SO-2")) == []


@pytest.mark.parametrize(("value", "wanted"), [("Won", ["all", "won"]), ("Lost", ["all"]), (None, [])])
def test_what_a_snapshot_reads_is_matched_with_the_trackers_that_ask_for_it(
    value: str | None, wanted: list[str]
) -> None:
    trackers = [
        tracker(name="none"),
        tracker(name="all", snapshot="milestone"),
        tracker(name="won", snapshot="reconcile", values=["Won"]),
        tracker(name="off", snapshot="milestone", disabled=True),
    ]
    assert names(*trackers, change=Change(Kind.SNAPSHOT, after=value)) == wanted


def test_a_disabled_tracker_makes_nothing_but_its_field_is_followed() -> None:
    rules = rules_of(tracker(disabled=True))
    [candidate] = candidates_of(rules, Change(after="Won"))
    assert candidate.trackers == ()
    assert [field.name for field in rules.plans["Sales Order"].fields] == ["status"]


def test_each_field_of_an_event_is_a_candidate_of_its_own() -> None:
    candidates = candidates_of(rules_of(tracker(), tracker(track_field="stage")), Change(fields=("status", "stage")))
    assert [candidate.key for candidate in candidates] == [key_of(), key_of(track_field="stage")]


def test_a_rename_needs_the_states_under_both_names() -> None:
    candidates = candidates_of(rules_of(), Change(Kind.RENAMED_HERE, name="SO-2", other_name="SO-1"), Change(name="X"))
    assert state_keys(candidates) == [key_of("SO-1"), key_of("SO-2"), key_of("X")]


def test_a_field_that_no_tracker_follows_any_more_is_still_a_candidate_without_trackers() -> None:
    [candidate] = match([event_of(Change(fields=("gone",), after="x"))], rules_of())
    assert (candidate.key, candidate.trackers) == (StateKey("Sales Order", "SO-1", "gone"), ())


def test_the_programs_own_document_types_are_those_of_frappe() -> None:
    assert {"Milestone", "Milestone Tracker"} == OWN_DOCUMENT_TYPES
