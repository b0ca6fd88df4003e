"""Events come to Kafka by the client's own calls, or through compiled code: they are the same events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from consumer.core.milestones import Event
from consumer.core.records import Batch
from consumer.errors import Fatal, PublishDown
from consumer.kafka.outlet import ClientOutlet, NativeOutlet, outlet_of
from consumer.kafka.publisher import Publisher, TransactionalIds
from tests.processes.workers import Deployment

EVENTS = [
    Event(b"key", b"value", []),
    Event(None, b"value", [("a", b"1")]),
    Event(b"", b"", [("a", b"1"), ("a", b"2"), ("none", None), ("empty", b""), ("\u00e9", b"\xff\x00")]),
    Event(b"key", None, []),
    Event(b"\x00\xff", b"\x00" * 9, []),
    Event(b"key", b"x" * 900_000, []),
]
NOWHERE = {"log_level": 0}
"""No broker at all: nothing happens but what a test does."""


@pytest.fixture(params=["exactly_once", "at_least_once"])
def guarantee(request: pytest.FixtureRequest) -> str:
    """Of the publisher."""
    return str(request.param)


def a_publisher(
    deployment: Deployment, guarantee: str, *, native: bool, timeout_s: float = 8.0, **kafka: object
) -> Publisher:
    settings = {"bootstrap.servers": deployment.kafka.bootstrap_servers, "group.id": deployment.group, **kafka}
    ids = TransactionalIds(deployment.topic, lambda: 0) if guarantee == "exactly_once" else None
    return Publisher(settings, ids, lambda _: None, timeout_s, native=native)


def publish(publisher: Publisher, topic: str, events: Sequence[Event]) -> None:
    with publisher.transaction(Batch([], {})) as outbox:
        outbox.publish(topic, events)


def published(deployment: Deployment, count: int) -> list[Any]:
    """What subscribers see of the topic's one partition: so many records, and no more."""
    consumer = Consumer({"bootstrap.servers": deployment.kafka.bootstrap_servers, "group.id": f"{deployment.topic}-r"})
    consumer.assign([TopicPartition(deployment.topic, 0, 0)])
    found: list[Any] = []
    while len(found) < count:
        messages = consumer.consume(count, 10.0)
        assert messages, f"{len(found)} of {count}"
        found += [(m.key(), m.value(), m.headers() or []) for m in messages]
    assert consumer.consume(1, 0.5) == []
    consumer.close()
    return found


def test_an_event_is_what_subscribers_see(deployment: Deployment, guarantee: str, native: bool) -> None:
    deployment.create(1)
    publisher = a_publisher(deployment, guarantee, native=native)
    publish(publisher, deployment.topic, EVENTS)
    publish(publisher, deployment.topic, [])
    publish(publisher, deployment.topic, EVENTS[:2])
    assert published(deployment, len(EVENTS) + 2) == [tuple(event) for event in [*EVENTS, *EVENTS[:2]]]
    publisher.close()


def test_events_wait_for_room_in_the_clients_buffer(deployment: Deployment, guarantee: str, native: bool) -> None:
    deployment.create(1)
    events = [Event(b"key", b"%d" % number, []) for number in range(1_000)]
    few = {"queue.buffering.max.messages": 100}
    publisher = a_publisher(deployment, guarantee, native=native, **few)
    publish(publisher, deployment.topic, events)
    assert published(deployment, 1_000) == [tuple(event) for event in events]
    publisher.close()


@pytest.mark.parametrize("by_whom", ["Kafka", "the client"])
def test_what_is_too_large_is_told(deployment: Deployment, guarantee: str, native: bool, by_whom: str) -> None:
    deployment.create(1, **({"max.message.bytes": "100000"} if by_whom == "Kafka" else {}))
    limits: dict[str, Any] = {"compression.type": "none"} if by_whom == "Kafka" else {"message.max.bytes": 100_000}
    publisher = a_publisher(deployment, guarantee, native=native, **limits)
    publish(publisher, deployment.topic, EVENTS[:1])
    with pytest.raises(Fatal, match=rf"refused to write to {deployment.topic}: raise max\.message\.bytes"):
        publish(publisher, deployment.topic, EVENTS[-1:])
    publisher.close()
    publisher = a_publisher(deployment, guarantee, native=native)
    publish(publisher, deployment.topic, EVENTS[1:2])
    assert published(deployment, 2) == [tuple(event) for event in EVENTS[:2]]
    publisher.close()


