"""Offsets to commit: sent without waiting, and what is refused or not answered is told."""

from collections.abc import Sequence
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.core.records import Partition
from consumer.errors import PublishDown
from consumer.kafka import offsets as module
from consumer.kafka.offsets import GroupOffsets

MINE = {Partition("t", 0), Partition("t", 1)}


class FakeConsumer:
    """Takes offsets, and never answers by itself."""

    def __init__(self) -> None:
        self.sent: list[dict[int, int]] = []
        self.fails = False

    def commit(self, *, offsets: Sequence[TopicPartition], asynchronous: bool) -> None:
        assert asynchronous
        if self.fails:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_MEMBER_ID))
        self.sent.append({place.partition: place.offset for place in offsets})


@pytest.fixture
def consumer() -> FakeConsumer:
    return FakeConsumer()


@pytest.fixture
def offsets(consumer: FakeConsumer) -> GroupOffsets:
    return GroupOffsets(cast("Consumer", consumer))


def _at(partition: int, offset: int) -> TopicPartition:
    return TopicPartition("t", partition, offset)


def test_the_newest_offsets_of_its_own_partitions_are_sent_once(consumer: FakeConsumer, offsets: GroupOffsets) -> None:
    offsets.note([_at(0, 5), _at(1, 7)])
    offsets.note([_at(0, 9), _at(2, 1)])
    offsets.commit_noted(MINE)
    offsets.commit_noted(MINE)
    offsets.answered(None, [_at(0, 9), _at(1, 7)])
    offsets.commit_noted(MINE)
    assert consumer.sent == [{0: 9, 1: 7}]


def test_the_next_ones_do_not_wait_for_the_answer(consumer: FakeConsumer, offsets: GroupOffsets) -> None:
    for offset in range(3):
        offsets.note([_at(0, offset)])
        offsets.commit_noted(MINE)
    assert consumer.sent == [{0: 0}, {0: 1}, {0: 2}]


def test_a_refusal_is_told_once(offsets: GroupOffsets) -> None:
    offsets.note([_at(0, 5)])
    offsets.commit_noted(MINE)
    offsets.answered(KafkaError(KafkaError.ILLEGAL_GENERATION), [])
    with pytest.raises(PublishDown, match="not committed"):
        offsets.commit_noted(MINE)
    offsets.commit_noted(MINE)


def test_a_refusal_at_once_is_told(consumer: FakeConsumer, offsets: GroupOffsets) -> None:
    consumer.fails = True
    offsets.note([_at(0, 5)])
    with pytest.raises(PublishDown, match="not committed"):
        offsets.commit_noted(MINE)


def test_no_answer_in_time_is_told(offsets: GroupOffsets, monkeypatch: pytest.MonkeyPatch) -> None:
    offsets.note([_at(0, 5)])
    offsets.commit_noted(MINE)
    monkeypatch.setattr(module, "_COMMIT_TIMEOUT_S", -1.0)
    with pytest.raises(PublishDown, match="the group's coordinator does not answer"):
        offsets.commit_noted(MINE)
    offsets.commit_noted(MINE)
