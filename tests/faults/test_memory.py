"""Memory is bounded by the configuration, not by the stream: large messages, many partitions, a slow database."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.faults.trial import Trial
from tests.processes.truth import Change, changes, milestones
from tests.processes.workers import WorkerProcess

_MEBIBYTE = 1 << 20


class _Peak:
    """The most that a worker ever held, in MiB."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.mib = 0.0
        self._worker = psutil.Process(worker.pid)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stopping.wait(0.02):
            try:
                self.mib = max(self.mib, self._worker.memory_info().rss / _MEBIBYTE)
            except psutil.Error:
                return

    def stop(self) -> None:
        """Looks no more."""
        self._stopping.set()
        self._thread.join()


@contextmanager
def _peak_of(worker: WorkerProcess, name: str) -> Iterator[_Peak]:
    peak = _Peak(worker)
    try:
        yield peak
    finally:
        peak.stop()
        print(f"{name}: {peak.mib:.0f} MiB")


def _large(change: Change, size: int) -> bytes:
    """The change with a text beside the tracked field that makes it as large as this."""
    envelope = json.loads(change.value)
    for side in ("before", "after"):
        if envelope[side] is not None:
            envelope[side]["notes"] = "x" * (size // 2)
    return json.dumps(envelope).encode()


def _is_delivered(error: object, _: object) -> None:
    assert error is None, f"the source could not send: {error}"


def _work_off(trial: Trial, name: str) -> float:
    worker = trial.start("--until-end")
    with _peak_of(worker, name) as peak:
        assert worker.ended(300.0) == 0, worker.log
    return peak.mib


@pytest.mark.fault("32", "messages of 20 and 100 MB, batches of large messages", sample=False)
@pytest.mark.seeds(1)
def test_large_messages_cost_what_they_weigh_and_not_what_the_topic_holds(trial: Trial) -> None:
    trial.config["processing"] = {}
    trial.create(2, **{"max.message.bytes": "120000000"})
    producer = trial.producer()
    stream = changes(200)
    for change in stream:
        size = 100_000_000 if change.number % 100 == 0 else 20_000_000 if change.number % 5 == 0 else 500_000
        value = _large(change, size) if change.op != "d" else change.value
        producer.produce(
            trial.topic, value, change.key, change.partition(2), headers=change.headers, on_delivery=_is_delivered
        )
        assert producer.flush(60) == 0
    peak = _work_off(trial, "messages of 0.5, 20 and 100 MB")
    trial.assert_exactly(milestones(stream))
    # The largest message may be there in three forms: as it came, as the batch holds it, and as its rows are read.
    assert peak < 150 + 3 * 100


@pytest.mark.fault("49", "1,000 partitions under one worker", sample=False)
@pytest.mark.seeds(1)
def test_a_thousand_partitions_under_one_worker(trial: Trial) -> None:
    trial.config["processing"] = {}
    trial.create(1_000)
    stream = changes(30_000)
    trial.feed(stream)
    peak = _work_off(trial, "1,000 partitions")
    trial.assert_exactly(milestones(stream))
    assert peak < 400


@pytest.mark.fault("49", "a slow database behind a long backlog", sample=False)
@pytest.mark.seeds(1)
def test_a_slow_database_does_not_fill_the_memory(trial: Trial) -> None:
    trial.config["processing"] = {}
    trial.config["kafka"]["session.timeout.ms"] = 15_000
    trial.begin(rate=20_000)
    time.sleep(10.0)
    worker = trial.work()
    with trial.world.postgres_link.slow(200), _peak_of(worker, "a slow database") as peak:
        time.sleep(60.0)
    assert peak.mib < 400
    trial.settle()