@pytest.mark.parametrize("count", [1, 10])
def test_what_is_too_large_is_told_whatever_comes_behind_it(
    deployment: Deployment, guarantee: str, native: bool, count: int
) -> None:
    deployment.create(1, **{"max.message.bytes": "100000"})
    small: dict[str, Any] = {"compression.type": "none", "queue.buffering.max.messages": 10}
    for _ in range(4):
        publisher = a_publisher(deployment, guarantee, native=native, **small)
        with pytest.raises(Fatal, match=rf"refused to write to {deployment.topic}: raise max\.message\.bytes"):
            publish(publisher, deployment.topic, [*EVENTS[-1:] * count, *EVENTS[:1] * 200])
        publisher.close()


def test_a_failure_is_that_of_its_own_transaction(deployment: Deployment, guarantee: str, native: bool) -> None:
    deployment.create(1, **{"max.message.bytes": "100000"})
    publisher = a_publisher(deployment, guarantee, native=native, timeout_s=2.0, **{"compression.type": "none"})
    with pytest.raises(Fatal):
        publish(publisher, deployment.topic, EVENTS[-1:])
    with pytest.raises(PublishDown) as down:
        publish(publisher, "a topic of no name", EVENTS[:1])
    assert "max.message.bytes" not in str(down.value)
    publisher.close()


def test_of_events_that_cannot_all_be_made_none_is_part_of_a_transaction(deployment: Deployment, native: bool) -> None:
    deployment.create(1)

    def made() -> Iterator[Event]:
        for number in range(450):
            yield Event(b"key", b"%d" % number, [])
        raise OverflowError("no such time")

    publisher = a_publisher(deployment, "exactly_once", native=native)
    with pytest.raises(OverflowError), publisher.transaction(Batch([], {})) as outbox:
        outbox.publish(deployment.topic, made())
    publish(publisher, deployment.topic, EVENTS[:1])
    assert published(deployment, 1) == [tuple(EVENTS[0])]
    publisher.close()


def test_only_the_first_failure_is_told_and_only_once(deployment: Deployment, native: bool) -> None:
    deployment.create(1, **{"max.message.bytes": "100000"})
    servers = {"bootstrap.servers": deployment.kafka.bootstrap_servers, "compression.type": "none"}
    outlet = outlet_of({**servers, "delivery.report.only.error": True}, native=native)
    for _ in range(2):
        outlet.send(deployment.topic, EVENTS[-1:] * 3)
        assert outlet.producer.flush(20.0) == 0
        failure = outlet.take_failure()
        assert failure is not None
        assert (failure.error.code(), failure.topic) == (KafkaError.MSG_SIZE_TOO_LARGE, deployment.topic)
        assert outlet.take_failure() is None
        outlet.send(deployment.topic, EVENTS[:1])
        assert outlet.producer.flush(20.0) == 0
        assert outlet.take_failure() is None


def test_it_is_the_compiled_one_that_is_asked_for(native: bool) -> None:
    outlet = outlet_of(NOWHERE, native=native)
    assert type(outlet) is (NativeOutlet if native else ClientOutlet)
    assert outlet.take_failure() is None


def test_without_its_plugin_it_is_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumer.kafka.plugin.library", "a;b.so")
    assert type(outlet_of(NOWHERE, native=True)) is ClientOutlet


@pytest.mark.parametrize("native", [True], indirect=True)
def test_what_is_no_event_is_refused(native: bool) -> None:
    outlet = outlet_of(NOWHERE, native=native)
    wrong: list[Any] = [
        None, (), (b"", b""), (b"", b"", ()), (7, b"", []), (b"", 7, []), (b"", b"", [7]), (b"", b"", [("a",)]),
        (b"", b"", [(b"a", b"b")]), (b"", b"", [("a", 7)]), (b"", b"", [("a\0", b"")]),
    ]  # fmt: skip
    for one in wrong:
        with pytest.raises((TypeError, ValueError)):
            outlet.send("topic", [one])
    assert len(outlet.producer) == 0
    assert outlet.send("topic", [Event(None, None, [])]) == 1
    assert len(outlet.producer) == 1
    outlet.producer.purge()


def test_the_topic_of_a_failure_is_told_whatever_its_name(native: bool) -> None:
    topic = "\u00e9" * 200
    outlet = outlet_of({"message.timeout.ms": 50, "delivery.report.only.error": True, **NOWHERE}, native=native)
    assert outlet.send(topic, EVENTS[:1]) == 1
    assert outlet.producer.flush(20.0) == 0
    failure = outlet.take_failure()
    assert failure is not None
    assert topic.startswith(failure.topic.rstrip("\ufffd"))
    assert failure.topic.startswith(topic[:100])


def test_a_producer_that_is_let_go_ends(native: bool) -> None:
    for _ in range(3):
        outlet = outlet_of(NOWHERE, native=native)
        producer: Producer = outlet.producer
        assert outlet.send("topic", EVENTS[:3]) == 3
        del outlet
        assert len(producer) == 3
        producer.purge()
