"""Workers come and go: members of the group, supervised processes, signals."""

import os
import re
import signal
import socket
import time

import psutil

from tests.processes.probed import answer
from tests.processes.truth import changes, milestones
from tests.processes.workers import Deployment
from tests.services.server_process import LOOPBACK, free_port

_ABANDONED = "nobody looks after this worker any more, it drains"
_LAST_LOOP = re.compile(r"^milestones_worker_last_loop_timestamp_seconds (\S+)", re.MULTILINE)


def _last_loop(port: int) -> float:
    return min((float(said) for said in _LAST_LOOP.findall(answer(port, "/metrics")[1])), default=0.0)


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
    assert supervisor.log.count(_ABANDONED) == 2
    # They left the group, instead of being missed after a while; the coordinator may settle that after they ended.
    assert "the group could not be left" not in supervisor.log
    deployment.wait(lambda: deployment.members() == [], "nobody is left in the group", 30.0)
    deployment.finish()
    deployment.assert_exactly(milestones(stream))


def test_the_workers_of_a_killed_nursery_drain_and_others_take_their_place(deployment: Deployment) -> None:
    stream = changes(2_000)
    port = free_port()
    deployment.config["metrics"] = {"port": port}
    deployment.create(partitions=4)
    deployment.feed(stream[:1_000])
    supervisor = deployment.start("--workers", "2")
    deployment.wait(lambda: sum(deployment.stored().values()) > 200, "some are stored")
    first, killed_at = [psutil.Process(pid) for pid in supervisor.children()], time.time()
    psutil.Process(*supervisor.forking()).kill()
    _, alive = psutil.wait_procs(first, timeout=30)
    assert not alive, supervisor.log[-4_000:]
    deployment.wait(lambda: len(supervisor.children()) == 2, "two others")
    deployment.feed(stream[1_000:])
    deployment.wait_until_published()
    assert supervisor.log.count(_ABANDONED) == 2
    # The oldest of all workers' times: those of the first ones count no more.
    deployment.wait(lambda: _last_loop(port) > killed_at, "only those that live are asked")
    deployment.wait(lambda: answer(port, "/readyz") == (200, "ok\n"), "both are ready")
    supervisor.terminate()
    assert supervisor.ended() == 0, supervisor.log
    deployment.assert_exactly(milestones(stream))


def test_a_supervisor_that_waits_for_what_a_killed_nursery_left_can_be_stopped(deployment: Deployment) -> None:
    deployment.create(partitions=2)
    deployment.feed(changes(200))
    supervisor = deployment.start("--workers", "2")
    deployment.wait_until_published()
    workers = [psutil.Process(pid) for pid in supervisor.children()]
    workers[0].suspend()
    try:
        psutil.Process(*supervisor.forking()).kill()
        deployment.wait(lambda: "what forks workers was killed" in supervisor.log, "that is seen")
        supervisor.terminate()
        assert supervisor.ended(20) == 0, supervisor.log
    finally:
        workers[0].kill()
        psutil.wait_procs(workers, timeout=30)


def test_what_stops_all_workers_at_once_ends_the_supervisor_with_its_code(deployment: Deployment) -> None:
    stream = changes(600)
    deployment.create(partitions=6)
    deployment.feed(stream)
    supervisor = deployment.start("--workers", "3")
    deployment.wait_until_published()
    deployment.kafka.delete_topic(deployment.topic)
    deployment.kafka.create_topic(deployment.topic, 6, {"retention.ms": "-1"})
    deployment.feed(changes(600))
    assert supervisor.ended() == 1, supervisor.log[-4_000:]
    assert f"take-over --topic {deployment.topic}" in supervisor.log.replace("\n", " ")
    deployment.assert_exactly(milestones(stream), audited=False)


def test_a_port_that_is_taken_is_said_once_and_nobody_is_started(deployment: Deployment) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        deployment.config["metrics"] = {"port": port}
        deployment.create(partitions=2)
        supervisor = deployment.start("--workers", "2")
        assert supervisor.ended() == 2, supervisor.log
    assert f"metrics.port: {LOOPBACK}:{port}" in supervisor.log
    assert "Traceback" not in supervisor.log


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
