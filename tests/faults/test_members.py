"""Faults 22, 23, 27 and 58: members come and go, do not fit, have a wrong clock, or the same identity."""

import time
from contextlib import closing

import pytest
from confluent_kafka import Consumer

from tests.faults.trial import Trial


def _coming_and_going(trial: Trial, times: int) -> None:
    trial.begin()
    trial.work()
    trial.wait_for_progress()
    before = sum(trial.stored().values())
    for _ in range(times):
        guest = trial.work()
        time.sleep(2.0)
        trial.draw.choice([guest.terminate, guest.kill])()
        guest.ended()
    assert sum(trial.stored().values()) > before
    trial.wait_for_recovery(trial.note("nobody comes any more"))
    trial.settle()


@pytest.mark.fault("22", "members join and leave every 2 s", sample=False)
def test_members_that_come_and_go(trial: Trial) -> None:
    _coming_and_going(trial, 6)


@pytest.mark.fault("22", "members join and leave every 2 s, 100 times", sample=False)
@pytest.mark.seeds(1)
def test_a_hundred_members_that_come_and_go(trial: Trial) -> None:
    _coming_and_going(trial, 100)


@pytest.mark.fault("23", "a member with another assignor")
def test_a_member_with_another_assignor_is_a_clear_error(trial: Trial) -> None:
    trial.begin()
    stranger = Consumer(
        {
            "bootstrap.servers": trial.kafka.bootstrap_servers,
            "group.id": trial.group,
            "partition.assignment.strategy": "range",
            "session.timeout.ms": 6_000,
            "enable.auto.commit": False,
        }
    )
    with closing(stranger):
        stranger.subscribe([trial.topic])
        while not stranger.assignment():
            stranger.poll(0.1)
        worker = trial.work()
        assert worker.ended() == 1
        assert "cooperative-sticky" in worker.log
        assert "kafka.group.id" in worker.log
    trial.work()
    trial.wait_for_progress()
    trial.settle()


@pytest.mark.fault("27", "a clock that is an hour off, ahead and behind by turns")
def test_a_wrong_clock_changes_nothing(trial: Trial) -> None:
    trial.begin()
    program = ("tests.faults.skewed", str(trial.draw.choice([3_600, 7_200, 86_400])))
    trial.start(program=program)
    trial.start(program=program)
    trial.wait_for_members(2)
    trial.wait_for_progress(500)
    trial.settle()


@pytest.mark.fault("58", "processes with one identity, ended and started together", sample=False)
def test_processes_with_one_identity_take_slots_of_their_own(trial: Trial) -> None:
    trial.begin()
    for _ in range(3):
        workers = [trial.work() for _ in range(3)]
        trial.wait_for_progress(trial.draw.randint(50, 200))
        for worker in workers:
            worker.kill()
    trial.work()
    trial.wait_for_progress()
    assert "another process uses" not in trial.logs()
    trial.settle()
