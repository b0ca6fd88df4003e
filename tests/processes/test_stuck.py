"""One partition stands still behind a transaction that somebody left open: liveness says which; the others go on."""

import re

import pytest

from tests.processes.probed import answer
from tests.processes.truth import changes, milestones
from tests.processes.workers import Deployment
from tests.services.server_process import free_port

_STUCK = re.compile(r'^milestones_partition_stuck_seconds\{partition="(\d+)",topic="[^"]+"\} (\S+)', re.MULTILINE)


def _stuck(port: int) -> dict[int, float]:
    return {int(number): float(seconds) for number, seconds in _STUCK.findall(answer(port, "/metrics")[1])}


@pytest.mark.fault("50", "a transaction left open upstream: the partition that is stuck is named")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_transaction_left_open_upstream_shows_as_a_partition_that_is_stuck(
    deployment: Deployment, workers: str
) -> None:
    port = free_port()
    deployment.config["metrics"] = {"port": port, "stuck_after_ms": 3_000}
    deployment.create(partitions=2)
    stream = changes(600)
    deployment.feed(stream[:200])
    deployment.start("--workers", workers)
    deployment.wait_until_published()

    open_one = deployment.producer({"transactional.id": f"{deployment.topic}-upstream"})
    open_one.init_transactions(10)
    open_one.begin_transaction()
    held = [change for change in stream[200:] if change.partition(2) == 1]
    for change in held:
        open_one.produce(deployment.topic, change.value, change.key, 1, headers=change.headers)
    open_one.flush(10)
    deployment.feed([change for change in stream[200:] if change.partition(2) == 0])
    deployment.wait(lambda: answer(port, "/livez")[1].count("\n") > 1, "liveness names it")
    status, said = answer(port, "/livez")
    assert status == 200
    assert re.fullmatch(rf"ok\n{deployment.topic}-1: nothing was published for \d+ s, though more is there\n", said)
    assert answer(port, "/readyz") == (200, "ok\n")
    stuck = _stuck(port)
    assert stuck[1] > 3
    assert stuck[0] < 3

    open_one.commit_transaction(10)
    deployment.wait_until_published()
    deployment.wait(lambda: set(_stuck(port).values()) == {0.0}, "nothing stands still")
    assert answer(port, "/livez") == (200, "ok\n")
    deployment.drain()
    deployment.assert_exactly(milestones(stream))
