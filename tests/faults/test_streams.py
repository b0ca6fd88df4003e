"""Faults 43, 44 and 53: what a source does to its own stream, and the same documents under two workers."""

import time
from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.faults.trial import Trial
from tests.processes.truth import Change


def _at_work(trial: Trial) -> None:
    trial.work()
    trial.work()
    trial.wait_for_members(2)
    trial.wait_for_progress(1_000)


@pytest.mark.fault("43", "duplicates ×10")
def test_changes_that_come_ten_times_count_once(trial: Trial) -> None:
    trial.begin(rate=100, place=lambda change: [change.partition(4)] * 10)
    _at_work(trial)
    trial.settle()


@pytest.mark.fault("43", "stale replays and snapshots in the middle of the stream")
def test_changes_of_the_past_and_snapshots_change_nothing(trial: Trial) -> None:
    past: list[Change] = []

    def again(change: Change) -> Iterable[Change]:
        past.append(change)
        draw = trial.draw.random()
        if draw < 0.05:
            # As after a restart of the source: the last of it once more, in order.
            yield from past[-trial.draw.randint(1, 200) :]
        elif draw < 0.1 and change.op in ("c", "u"):
            yield replace(change, op="r", before=None)

    trial.begin(again=again)
    _at_work(trial)
    trial.settle()


@pytest.mark.fault("44", "transactions aborted upstream, one left open")
def test_what_was_aborted_upstream_is_never_seen(trial: Trial) -> None:
    trial.begin()
    trial.work()
    source = trial.producer({"transactional.id": f"{trial.topic}-source", "transaction.timeout.ms": 60_000})
    source.init_transactions(10.0)
    never = [Change(9_000_000 + at, "c", "Task", f"TAS-ABORTED-{at}", None, "Draft") for at in range(50)]
    for change in never:
        source.begin_transaction()
        source.produce(trial.topic, change.value, change.key, trial.draw.randrange(4), headers=change.headers)
        source.flush(10.0)
        source.abort_transaction(10.0)
        time.sleep(0.02)
    source.begin_transaction()
    source.produce(trial.topic, never[0].value, never[0].key, 0, headers=never[0].headers)
    source.flush(10.0)
    trial.note("a transaction is left open")
    trial.wait_for_progress(300)
    source.abort_transaction(10.0)
    trial.wait_for_recovery(trial.note("it was aborted"))
    trial.settle()
