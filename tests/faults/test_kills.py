"""Faults 1–8: SIGKILL at every point of a batch."""

import pytest

from tests.faults.trial import AT_LEAST_ONCE, EXACTLY_ONCE, Trial

POINTS = {
    "polled": ("1", "SIGKILL after poll"),
    "decoded": ("2", "SIGKILL after decode"),
    "evaluated": ("3", "SIGKILL after evaluate"),
    "inserted": ("4", "SIGKILL after INSERT"),
    "before-commit": ("5", "SIGKILL before COMMIT"),
    "stored": ("6", "SIGKILL after COMMIT"),
    "produced": ("7", "SIGKILL after produce"),
    "offsets-sent": ("8", "SIGKILL after send_offsets"),
}
# Of at_least_once the sample has the points where it differs.
_IN_THE_SAMPLE = {EXACTLY_ONCE: tuple(POINTS), AT_LEAST_ONCE: ("produced", "offsets-sent")}
_EACH = [
    pytest.param(
        point,
        guarantee,
        id=f"{point}-{guarantee}",
        marks=pytest.mark.fault(row, f"{name}, {guarantee}", sample=point in _IN_THE_SAMPLE[guarantee]),
    )
    for guarantee in (EXACTLY_ONCE, AT_LEAST_ONCE)
    for point, (row, name) in POINTS.items()
]


@pytest.mark.seeds(20)
@pytest.mark.parametrize(("point", "guarantee"), _EACH)
def test_a_worker_killed_anywhere_is_followed_by_one_that_neither_loses_nor_doubles(
    trial: Trial, point: str, guarantee: str
) -> None:
    trial.guarantee(guarantee)
    trial.begin()
    stands_by = trial.draw.random() < 0.5
    if stands_by:
        trial.work()
        trial.wait_for_progress(50)
    killed = trial.work(fault=f"{point}:{trial.draw.randint(1, 8)}:kill")
    assert killed.ended() == -9, killed.log
    died = trial.note(f"killed at {point}")
    if not stands_by:
        trial.work()
    trial.wait_for_recovery(died)
    trial.settle()
