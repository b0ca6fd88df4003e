"""A worker frozen in mid-batch: another takes its partitions over, and the late one can neither store nor publish."""

import psycopg
import pytest

from tests.processes.truth import changes, milestones
from tests.processes.workers import Deployment, WorkerProcess

_IN_THE_STORE_TRANSACTION = ("evaluated", "inserted")
_ELSEWHERE = ("polled", "stored", "produced", "offsets-sent")


def _frozen_at(deployment: Deployment, point: str) -> WorkerProcess:
    worker = deployment.start(fault=f"{point}:4:stop")
    deployment.wait(lambda: worker.is_frozen, f"the worker is frozen at {point}")
    return worker


@pytest.mark.parametrize("point", [*_IN_THE_STORE_TRANSACTION, *_ELSEWHERE])
def test_another_takes_over_from_a_worker_frozen_anywhere_which_then_goes_on_as_a_member(
    deployment: Deployment, point: str
) -> None:
    stream = changes(900)
    deployment.create(partitions=2)
    deployment.feed(stream[:600])
    frozen = _frozen_at(deployment, point)
    deployment.start()
    deployment.wait_until_published()
    # Nobody waited for it: everything is done while it still is frozen.
    assert frozen.is_frozen
    deployment.assert_exactly(milestones(stream[:600]))

    frozen.go_on()
    deployment.wait(lambda: "reading both watermarks again" in frozen.log, "its late batch is refused")
    deployment.wait_for_members(2)
    deployment.feed(stream[600:])
    deployment.wait_until_published()
    deployment.drain()
    deployment.assert_exactly(milestones(stream))


def test_a_worker_stopped_from_outside_in_mid_run_comes_back_by_itself(deployment: Deployment) -> None:
    stream = changes(4_000)
    deployment.create(partitions=2)
    deployment.feed(stream[:3_000])
    first = deployment.start()
    deployment.wait(lambda: sum(deployment.stored().values()) > 200, "some are stored")
    first.freeze()
    second = deployment.start()
    deployment.wait_until_published()
    assert first.is_frozen
    first.go_on()
    deployment.wait_for_members(2)
    second.kill()
    deployment.feed(stream[3_000:])
    deployment.wait_until_published()
    deployment.drain()
    deployment.assert_exactly(milestones(stream))


def test_a_member_that_joins_while_a_batch_is_held_up_in_postgres_waits_for_no_harm(deployment: Deployment) -> None:
    stream = changes(900)
    deployment.create(partitions=2)
    deployment.feed(stream[:300])
    deployment.start()
    deployment.wait_until_published()
    with psycopg.connect(deployment.dsn, application_name="a person") as connection:
        connection.execute("select 1 from stream_position for update")
        deployment.feed(stream[300:])
        deployment.start()
        deployment.wait(lambda: len(deployment.members()) == 2, "the second asks to join")
    deployment.wait_for_members(2)
    deployment.wait_until_published()
    deployment.drain()
    deployment.assert_exactly(milestones(stream))
