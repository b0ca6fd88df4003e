"""`milestones explain` and `milestones backtest` as commands, on a real stream."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import yaml

from tests.processes.truth import FIELD, UNTRACKED, changes
from tests.processes.workers import ROOT, Deployment

pytestmark = pytest.mark.all


def run(deployment: Deployment, *arguments: str, code: int = 0) -> str:
    """What a command prints; on stderr if it fails."""
    command = [sys.executable, "-m", "consumer", arguments[0], "--config", str(deployment.write_config())]
    done = subprocess.run([*command, *arguments[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code in (0, 3) else done.stderr


@pytest.fixture
def settled(deployment: Deployment) -> Deployment:
    """A stream that is stored and announced."""
    deployment.create(partitions=2)
    deployment.feed(changes(1_000))
    deployment.finish()
    return deployment


def explained(deployment: Deployment, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(deployment, "explain", *arguments, "--json").splitlines()]


def test_a_document_is_explained_as_it_is_stored(settled: Deployment) -> None:
    rows = settled.rows()
    document_type, name = rows[0].reached[:2]
    records = explained(settled, "--document", f"{document_type}/{name}", "--last", "1000")
    reached = [verdict["id"] for record in records for verdict in record["verdicts"] if verdict["reached"]]
    assert reached == [row.id for row in rows if row.reached[:2] == (document_type, name)]
    assert explained(settled, "--document", f"{document_type}/{name}", "--last", "1") == records[-1:]

    printed = run(settled, "explain", "--document", f"{document_type}/{name}", "--last", "1000")
    assert printed.count("✓") == len(reached)
    assert records[0]["place"] in printed


def test_one_record_is_explained_in_each_way_to_write_its_place(settled: Deployment) -> None:
    row = settled.rows()[0]
    [one] = explained(settled, "--at", f"{settled.topic}:{row.partition}:{row.offset}")
    assert [one] == explained(settled, "--at", f"{settled.topic}/{row.partition}/{row.offset}")
    assert [verdict["id"] for verdict in one["verdicts"] if verdict["reached"]] == [row.id]
    assert one["evaluated"]


def test_what_no_worker_has_stored_is_explained_too(settled: Deployment) -> None:
    ends = settled.stored()
    settled.feed(changes(1_100)[1_000:])
    records = [explained(settled, "--at", f"{settled.topic}:{key}:{offset}")[0] for key, offset in sorted(ends.items())]
    assert not any(record["evaluated"] for record in records)
    printed = run(settled, "explain", "--at", records[0]["place"])
    assert "not evaluated yet" in printed


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "say either --document"),
        (["--document", "Task"], 2, "write document type and name"),
        (["--document", "Nothing/1"], 2, "no tracker follows 'Nothing'; there are trackers for"),
        (["--document", "Task/nobody"], 1, "no record tells of Task/nobody"),
        (["--at", "elsewhere:0:1"], 2, "there is no such partition; the input topics are"),
        (["--at", "5"], 2, "--at '5': write topic:partition:offset, or topic/partition/offset"),
        (["--document", "Task/TAS-00001", "--tracker", "nope"], 2, "--tracker: nope is no tracker of these records"),
    ],
)
def test_what_is_asked_wrongly_is_answered(settled: Deployment, arguments: list[str], code: int, said: str) -> None:
    assert said in run(settled, "explain", *arguments, code=code)


def test_a_record_that_is_not_there_is_told_by_what_is(settled: Deployment) -> None:
    end = settled.stored()[0]
    wrong = run(settled, "explain", "--at", f"{settled.topic}:0:{end + 7}", code=2)
    assert f"the log holds offsets 0 to {end - 1}" in wrong


def test_a_backtest_tells_what_a_new_tracker_would_add(settled: Deployment) -> None:
    assert "no differences" in run(settled, "backtest")
    new = settled.folder / "new.yaml"
    added = {"document_type": UNTRACKED, "track_field": FIELD, "name": "new one"}
    new.write_text(yaml.safe_dump([*settled.config["trackers"], added]))
    report = json.loads(run(settled, "backtest", "--trackers", str(new), "--json", code=3))
    assert {name for name, line in report["trackers"].items() if line["added"]} == {"new one"}
    assert report["records"] == 1_000
    assert report["trackers"]["new one"]["now"] == 0
    assert "nothing" not in run(settled, "backtest", "--trackers", str(new), "--samples", "2", code=3)
    assert (
        json.loads(run(settled, "backtest", "--trackers", str(new), "--until", "2001-01-01", "--json"))["records"] == 0
    )
