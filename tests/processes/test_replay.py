"""`milestones replay`: the past evaluated under the trackers of today, and stored milestones announced again."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import psycopg
import pytest

from tests.processes.readings import assert_rows
from tests.processes.test_audit import audit
from tests.processes.truth import TRACKERS, Change, changes, milestones
from tests.processes.workers import ROOT, Deployment

pytestmark = pytest.mark.all


def replay(deployment: Deployment, *arguments: str, code: int = 0) -> dict[str, Any]:
    """What it says as JSON; with another code, its error."""
    command = [sys.executable, "-m", "consumer", "replay", "--config", str(deployment.write_config()), "--json"]
    done = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return {"error": done.stderr} if code else json.loads(done.stdout)


def worked_off(deployment: Deployment, *document_types: str, count: int = 1_000) -> list[Change]:
    """A stream that is stored and announced, with trackers of these types only."""
    deployment.config["trackers"] = [one for one in TRACKERS if one["document_type"] in document_types]
    stream = changes(count)
    deployment.create(partitions=2)
    deployment.feed(stream)
    deployment.finish()
    return stream


def test_a_new_tracker_gets_its_past_silently(deployment: Deployment) -> None:
    stream = worked_off(deployment, "Task")
    tasks, all_types = milestones(stream, ("Task",)), milestones(stream)
    deployment.config["trackers"] = list(TRACKERS)
    subprocess.run(
        [sys.executable, "-m", "consumer", "trackers", "apply", "--config", str(deployment.write_config())],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    planned = replay(deployment)
    assert (planned["records"], planned["present"], planned["written"]) == (1_000, len(tasks), 0)
    assert sum(planned["selected"].values()) == len(all_types)
    assert len(deployment.rows()) == len(tasks)

    done = replay(deployment, "--execute")
    assert (done["present"], done["written"]) == (len(tasks), len(all_types) - len(tasks))
    assert replay(deployment, "--execute")["written"] == 0
    assert_rows(deployment.rows(), all_types)
    assert len(deployment.events()) == len(tasks)
    code, report = audit(deployment)
    assert (code, set(report["untold"])) == (0, {"written by a replay"})


@pytest.mark.fault("59", "a replay")
def test_what_comes_later_counts_on_behind_what_a_replay_wrote(deployment: Deployment) -> None:
    stream = changes(1_000)
    deployment.config["trackers"] = [TRACKERS[1]]
    deployment.create(partitions=2)
    deployment.feed(stream[:600])
    deployment.finish()
    deployment.config["trackers"] = list(TRACKERS)
    deployment.finish()  # Takes the trackers on; there is nothing to evaluate.
    replay(deployment, "--execute")
    deployment.feed(stream[600:])
    deployment.finish()
    assert_rows(deployment.rows(), milestones(stream))
    deployment.assert_clean()


def test_what_counts_on_behind_a_replay_is_no_difference_and_is_not_repaired(deployment: Deployment) -> None:
    stream = changes(1_600)
    deployment.create(partitions=2)
    deployment.feed(stream[:800])
    deployment.finish()
    first = {"document_type": "Note", "name": "once", "track_field": "status", "occurrence": "first"}
    deployment.config["trackers"] = [*TRACKERS, {"document_type": "Note", "track_field": "status"}, first]
    subprocess.run(
        [sys.executable, "-m", "consumer", "trackers", "apply", "--config", str(deployment.write_config())],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    assert replay(deployment, "--tracker", "Note-status", "--tracker", "once", "--execute")["written"] > 0
    deployment.feed(stream[800:])
    deployment.finish()
    before = deployment.rows()
    code, report = audit(deployment, "--repair", "--execute")
    assert (code, report["differences"], report["written"], report["announced_late"]) == (0, {}, 0, 0)
    assert "written by a replay" in report["untold"]
    assert deployment.rows() == before
    # Of documents that no replay counted in, all is compared as ever.
    with psycopg.connect(deployment.dsn) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "update milestone set occurrence = occurrence + 1 where id = "
            "(select id from milestone where reference_type = 'Task' order by id desc limit 1)"
        )
    code, report = audit(deployment)
    assert (code, report["differences"]) == (3, {"different": 1, "announced differently": 1})


@pytest.mark.parametrize("arguments", [["--tracker", "Task-status"], ["--partition", "1"], ["--offsets", "100..299"]])
def test_only_what_is_chosen_is_written(deployment: Deployment, arguments: list[str]) -> None:
    worked_off(deployment, "Task", "Issue", count=600)
    with psycopg.connect(deployment.dsn) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("create table kept as select * from milestone")
        connection.execute("delete from milestone")
    if arguments[0] == "--partition":
        arguments = ["--topic", deployment.topic, *arguments]
    written = replay(deployment, *arguments, "--execute")["written"]
    with psycopg.connect(deployment.dsn) as connection:
        query = """
            select count(*) from kept where case %s
                when '--tracker' then milestone_tracker = 'Task-status'
                when '--offsets' then origin_offset between 100 and 299
                else origin_partition = 1 end"""
        assert connection.execute(query, [arguments[-2]]).fetchone() == (written,)
        same = """
            select count(*) from milestone join kept using (id)
            where to_jsonb(milestone) - 'recorded_at' - 'silent' = to_jsonb(kept) - 'recorded_at' - 'silent'"""
        assert connection.execute(same).fetchone() == (written,)
    assert written > 0


def test_stored_milestones_are_announced_again_as_they_were(deployment: Deployment) -> None:
    stream = worked_off(deployment, "Task", "Issue")
    first = deployment.events()
    assert replay(deployment, "--announce")["announced"] == 0
    some = replay(deployment, "--announce", "--tracker", "Issue-status", "--execute")
    assert some["announced"] == len(milestones(stream, ("Issue",)))
    again = [event for event in deployment.events() if "replayed" in dict(event.headers)]
    assert len(again) == some["announced"]
    known = {event.id: event for event in first}
    for event in again:
        assert (event.key, event.value) == (known[event.id].key, known[event.id].value)
        assert [h for h in event.headers if h[0] != "replayed"] == list(known[event.id].headers)
    one = replay(deployment, "--announce", "--id", again[0].id, "--execute")
    assert (one["announced"], one["selected"]) == (1, {"Issue-status": 1})
    assert audit(deployment)[0] == 0


def test_the_past_is_not_written_while_workers_run(deployment: Deployment) -> None:
    worked_off(deployment, "Task", count=100)
    deployment.start()
    deployment.wait_for_members(1)
    assert "run; stop them first" in replay(deployment, "--execute", code=1)["error"]
    assert replay(deployment)["records"] == 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--tracker", "Tusk-status"], "there is no tracker 'Tusk-status'"), (["--id", "7"], "--id: an id is a UUID")],
)
def test_what_cannot_be_chosen_is_said(deployment: Deployment, arguments: list[str], words: str) -> None:
    worked_off(deployment, "Task", count=20)
    assert words in replay(deployment, *arguments, code=2)["error"].replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--announce", "--tracker", "nope"], "--tracker: there is no tracker 'nope'; there are: "),
        (["--announce", "--topic", "nope"], "--topic: nothing of 'nope' is stored; there are: "),
        (["--partition", "1"], "--partition: say --topic, too"),
        (["--since", "1h", "--until", "2h"], "--since is not before --until"),
    ],
)
def test_what_does_not_exist_is_not_chosen(deployment: Deployment, arguments: list[str], said: str) -> None:
    worked_off(deployment, "Task", count=60)
    assert said in replay(deployment, *arguments, code=2)["error"]
