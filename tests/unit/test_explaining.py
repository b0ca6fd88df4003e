"""Explanations: the first reason of thirty situations, and that they agree with evaluation wherever they are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.captured import read_captured
from consumer.config import read_trackers
from consumer.core.explaining import Verdict
from consumer.core.tracker_text import tracker_from
from consumer.core.trackers import Tracker
from tests.unit.explained import ExplainedStream
from tests.unit.meanings import KINDS, MODES, Row
from tests.unit.samples import DATA, FakeRecord, envelope, mariadb_source, record
from tests.unit.streams import as_records
from tests.unit.test_rules import HISTORIES

UNAVAILABLE = "__debezium_unavailable_value"


def change(
    op: str, before: Row | None, after: Row | None, number: int, *, key: object = None, headers: object = None
) -> FakeRecord:
    block = {"snapshot": "true"} if op == "r" else {}
    source = mariadb_source(gtid=f"0-1-{number}", pos=number, **block)
    return record({**envelope(op, before, after), "source": source}, key=key or {"name": "SO-1"}, headers=headers)


def new(row: Row) -> FakeRecord:
    return change("c", None, row, 1)


def update(before: Row | None, row: Row, number: int = 2) -> FakeRecord:
    return change("u", before, row, number)


def read(row: Row) -> FakeRecord:
    return change("r", None, row, 3)


def renamed(old: str, new_name: str, row: Row) -> FakeRecord:
    headers = [("__debezium.oldkey", b'{"name":"%s"}' % old.encode())]
    return change("c", None, row, 2, headers=headers, key={"name": new_name})


OPEN, BILLED, DRAFT = {"status": "Open"}, {"status": "Billed"}, {"status": "Draft"}
STATUS: Mapping[str, object] = {"track_field": "status"}
BIG: Mapping[str, object] = {"track_field": "amount", "at_least": 100, "as": "decimal"}
WHEN: Mapping[str, object] = {**STATUS, "when": 'after.status == "Billed" && after.amount > 100.0'}

# The rule, the records, and what is said of the last: the reason, and a part of its detail.
SITUATIONS: Mapping[str, tuple[Mapping[str, object], Sequence[FakeRecord], str, str]] = {
    "a new value": (STATUS, [new(OPEN)], "reached", "from empty to 'Open', occurrence 1"),
    "again": (STATUS, [new(OPEN), update(OPEN, BILLED), update(BILLED, OPEN, 3)], "reached", "occurrence 3"),
    "from nobody knows what": (STATUS, [update(None, OPEN)], "reached", "nobody knows from what to 'Open'"),
    "disabled": ({**STATUS, "disabled": True}, [new(OPEN)], "disabled", "milestones trackers enable"),
    "column absent": (STATUS, [update({"amount": 1}, {"amount": 2})], "column absent", "does not have the column"),
    "unchanged": (STATUS, [update(OPEN, OPEN)], "unchanged", "did not change"),
    "normalised": (
        {**BIG, "at_least": 1}, [update({"amount": "5.0"}, {"amount": "5.00"})],
        "unchanged after normalising", "same value",
    ),
    "unchanged TOAST": (STATUS, [update(OPEN, {"status": UNAVAILABLE})], "unchanged TOAST", "Debezium did not send"),
    "the state had it": (STATUS, [new(OPEN), update(None, OPEN)], "unchanged", "had 'Open' already"),
    "empty": (STATUS, [update(OPEN, {"status": None})], "empty", "empty now"),
    "no target": ({**STATUS, "values": ["Billed", "Paid"]}, [new(OPEN)], "not a target", "'Open' is not 'Billed' or"),
    "below": (BIG, [new({"amount": 99.5})], "outside the threshold", "99.5 is not at least 100"),
    "above": ({**BIG, "at_most": 200}, [new({"amount": 201})], "outside the threshold", "at least 100 and at most 200"),
    "too early": (
        {"track_field": "due", "at_least": "2026-06-30"}, [new({"due": "2026-06-29"})],
        "outside the threshold", "2026-06-29"
    ),
    "no number": ({"track_field": "amount", "at_least": 100}, [new({"amount": "much"})], "not a number", "no number"),
    "condition": (
        WHEN, [new({"status": "Billed", "amount": 5.0})], "condition false", "after.amount > 100.0 is false: ",
    ),
    "its parts": (WHEN, [new({"status": "Billed", "amount": 5.0})], "condition false", "after.amount = 5"),
    "condition cannot tell": (WHEN, [new(BILLED)], "a column is not in the record", "amount"),
    "condition on before": (
        {**STATUS, "when": 'before.status == "Open"'}, [update(None, BILLED)], "before is unknown", "",
    ),
    "snapshot": (STATUS, [read(OPEN)], "snapshot", "snapshot: baseline"),
    "snapshot as milestone": ({**STATUS, "snapshot": "milestone"}, [read(OPEN)], "reached", "to 'Open'"),
    "snapshot reconciles": ({**STATUS, "snapshot": "reconcile"}, [new(DRAFT), read(OPEN)], "reached", "'Draft'"),
    "snapshot knows nothing": ({**STATUS, "snapshot": "reconcile"}, [read(OPEN)], "before unknown", "reconcile"),
    "snapshot as it was": ({**STATUS, "snapshot": "reconcile"}, [new(OPEN), read(OPEN)], "unchanged", "'Open'"),
    "duplicate": (STATUS, [new(OPEN), new(OPEN)], "duplicate", "at document-changes/0/0"),
    "from another value": (
        {**STATUS, "from_values": ["Draft"]}, [update(OPEN, BILLED)], "from another value", "'Open', not from 'Draft'"
    ),
    "from unknown": (
        {**STATUS, "from_values": ["Draft"]}, [update(None, BILLED)], "before unknown", "has to be 'Draft'"
    ),
    "first": (
        {**STATUS, "values": ["Open"], "occurrence": "first"},
        [new(OPEN), update(OPEN, BILLED), update(BILLED, OPEN, 3)], "reached before", "occurrence: first",
    ),
    "not returned": (BIG, [new({"amount": 150}), update({"amount": 150}, {"amount": 200})], "met before", "'150'"),
    "returned": (
        BIG, [new({"amount": 150}), update({"amount": 150}, {"amount": 5}), update({"amount": 5}, {"amount": 200}, 3)],
        "reached", "'5'"
    ),
    "deleted": (STATUS, [new(OPEN), change("d", OPEN, None, 2)], "deleted", "deleted"),
    "renamed": (STATUS, [new(OPEN), renamed("SO-1", "SO-2", OPEN)], "renamed", "from 'SO-1'"),
    "a set that is not filled": ({"filled": ["a", "b"]}, [new({"a": "x", "b": None})], "empty", "empty now"),
    "a set, column absent": ({"filled": ["a", "b"]}, [update({"a": "x"}, {"a": "x"})], "column absent", "column"),
    "docstatus": ({"docstatus": "submitted"}, [new({"docstatus": 0})], "not a target", "'0' is not '1'"),
    "redriven too late": (
        STATUS,
        [new(OPEN), update(OPEN, BILLED, 3), change("r", None, DRAFT, 2)],
        "snapshot", "baseline",
    ),
}  # fmt: skip


def follow(said: Mapping[str, object]) -> Tracker:
    return tracker_from({"document_type": "Sales Order", "name": "it", **said}, "trackers[0]")


def last_verdict(said: Mapping[str, object], records: Sequence[FakeRecord]) -> Verdict:
    stream = ExplainedStream(follow(said))
    [verdict] = [stream.why(one) for one in records][-1]
    return verdict


@pytest.mark.parametrize(("said", "records", "reason", "detail"), SITUATIONS.values(), ids=SITUATIONS)
def test_the_first_reason(said: Mapping[str, object], records: Sequence[FakeRecord], reason: str, detail: str) -> None:
    verdict = last_verdict(said, records)
    assert (verdict.reason, verdict.reached) == (reason, reason == "reached")
    assert detail in verdict.detail


@pytest.mark.parametrize("value", [None, b"{", b'{"op":"x"}'])
def test_what_is_no_change_has_no_verdicts(value: bytes | None) -> None:
    stream = ExplainedStream(follow(STATUS))
    assert stream.why(record(value)) == []


def test_another_name_in_another_case_is_another_value() -> None:
    assert last_verdict({**STATUS, "values": ["open"]}, [new(OPEN)]).reason == "not a target"


def agree(stream: ExplainedStream, records: Sequence[FakeRecord]) -> int:
    reached = 0
    for _, verdicts, milestones in stream.each(records):
        assert {v.id for v in verdicts if v.reached} == {m.id for m in milestones}
        assert all(verdict.reason != "not told" for verdict in verdicts)
        reached += len(milestones)
    return reached


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("snapshot", ["baseline", "milestone", "reconcile"])
@settings(max_examples=15)
@given(rows=HISTORIES, ops=st.lists(st.sampled_from("uuuurd"), min_size=12, max_size=12), known=st.booleans())
def test_explanations_agree_with_evaluation(
    kind: str, mode: str, snapshot: str, rows: list[Row], ops: list[str], known: bool
) -> None:
    said, _ = KINDS[kind]
    stream = ExplainedStream(follow({**said, "occurrence": mode, "snapshot": snapshot}))
    records: list[FakeRecord] = []
    before: Row | None = None
    for number, (row, op) in enumerate(zip(rows, ops, strict=False)):
        fits = op if before or op == "r" else "c"
        after = None if fits == "d" else row
        records.append(change(fits, before if known and fits == "u" else None, after, number))
        before = after
    agree(stream, [*records, *records[-1:]])


@pytest.mark.parametrize(
    ("file", "least"), [("frappe-events-stringmode", 3_000), ("frappe-events-stringmode-with-schema", 100)]
)
def test_explanations_agree_on_what_a_frappe_sent(file: str, least: int) -> None:
    captured = as_records(read_captured(DATA / f"{file}.jsonl.gz"))
    said = read_trackers(DATA / "trackers.yaml")
    trackers = [
        msgspec.structs.replace(one, name=f"{one.name} {at}", rule=msgspec.structs.replace(one.rule, **more))
        for one in said
        for at, more in enumerate[dict[str, str]](({}, {"occurrence": "first"}, {"snapshot": "milestone"}))
    ]
    assert agree(ExplainedStream(*trackers), captured) > least
