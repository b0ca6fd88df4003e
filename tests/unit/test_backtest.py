"""Backtests: the difference that rules make on a history, against a plain comparison of what each side gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from consumer.app_audit import Progress
from consumer.app_backtest import Request, run_backtest
from consumer.captured import read_captured
from consumer.cli import app_for
from consumer.config import load
from consumer.core.backtest import BOTH, NEW, NOW, Backtest, sides_of
from consumer.core.tracker_text import tracker_from
from tests.unit.meanings import KINDS
from tests.unit.samples import AT_MS, envelope, mariadb_source, rules_of
from tests.unit.streams import Stream, as_records
from tests.unit.test_rules import HISTORIES

NOBODY = Progress(lambda _: None, lambda _: None)
Said = Mapping[str, object]
Documents = Sequence[Sequence[Mapping[str, Any]]]


def config_in(folder: Path) -> Path:
    file = folder / "config.yaml"
    file.write_text('kafka: {bootstrap.servers: "127.0.0.1:1", group.id: g}\npostgres: {dsn: host=127.0.0.1 port=1}\n')
    return file


def trackers_in(folder: Path, name: str, *trackers: Said) -> Path:
    file = folder / name
    file.write_text(yaml.safe_dump([{"document_type": "Sales Order", **one} for one in trackers]))
    return file


def history(folder: Path, documents: Documents) -> Path:
    """Changes of several documents, in turn, as a captured stream."""
    lines = []
    for document, rows in enumerate(documents):
        before: Mapping[str, Any] | None = None
        for number, row in enumerate(rows):
            source = mariadb_source(gtid=f"0-{document}-{number}", pos=number, ts_ms=AT_MS + number)
            value = {**envelope("u" if before else "c", before, row), "source": source}
            place = {"topic": "document-changes", "partition": document, "offset": number}
            lines.append({**place, "key": {"name": f"SO-{document}"}, "value": value, "timestamp": 1_000 + number})
            before = row
    file = folder / "history.jsonl"
    file.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return file


def tried(
    folder: Path,
    now: Sequence[Said],
    new: Sequence[Said],
    documents: Documents,
    since_ms: int | None = None,
    until_ms: int | None = None,
) -> Backtest:
    request = Request(
        trackers=trackers_in(folder, "new.yaml", *new),
        base=trackers_in(folder, "now.yaml", *now),
        input=history(folder, documents),
        since_ms=since_ms,
        until_ms=until_ms,
    )
    return run_backtest(load(config_in(folder)), request, NOBODY)


def given_by(trackers: Sequence[Said], folder: Path, documents: Documents) -> dict[str, set[str]]:
    """The ids that rules alone give, by tracker: the same records through the plain stream of the other tests."""
    if not trackers:
        return {}
    stream = Stream(*(tracker_from({"document_type": "Sales Order", **one}, "t") for one in trackers))
    stream.take(*as_records(read_captured(history(folder, documents))))
    found: dict[str, set[str]] = {}
    for milestone in stream.milestones:
        found.setdefault(milestone.milestone_tracker, set()).add(milestone.id)
    return found


def named(kind: str, name: str, **more: object) -> Said:
    return {**KINDS[kind][0], "name": name, **more}


SIDES = st.lists(st.sampled_from(sorted(KINDS)), max_size=3, unique=True)


@settings(max_examples=30, deadline=None)
@given(
    documents=st.lists(HISTORIES, min_size=1, max_size=3),
    now=SIDES,
    new=SIDES,
    mode=st.sampled_from(["first", "every"]),
)
def test_it_counts_what_rules_give_that_the_others_do_not(
    documents: list[Any], now: list[str], new: list[str], mode: str
) -> None:
    before = [named(kind, kind) for kind in now]
    after = [named(kind, kind, occurrence=mode) for kind in new]
    with TemporaryDirectory() as name:
        folder = Path(name)
        report = tried(folder, before, after, documents)
        had, has = given_by(before, folder, documents), given_by(after, folder, documents)
    assert set(report.trackers) == {*now, *new} >= set(had) | set(has)
    for tracker, line in report.trackers.items():
        old, found = had.get(tracker, set()), has.get(tracker, set())
        assert (line.now, line.new) == (len(old), len(found))
        assert (line.added, line.removed) == (len(found - old), len(old - found))
    assert report.records == sum(map(len, documents))
    assert report.differs == (had != has)


ORDERS = [[{"status": "Draft", "amount": 50}, {"status": "Open", "amount": 150}, {"status": "Draft", "amount": 150}]]
STATUS: Said = {"track_field": "status", "name": "status"}


def test_what_is_alike_on_both_sides_is_evaluated_once() -> None:
    amount = tracker_from({"document_type": "Sales Order", "name": "a", **KINDS["at_least"][0]}, "t")
    status = tracker_from({"document_type": "Sales Order", **STATUS}, "t")
    first = msgspec.structs.replace(status, rule=msgspec.structs.replace(status.rule, occurrence="first"))
    [(_, parts)] = sides_of(rules_of(amount, status), rules_of(amount, first)).readers
    assert {side: sorted(rules.by_field) for side, rules in parts.items()} == {
        BOTH: [("Sales Order", "amount")],
        NOW: [("Sales Order", "status")],
        NEW: [("Sales Order", "status")],
    }


def test_columns_that_are_to_be_read_in_two_ways_are_decoded_twice(tmp_path: Path) -> None:
    now: Said = {"track_field": "amount", "name": "amount", "values": ["150"]}
    report = tried(tmp_path, [now], [{**now, "as": "decimal", "values": ["150"]}], ORDERS)
    assert (report.trackers["amount"].now, report.trackers["amount"].new) == (1, 1)
    assert not report.differs


def test_a_milestone_that_says_something_else_is_changed(tmp_path: Path) -> None:
    report = tried(tmp_path, [STATUS], [{**STATUS, "owner": "jane"}], ORDERS)
    assert report.trackers["status"].changed == 3
    [sample, *_] = report.samples["changed"]
    assert sample.detail == "owner: 'jane' instead of None"
    assert sample.place == "document-changes/0/0"


def test_records_of_other_times_are_left_out(tmp_path: Path) -> None:
    report = tried(tmp_path, [STATUS], [STATUS], ORDERS, since_ms=1_001, until_ms=1_002)
    assert (report.records, report.trackers["status"].new, report.differs) == (1, 1, False)


def test_what_cannot_be_told_or_read_is_counted(tmp_path: Path) -> None:
    when = {**STATUS, "when": "after.missing > 5"}
    report = tried(tmp_path, [], [when], ORDERS)
    assert report.unjudged == {"status": {"a column is not in the record": 3}}
    file = tmp_path / "history.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"op":"u"', b'"op":"x"'))
    request = Request(tmp_path / "new.yaml", tmp_path / "now.yaml", file)
    assert run_backtest(load(config_in(tmp_path)), request, NOBODY).unreadable == 2


def test_what_kcat_printed_gives_the_same(tmp_path: Path) -> None:
    captured = tried(tmp_path, [], [STATUS], ORDERS)
    lines = [msgspec.json.decode(line) for line in (tmp_path / "history.jsonl").read_bytes().splitlines()]
    as_text = msgspec.json.encode
    printed = [
        {
            **{name: line[name] for name in ("topic", "partition", "offset")},
            "tstype": "create",
            "ts": line["timestamp"],
            "broker": 0,
            "headers": ["a", "b", "c", None],
            "key": as_text(line["key"]).decode(),
            "payload": as_text(line["value"]).decode(),
        }
        for line in lines
    ]
    file = tmp_path / "printed.jsonl"
    file.write_bytes(b"\n".join(map(as_text, printed)))
    request = Request(tmp_path / "new.yaml", tmp_path / "now.yaml", file)
    report = run_backtest(load(config_in(tmp_path)), request, NOBODY)
    assert report.trackers == captured.trackers
    assert report.trackers["status"].new == 3


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app_for(["backtest"]), ["backtest", "--config", str(config_in(folder)), *arguments])


@pytest.mark.parametrize(("owner", "code"), [("jane", 3), ("", 0)])
def test_the_exit_code_tells_whether_they_differ(tmp_path: Path, owner: str, code: int) -> None:
    files = ["--base", str(trackers_in(tmp_path, "now.yaml", STATUS)), "--input", str(history(tmp_path, ORDERS))]
    done = run(tmp_path, "--trackers", str(trackers_in(tmp_path, "new.yaml", {**STATUS, "owner": owner})), *files)
    assert done.exit_code == code, done.output
    assert ("no differences" in done.output) == (code == 0)
    told = run(tmp_path, "--trackers", str(tmp_path / "new.yaml"), *files, "--json")
    assert msgspec.json.decode(told.output)["differs"] == (code == 3)


def test_a_table_is_not_compared_with_a_file(tmp_path: Path) -> None:
    done = run(tmp_path, "--against-table", "--input", str(history(tmp_path, ORDERS)))
    assert "leave --base and --input away" in str(done.exception)


def test_rules_that_give_nothing_are_listed_with_what_is_known_of_the_reason(tmp_path: Path) -> None:
    never: Said = {"track_field": "status", "name": "never", "values": ["open"]}
    column: Said = {"track_field": "statuss", "name": "column"}
    kind: Said = {"track_field": "status", "name": "kind", "document_type": "Sale Order"}
    report = tried(tmp_path, [], [never, column, kind], ORDERS)
    assert {name: line.new for name, line in report.trackers.items()} == {"never": 0, "column": 0, "kind": 0}
    assert report.silent == {
        "column": "changes lack its column: statuss in 3", "kind": "no change of a Sale Order was read",
    }  # fmt: skip
    assert not report.differs
