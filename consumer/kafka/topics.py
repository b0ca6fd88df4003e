"""Topics: whether they exist, their ids and ends, and making those that are missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from consumer.core.positions import LogEnds
from consumer.core.records import Partition
from consumer.errors import Fatal, PublishDown
from consumer.kafka.settings import client_settings, made

_TIMEOUT_S = 10.0
_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_Answer = TypeVar("_Answer")


class NewTopicPlan:
    """A topic that is made if it is missing.

    Args:
        config: topic settings, such as retention.ms.
        partitions: None takes the input topic's number.
    """

    def __init__(self, name: str, config: Mapping[str, str], partitions: int | None = None) -> None:
        self.name, self.config, self.partitions = name, config, partitions


class Topics:
    """Questions to the cluster. `ids` false for brokers that know no topic ids: the name then stands for the id."""

    def __init__(self, kafka: Mapping[str, object], *, ids: bool = True) -> None:
        self._admin: AdminClient = made(AdminClient, client_settings(kafka))
        self._ids = ids

    def partitions(self) -> dict[str, int]:
        """Topic to number of partitions.

        Raises:
            PublishDown: no broker answers.
        """
        topics = _asked(lambda: self._admin.list_topics(timeout=_TIMEOUT_S)).topics
        return {name: len(topic.partitions) for name, topic in topics.items() if topic.error is None}

    def topic_id(self, topic: str) -> str:
        """The id of a topic; another one under the same name is another topic.

        Raises:
            Fatal: the topic does not exist, or may not be described.
        """
        return self.ask_topic_id(topic)()

    def ask_topic_id(self, topic: str) -> Callable[[], str]:
        """Asks now; what comes back waits for the answer, and raises as `topic_id` does."""
        if not self._ids:
            return lambda: f"name:{topic}"
        answer = self._admin.describe_topics(TopicCollection([topic]), request_timeout=_TIMEOUT_S)[topic]
        return lambda: _topic_id(topic, answer)

    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, LogEnds]:
        """The first offset and the end of each partition."""
        keys = list(partitions)
        low, high = self._offsets(keys, _EARLIEST), self._offsets(keys, _LATEST)
        return {key: LogEnds(low[key], high[key]) for key in keys}

    def committed(self, group: str, partitions: Iterable[Partition]) -> dict[Partition, int | None]:
        """A group's committed offsets, asked from outside the group; None where there is none.

        Raises:
            PublishDown: no answer in time.
        """
        places = [TopicPartition(key.topic, key.partition) for key in partitions]
        request = ConsumerGroupTopicPartitions(group, places)
        deadline_s = time.monotonic() + _TIMEOUT_S
        while True:
            answer = self._admin.list_consumer_group_offsets([request], request_timeout=_TIMEOUT_S)[group]
            try:
                offsets = _asked(answer.result).topic_partitions or ()
            except PublishDown:
                # A coordinator that has just begun answers in a moment.
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.2)
            else:
                return {Partition(p.topic, p.partition): p.offset if p.offset >= 0 else None for p in offsets}

    def _offsets(self, keys: Sequence[Partition], spec: OffsetSpec) -> dict[Partition, int]:
        asked = {TopicPartition(key.topic, key.partition): spec for key in keys}
        answers = self._admin.list_offsets(asked, request_timeout=_TIMEOUT_S)
        return {Partition(place.topic, place.partition): _offset(answer) for place, answer in answers.items()}

    def ensure(self, input_topic: str, others: Sequence[NewTopicPlan], *, create: bool) -> list[str]:
        """Makes the topics that are missing, or names them.

        Returns:
            Those that were made.

        Raises:
            Fatal: a topic is missing and may not, or could not, be made.
        """
        present = self.partitions()
        plans = [NewTopicPlan(input_topic, {}, None), *others]
        missing = [plan for plan in plans if plan.name not in present]
        if missing and not create:
            names = ", ".join(plan.name for plan in missing)
            raise Fatal(f"missing topics: {names}; create them, or set input.create_topics: true in config.yaml")
        width = present.get(input_topic)
        for plan in missing:
            self._create(plan, width)
            if plan.name == input_topic:
                width = self.partitions().get(input_topic)
        return [plan.name for plan in missing]

    def _create(self, plan: NewTopicPlan, partitions: int | None) -> None:
        topic = NewTopic(plan.name, num_partitions=plan.partitions or partitions or -1, config=dict(plan.config))
        answer = self._admin.create_topics([topic], request_timeout=_TIMEOUT_S)[plan.name]
        try:
            _asked(lambda: answer.result(_TIMEOUT_S))
        except _Refused as refused:
            if refused.code != KafkaError.TOPIC_ALREADY_EXISTS:
                raise Fatal(f"topic {plan.name} could not be created: {refused}") from refused


def _topic_id(topic: str, answer: Future[Any]) -> str:
    try:
        return str(_asked(lambda: answer.result(_TIMEOUT_S)).topic_id)
    except _Refused as refused:
        if refused.code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise Fatal(
                f"topic {topic} does not exist any more: restore it, or make it anew and run `milestones take-over`"
            ) from refused
        raise Fatal(f"topic {topic} cannot be described: {refused}; allow DESCRIBE on it") from refused


def _offset(answer: Future[Any]) -> int:
    return int(_asked(lambda: answer.result(_TIMEOUT_S)).offset)


class _Refused(Fatal):
    """The broker answered with an error that repeating will not change."""

    def __init__(self, error: KafkaError) -> None:
        super().__init__(f"Kafka: {error.str()}")
        self.code = error.code()


_UNANSWERED = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_CONTROLLER,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
    }
)


def _asked(call: Callable[[], _Answer]) -> _Answer:
    try:
        return call()
    except FutureTimeoutError as error:
        raise PublishDown("no broker answers; check kafka.bootstrap.servers and that the cluster is up") from error
    except KafkaException as error:
        kafka_error: KafkaError = error.args[0]
        if kafka_error.code() in _UNANSWERED or kafka_error.retriable():
            raise PublishDown(f"no broker answers: {kafka_error.str()}; check kafka.bootstrap.servers") from error
        raise _Refused(kafka_error) from error
