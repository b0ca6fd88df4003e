"""Workers come and go: members of the group, supervised processes, signals."""

import os
import signal

import psutil

from tests.processes.truth import changes, milestones
from tests.processes.workers import Deployment


def test_four_partitions_go_from_one_member_to_two_and_back(deployment: Deployment) -> None:
    stream = changes(3_000)
    deployment.create(partitions=4)
    deployment.feed(stream[:1_000])
    deployment.start()
    deployment.wait(lambda: sum(deployment.stored().values()) > 100, "some are stored")
    second = deployment.start()
    deployment.wait_for_members(2)
    deployment.feed(stream[1_000:2_000])
    deployment.wait(lambda: sum(deployment.stored().values()) > 1_100, "both are at work")
    second.terminate()
    deployment.feed(stream[2_000:])
    assert second.ended() == 0, second.log
    deployment.wait_for_members(1)
    deployment.wait_until_published()
    deployment.drain()
    deployment.assert_exactly(milestones(stream))


def test_two_supervised_workers_work_off_what_there_is_and_end_with_0(deployment: Deployment) -> None:
    stream = changes(2_000)
    deployment.create(partitions=4)
    deployment.feed(stream)
    deployment.finish("--workers", "2")
    deployment.assert_exactly(milestones(stream))


def test_a_supervised_worker_that_is_killed_is_started_again(deployment: Deployment) -> None:
    stream = changes(1_500)
    deployment.create(partitions=4)
    deployment.feed(stream[:1_000])
    supervisor = deployment.start("--workers", "2")
    deployment.wait_for_members(2)
    killed = supervisor.children()[0]
    os.kill(killed, signal.SIGKILL)
    deployment.wait(lambda: killed not in supervisor.children() and len(supervisor.children()) == 2, "a new worker")
    deployment.wait_for_members(2)
    deployment.feed(stream[1_000:])
    deployment.wait_until_published()
    deployment.drain()
    deployment.assert_exactly(milestones(stream))


def test_the_workers_of_a_supervisor_that_is_killed_drain_and_end(deployment: Deployment) -> None:
    stream = changes(2_000)
    # Longer than is waited for: who does not leave the group stays in it.
    deployment.config["kafka"]["session.timeout.ms"] = 60_000
    deployment.create(partitions=4)
    deployment.feed(stream)
    supervisor = deployment.start("--workers", "2")
    deployment.wait(lambda: sum(deployment.stored().values()) > 200, "some are stored")
    workers = [psutil.Process(pid) for pid in supervisor.children()]
    assert len(workers) == 2
    supervisor.kill()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive, supervisor.log[-4_000:]
    assert supervisor.log.count("the supervisor is gone, this worker drains") == 2
    # They left the group, instead of being missed after a while; the coordinator may settle that after they ended.
    assert "the group could not be left" not in supervisor.log
    deployment.wait(lambda: deployment.members() == [], "nobody is left in the group", 30.0)
    deployment.finish()
    deployment.assert_exactly(milestones(stream))


def test_a_worker_that_its_group_does_not_know_joins_anew(deployment: Deployment) -> None:
    stream = changes(1_500)
    deployment.create(partitions=4)
    deployment.feed(stream[:500])
    worker = deployment.start(program=("tests.processes.left_out",))
    deployment.wait(lambda: sum(deployment.stored().values()) == 500, "what there is, is stored")
    deployment.wait(lambda: deployment.members() == [], "it is no member any more")
    deployment.feed(stream[500:])
    deployment.wait(lambda: "it joins anew with a new client" in worker.log, "it notices")
    deployment.wait_until_published()
    deployment.wait_for_members(1)
    deployment.drain()
    assert worker.log.count("it joins anew") == 1
    deployment.assert_exactly(milestones(stream))
