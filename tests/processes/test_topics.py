"""The input topic itself changes: deleted and made again, or given more partitions."""

import pytest

from tests.processes.truth import changes, milestones
from tests.processes.workers import Deployment


@pytest.mark.fault("24", "topic deleted and made again")
def test_a_topic_deleted_and_made_again_stops_the_worker_with_advice_until_it_is_taken_over(
    deployment: Deployment,
) -> None:
    stream = changes(600)
    deployment.create(partitions=2)
    deployment.feed(stream[:300])
    worker = deployment.start()
    deployment.wait_until_published()
    deployment.kafka.delete_topic(deployment.topic)
    deployment.kafka.create_topic(deployment.topic, 2, {"retention.ms": "-1"})
    deployment.feed(stream[300:])

    assert worker.ended() == 1
    assert f"take-over --topic {deployment.topic}" in worker.log.replace("\n", " ")
    again = deployment.start()
    assert again.ended() == 1
    assert f"take-over --topic {deployment.topic}" in again.log.replace("\n", " ")
    deployment.assert_exactly(milestones(stream[:300]), audited=False)

    deployment.take_over()
    deployment.finish()
    deployment.assert_exactly(milestones(stream))


@pytest.mark.fault("24", "topic deleted and made again with fewer partitions")
def test_a_topic_made_again_with_fewer_partitions_stops_the_worker_with_advice(
    deployment: Deployment, native: bool
) -> None:
    stream = changes(300)
    deployment.config["input"]["native"] = native
    deployment.create(partitions=4)
    deployment.feed(stream)
    worker = deployment.start()
    deployment.wait_until_published()
    deployment.kafka.delete_topic(deployment.topic)
    deployment.kafka.create_topic(deployment.topic, 1, {"retention.ms": "-1"})

    # What the client says of partitions that are gone comes first, or that the topic is another.
    assert worker.ended() == 1
    assert f"take-over --topic {deployment.topic}" in worker.log.replace("\n", " ")
    deployment.assert_exactly(milestones(stream), audited=False)


@pytest.mark.fault("25", "partitions added in mid run")
def test_partitions_added_in_mid_run_wait_for_what_came_before_them(deployment: Deployment) -> None:
    stream = changes(3_000)
    deployment.create(partitions=2)
    deployment.feed(stream[:2_000])
    deployment.start()
    deployment.start()
    deployment.wait(lambda: sum(deployment.stored().values()) > 100, "some are stored")
    deployment.add_partitions(4)
    deployment.feed(stream[2_000:])
    deployment.wait_for_members(2)
    deployment.wait_until_published()
    deployment.drain()
    deployment.assert_exactly(milestones(stream))


@pytest.mark.fault("25", "partitions added after a crash between the commits")
def test_partitions_added_after_a_crash_between_the_commits_keep_each_documents_events_in_order(
    deployment: Deployment,
) -> None:
    stream = changes(900)
    deployment.create(partitions=2)
    deployment.feed(stream[:300])
    deployment.finish()
    deployment.feed(stream[300:600])
    deployment.config["processing"]["max_batch_records"] = 1_000
    assert deployment.start(fault="stored:1:kill").ended() == -9
    deployment.add_partitions(4)
    deployment.feed(stream[600:])
    deployment.finish()
    deployment.assert_exactly(milestones(stream))
