"""Faults 14 and 17: links that are cut, slow, or swallow what one side says, at the worst moment."""

import time

import pytest

from tests.faults.trial import Trial


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param("downstream", marks=pytest.mark.fault("17", "link cut during COMMIT: done, its reply is lost")),
        pytest.param(
            "upstream", marks=pytest.mark.fault("17", "link cut during COMMIT: it never arrives", sample=False)
        ),
    ],
)
def test_a_commit_whose_outcome_is_unknown_is_decided_by_the_watermark(trial: Trial, stream: str) -> None:
    trial.begin()
    worker = trial.work(fault=f"before-commit:{trial.draw.randint(2, 8)}:stop")
    trial.wait(lambda: worker.is_frozen, "it is about to commit")
    before = trial.stored()
    link = trial.world.postgres_link
    link.swallow("downstream" if stream == "downstream" else "upstream")
    worker.go_on()
    if stream == "downstream":
        trial.wait(lambda: trial.stored() != before, "PostgreSQL has committed")
    else:
        time.sleep(0.3)
        assert trial.stored() == before
    link.cut()
    link.mend()
    trial.wait_for_recovery(trial.note("the link is back"))
    trial.settle()


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("produced", marks=pytest.mark.fault("17", "Kafka's replies lost from produce on", sample=False)),
        pytest.param("offsets-sent", marks=pytest.mark.fault("17", "Kafka's replies lost during commit_transaction")),
    ],
)
def test_a_kafka_transaction_whose_outcome_is_unknown_is_published_once(trial: Trial, point: str) -> None:
    trial.begin()
    worker = trial.work(fault=f"{point}:{trial.draw.randint(2, 8)}:stop")
    trial.wait(lambda: worker.is_frozen, f"it is at {point}")
    trial.world.kafka_link.swallow("downstream")
    worker.go_on()
    time.sleep(0.2 + trial.draw.random() * 3)
    trial.world.kafka_link.cut()
    trial.world.kafka_link.mend()
    trial.wait_for_recovery(trial.note("the link is back"))
    trial.settle()


@pytest.mark.fault("17", "both links cut again and again", sample=False)
def test_links_that_are_cut_again_and_again(trial: Trial) -> None:
    trial.begin()
    trial.work()
    trial.work()
    trial.wait_for_members(2)
    for _ in range(12):
        time.sleep(trial.draw.random())
        link = trial.draw.choice([trial.world.kafka_link, trial.world.postgres_link])
        trial.draw.choice([link.cut, link.reset])()
        time.sleep(trial.draw.random() / 2)
        link.mend()
    trial.wait_for_recovery(trial.note("the links stay"))
    trial.settle()


@pytest.mark.fault("17", "slow links: 300 ms and more each way", sample=False)
def test_slow_links_make_it_slow_and_nothing_else(trial: Trial) -> None:
    # A store transaction of some round trips has to fit into the session time-out.
    trial.config["kafka"]["session.timeout.ms"] = 15_000
    trial.begin(rate=50)
    with trial.world.kafka_link.slow(100, 100), trial.world.postgres_link.slow(300, 100):
        trial.work()
        trial.wait_for_progress(100)
    trial.wait_for_recovery(trial.note("the links are fast"))
    trial.settle()
