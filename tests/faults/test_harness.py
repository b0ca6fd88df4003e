"""The harness can fail: with each of five deliberate bugs its verdict is red (without them see test_kills.py, too)."""

import pytest

from tests.faults.buggy import BUGS
from tests.faults.trial import Trial
from tests.processes import tally

WITH_AND_WITHOUT = pytest.mark.parametrize("correct", [True, False], ids=["correct", "bug"])


def _killed(trial: Trial, point: str) -> list[str]:
    """What is wrong after several kills: a batch that reads late may hold no milestone, and then nothing is lost."""
    trial.begin()
    for batch in (4, 3, 2):
        killed = trial.work(fault=f"{point}:{batch}:kill")
        assert killed.ended() == -9, killed.log
    trial.work()
    trial.wait_for_progress()
    return _problems(trial)


def _problems(trial: Trial) -> list[str]:
    sent = trial.stop_feeding()
    trial.wait_until_published()
    trial.drain()
    return trial.problems_after(sent)


def _give(trial: Trial, bug: str, *, correct: bool) -> None:
    assert bug in BUGS
    trial.bug = "" if correct else bug


def test_offsets_committed_before_rows_are_stored_lose_events(trial: Trial) -> None:
    trial.bug = "commit_before_store"
    assert _killed(trial, "before-commit") != []
    assert tally.current().lost > 0


def test_what_was_stored_before_a_crash_and_is_not_looked_up_is_lost(trial: Trial) -> None:
    trial.bug = "publish_new_rows_only"
    assert _killed(trial, "stored") != []
    assert tally.current().lost > 0


def test_offsets_outside_the_transaction_double_events(trial: Trial) -> None:
    trial.bug = "offsets_outside_the_transaction"
    assert _killed(trial, "offsets-sent") != []
    assert tally.current().doubled_events > 0


@WITH_AND_WITHOUT
def test_without_compare_and_set_a_zombie_drags_positions_back(trial: Trial, correct: bool) -> None:
    _give(trial, "no_compare_and_set", correct=correct)
    trial.begin()
    zombie = trial.work(fault="decoded:1:stop")
    trial.wait(lambda: zombie.is_frozen, "it is frozen")
    trial.work()
    trial.wait_for_progress(300)
    sent = trial.stop_feeding()
    trial.wait_until_published()
    zombie.go_on()
    trial.wait(lambda: "reading both watermarks again" in zombie.log, "its late batch is refused somewhere")
    trial.look_again()
    trial.drain()
    problems = trial.problems_after(sent)
    assert (problems == []) == correct, problems
    assert any("went back" in problem for problem in problems) != correct


@WITH_AND_WITHOUT
def test_changes_told_apart_by_offset_only_double_rows(trial: Trial, correct: bool) -> None:
    _give(trial, "dedupe_by_offset_only", correct=correct)
    trial.begin(place=lambda change: [change.partition(4)] * 2)
    trial.work()
    trial.wait_for_progress(300)
    assert (_problems(trial) == []) == correct
    assert (tally.current().doubled_rows == 0) == correct
