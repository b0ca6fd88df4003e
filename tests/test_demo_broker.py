"""The in-process broker: what is fed to it is never lost unseen, and what a demo shows is said in words."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka import TopicPartition

from consumer.captured import CapturedRecord
from consumer.core.inputs import Inputs
from consumer.core.positions import Owner, start_of
from consumer.core.records import Partition
from consumer.demo.broker import Broker, partitions_of
from consumer.demo.feed import Feed, count_records
from consumer.demo.words import bar, counted, duration
from consumer.errors import Fatal
from consumer.kafka.source import Source
from consumer.kafka.topics import Topics

TOPIC, GROUP = "document-changes", "demo-test"
NOTHING = Partition(TOPIC, 0)


@pytest.fixture
def broker() -> Iterator[Broker]:
    with closing(Broker(GROUP)) as cluster:
        cluster.create_topics([TOPIC])
        yield cluster


def topics_of(broker: Broker) -> Topics:
    return Topics({"bootstrap.servers": broker.address, "log_level": 0}, ids=False)


def records(count: int, size: int, partition: int = 0) -> list[CapturedRecord]:
    """Values that compression cannot shorten."""
    rng = random.Random(1)
    return [CapturedRecord(TOPIC, partition, -1, b"k", rng.randbytes(size), (), 1_000 + at) for at in range(count)]


def feed_of(broker: Broker, stream: list[CapturedRecord], **limit: int) -> Feed:
    return Feed(broker, lambda: stream, TOPIC, topics_of(broker).partitions(), **limit)


def test_a_topic_is_there_once_it_was_asked_for(broker: Broker) -> None:
    assert topics_of(broker).partitions() == {TOPIC: 4}


def test_records_that_the_broker_dropped_before_they_were_published_end_the_feed(broker: Broker) -> None:
    feed = feed_of(broker, records(120, 100_000), limit=1 << 30)
    with pytest.raises(Fatal, match="dropped records 0 to"):
        feed.run()


def test_a_feed_waits_for_the_consumer_before_the_broker_has_to_drop_anything(broker: Broker) -> None:
    feed = feed_of(broker, records(120, 100_000))
    thread = threading.Thread(target=feed.run)
    thread.start()
    try:
        topics = topics_of(broker)
        deadline = time.monotonic() + 30
        while topics.ends([NOTHING])[NOTHING].high < 15 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)  # What would come if it did not wait.
        ends = topics.ends([NOTHING])[NOTHING]
        assert ends.low == 0
        assert 15 <= ends.high <= 21
    finally:
        feed.stopping = True
        thread.join(10.0)
    assert not thread.is_alive()


def test_a_record_larger_than_the_limit_still_goes_through(broker: Broker) -> None:
    feed = feed_of(broker, records(1, 200_000), limit=1_000)
    thread = threading.Thread(target=feed.run)
    thread.start()
    deadline_s = time.monotonic() + 10.0
    while topics_of(broker).ends([NOTHING])[NOTHING].high == 0 and time.monotonic() < deadline_s:
        time.sleep(0.02)
    feed.stopping = True
    thread.join(10.0)
    assert topics_of(broker).ends([NOTHING])[NOTHING].high == 1


def test_targets_are_counted_by_the_partitions_that_the_broker_has(broker: Broker) -> None:
    stream = [*records(3, 1, partition=1), *records(2, 1, partition=5), *records(1, 1, partition=2)]
    feed = feed_of(broker, stream)
    assert feed.targets(count_records(lambda: stream)) == {Partition(TOPIC, 1): 5, Partition(TOPIC, 2): 1}


def test_offsets_noted_by_the_publishing_thread_are_committed_while_partitions_are_given_away(broker: Broker) -> None:
    kafka = {"bootstrap.servers": broker.address, "group.id": GROUP, "log_level": 0}
    topics = topics_of(broker)
    source = Source(kafka, Inputs((TOPIC,)))
    publishing = threading.Event()

    def publish() -> None:
        source.commit([TopicPartition(TOPIC, 0, 7)])
        publishing.set()

    def settle() -> None:
        """As a worker does: waits for the thread that publishes, whose last deed is to hand over offsets."""
        thread = threading.Thread(target=publish)
        thread.start()
        thread.join(10.0)

    source.before_revoke = settle
    while not source.waiting:
        source.poll(10, 1_000, 0.05)
    owner = Owner(TOPIC, f"name:{TOPIC}", GROUP)
    for key, ends in topics.ends(partitions_of(topics, TOPIC)).items():
        source.start(start_of(owner, key.partition, None, None, ends))
    source.close()
    assert publishing.is_set()
    assert broker.published([NOTHING]) == {NOTHING: 7}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (0.31, "0.3 s"), (1, "1 s"), (61, "1 m 1 s"), (3_600, "1 h"), (73_800, "20 h 30 m"),
     (1_220_400, "14 d 3 h"), (432_000, "5 d"), (86_460, "1 d")],
)  # fmt: skip
def test_a_duration_is_told_by_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_bar_is_as_long_as_its_share_and_what_is_there_is_seen() -> None:
    assert [bar(share, 4, "").plain for share in (0, 0.001, 0.5, 0.5625, 1, 2)] == [
        "    ", "▏   ", "██  ", "██▎ ", "████", "████",
    ]  # fmt: skip
    assert [bar(share, 4, "", blocks=False).plain for share in (0, 0.001, 0.5, 1)] == ["    ", "#   ", "##  ", "####"]


def test_one_is_singular() -> None:
    assert (counted(1, "record"), counted(0, "record"), counted(2_345, "record")) == (
        "1 record", "0 records", "2,345 records",
    )  # fmt: skip
