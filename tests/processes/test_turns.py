"""A worker's two producers take turns: whatever ends, begins or is shut out, is so for both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from consumer.core.milestones import Event
from consumer.core.records import Batch
from consumer.errors import PublishDown
from consumer.kafka.publisher import Publisher, TransactionalIds
from consumer.postgres.migrate import migrate
from tests.processes.truth import changes, endless, milestones
from tests.processes.workers import Deployment
from tests.services import PostgresService

SUFFIXES = ["", "b"]


@pytest.fixture
def other_database(postgres: PostgresService) -> Iterator[str]:
    """The DSN of a second one, with its tables."""
    dsn = postgres.create_database()
    migrate(dsn)
    yield dsn
    postgres.drop_database(dsn)


def _publisher(deployment: Deployment, *, native: bool = True) -> Publisher:
    settings = {"bootstrap.servers": deployment.kafka.bootstrap_servers, "group.id": deployment.group}
    return Publisher(settings, TransactionalIds(deployment.topic, lambda: 0), lambda _: None, native=native)


def _publish(publisher: Publisher, topic: str, number: int) -> None:
    with publisher.transaction(Batch([], {})) as outbox:
        outbox.publish(topic, [Event(b"key", b"%d" % number, [])])


def _publish_some(publisher: Publisher, topic: str, published: list[bytes]) -> None:
    """One event a turn; noted once it is published."""
    for _ in SUFFIXES:
        _publish(publisher, topic, len(published))
        published.append(b"%d" % len(published))


def _publish_and_fail(publisher: Publisher, topic: str) -> None:
    with publisher.transaction(Batch([], {})) as outbox:
        outbox.publish(topic, [Event(b"key", b"lost", [])])
        raise ZeroDivisionError


def _left_open(deployment: Deployment, suffix: str, slot: int = 0) -> Producer:
    """A former life's, which sent an event and froze."""
    producer = deployment.producer({"transactional.id": f"{deployment.topic}-{slot}{suffix}"})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(deployment.topic, b"lost", b"key", 0)
    assert producer.flush(10) == 0
    return producer


def _committed(deployment: Deployment, count: int) -> Sequence[bytes | None]:
    """What the topic's one partition shows to subscribers: so many events, and no more."""
    consumer = Consumer({"bootstrap.servers": deployment.kafka.bootstrap_servers, "group.id": f"{deployment.topic}-r"})
    consumer.assign([TopicPartition(deployment.topic, 0, 0)])
    found: list[bytes | None] = []
    while len(found) < count:
        # Less than transaction.timeout.ms: nothing was waited for.
        messages = consumer.consume(count - len(found), 5.0)
        assert messages, f"{len(found)} of {count}"
        found += [message.value() for message in messages]
    assert consumer.consume(1, 0.5) == []
    consumer.close()
    return found


def test_events_of_all_turns_come_in_their_order(deployment: Deployment) -> None:
    deployment.create(1)
    publisher = _publisher(deployment)
    for number in range(50):
        _publish(publisher, deployment.topic, number)
    assert _committed(deployment, 50) == [b"%d" % number for number in range(50)]
    publisher.close()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_a_former_life_left_open_ends_before_anything_is_asked_for(deployment: Deployment, suffix: str) -> None:
    deployment.create(1)
    former = _left_open(deployment, suffix)
    publisher = _publisher(deployment)
    publisher.prepare()
    plain = deployment.producer()
    plain.produce(deployment.topic, b"after", b"key", 0)
    assert plain.flush(10) == 0
    assert _committed(deployment, 1) == [b"after"]
    publisher.close()
    del former


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_worker_ends_what_a_frozen_one_left_open(deployment: Deployment, suffix: str) -> None:
    deployment.create(1)
    frozen = _left_open(deployment, suffix, slot=1)
    publisher = _publisher(deployment)
    publisher.fence([0, 1])
    _publish(publisher, deployment.topic, 1)
    assert _committed(deployment, 1) == [b"1"]
    publisher.close()
    del frozen


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_who_is_shut_out_under_one_of_its_ids_notices_within_two_turns_and_begins_anew(
    deployment: Deployment, suffix: str, native: bool
) -> None:
    deployment.create(1)
    publisher = _publisher(deployment, native=native)
    _publish(publisher, deployment.topic, 0)
    _publish(publisher, deployment.topic, 1)
    other = _left_open(deployment, suffix)
    seen: list[bytes] = [b"0", b"1"]
    with pytest.raises(PublishDown) as down:
        _publish_some(publisher, deployment.topic, seen)
    assert down.value.fenced
    publisher.prepare()
    for _ in SUFFIXES:
        _publish_some(publisher, deployment.topic, seen)
    assert _committed(deployment, len(seen)) == seen
    publisher.close()
    del other


def test_nothing_begins_while_the_outcome_of_the_other_turn_is_unknown(deployment: Deployment) -> None:
    deployment.create(1)
    publisher = _publisher(deployment)
    _publish(publisher, deployment.topic, 0)
    with pytest.raises(ZeroDivisionError):
        _publish_and_fail(publisher, deployment.topic)
    _publish(publisher, deployment.topic, 1)
    assert _committed(deployment, 2) == [b"0", b"1"]
    publisher.close()


def test_a_worker_that_is_fenced_reads_its_watermarks_again(deployment: Deployment, native: bool) -> None:
    deployment.config["input"]["native"] = native
    deployment.create(2)
    stream = changes(400)
    deployment.feed(stream[:200])
    worker = deployment.start()
    deployment.wait_until_published()
    for suffix in SUFFIXES:
        own = f"{deployment.group}-main-0{suffix}"
        deployment.producer({"transactional.id": own}).init_transactions(10)
    deployment.feed(stream[200:])
    deployment.wait_until_published()
    assert worker.is_running
    assert "reading both watermarks again" in worker.log
    deployment.drain()
    deployment.assert_exactly(milestones(stream))


def test_two_deployments_with_the_same_ids_and_databases_of_their_own_are_a_stop(
    deployment: Deployment, other_database: str
) -> None:
    deployment.create(4)
    first = deployment.start()
    deployment.config["postgres"]["dsn"] = other_database
    second = deployment.start()
    deployment.wait_for_members(2)
    source = endless(1)

    def one_ends() -> bool:
        deployment.feed(islice(source, 40))
        return not (first.is_running and second.is_running)

    deployment.wait(one_ends, "one of them ends", timeout_s=60.0)
    for worker in (first, second):
        if not worker.is_running:
            assert worker.ended() != 0
            assert "another process uses this worker's transactional ids" in worker.log
