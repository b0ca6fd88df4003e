"""Topics: whether they exist, their ids and ends, and making those that are missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from consumer.core.inputs import Inputs
from consumer.core.positions import LogEnds
from consumer.core.records import Partition
from consumer.errors import Fatal, PublishDown, Transient
from consumer.kafka.settings import client_settings, made

_TIMEOUT_S = 10.0
_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_Answer = TypeVar("_Answer")


class NewTopicPlan:
    """A topic that is made if it is missing.

    Args:
        config: topic settings, such as retention.ms.
        partitions: None takes the largest number that an input topic has.
    """

    def __init__(self, name: str, config: Mapping[str, str] | None = None, partitions: int | None = None) -> None:
        self.name, self.config, self.partitions = name, config or {}, partitions


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
        topic_id = self.ask_topic_ids([topic])()[topic]
        if topic_id is None:
            raise Fatal(f"topic {topic} does not exist; check its name, or make it")
        return topic_id

    def ask_topic_ids(self, topics: Collection[str]) -> Callable[[], dict[str, str | None]]:
        """Asks for the ids of topics, in one request; what comes back waits for the answer.

        An id is None where there is no such topic. The answer raises Fatal where one may not be described.
        """
        if not self._ids or not topics:
            return lambda: {topic: f"name:{topic}" for topic in topics}
        answers = self._admin.describe_topics(TopicCollection(list(topics)), request_timeout=_TIMEOUT_S)
        return lambda: {topic: _topic_id(topic, answer) for topic, answer in answers.items()}

    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, LogEnds]:
        """The first offset and the end of each partition.

        Raises:
            Transient: a topic was deleted just now, or no broker answers.
        """
        keys = list(partitions)
        low, high = self._offsets(keys, _EARLIEST), self._offsets(keys, _LATEST)
        return {key: LogEnds(low[key], high[key]) for key in keys}

    def offsets_at(self, partitions: Iterable[Partition], time_ms: int) -> dict[Partition, int]:
        """The first offset of each partition whose record is stamped then or later; it is left out if there is none.

        Raises:
            Transient: no broker answers.
        """
        found = self._offsets(list(partitions), OffsetSpec.for_timestamp(time_ms))
        return {key: offset for key, offset in found.items() if offset >= 0}

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

    def members(self, group: str) -> int:
        """How many members a group has now; 0 for one that does not exist."""
        asked = self._admin.describe_consumer_groups([group], request_timeout=_TIMEOUT_S)[group]
        return len(answer_of(asked).members)

    def ask_members(self, group: str) -> Callable[[], frozenset[str] | None]:
        """Asks for the ids of a group's members; what comes back tells them, or None without an answer yet, or ever."""
        asked = self._admin.describe_consumer_groups([group], request_timeout=_TIMEOUT_S)[group]

        def answer() -> frozenset[str] | None:
            if not asked.done() or asked.exception() is not None:
                return None
            return frozenset(str(member.member_id) for member in asked.result().members)

        return answer

    def _offsets(self, keys: Sequence[Partition], spec: OffsetSpec) -> dict[Partition, int]:
        asked = {TopicPartition(key.topic, key.partition): spec for key in keys}
        answers = self._admin.list_offsets(asked, request_timeout=_TIMEOUT_S)
        return {Partition(place.topic, place.partition): _offset(answer) for place, answer in answers.items()}

    def ensure(self, inputs: Inputs, others: Sequence[NewTopicPlan], *, create: bool) -> list[str]:
        """Makes the topics that are missing, or names them; the inputs only where they have names.

        Returns:
            Those that were made.

        Raises:
            Fatal: a topic is missing and may not, or could not, be made.
        """
        present = self.partitions()
        missing = [plan for plan in (*map(NewTopicPlan, inputs.names), *others) if plan.name not in present]
        if missing and not create:
            names = ", ".join(plan.name for plan in missing)
            raise Fatal(f"missing topics: {names}; create them, or set input.create_topics: true in config.yaml")
        made_inputs = [plan for plan in missing if plan.name in inputs.names]
        for plan in made_inputs:
            self._create(plan, None)
        present = self.partitions() if made_inputs else present
        widest = max((present[name] for name in inputs.among(present)), default=None)
        for plan in missing:
            if plan not in made_inputs:
                self._create(plan, widest)
        self._wait_for({plan.name for plan in missing})
        return [plan.name for plan in missing]

    def _wait_for(self, names: Set[str]) -> None:
        """A broker tells of a new topic a moment after it was made."""
        deadline_s = time.monotonic() + _TIMEOUT_S
        while names - self.partitions().keys() and time.monotonic() < deadline_s:
            time.sleep(0.1)

    def _create(self, plan: NewTopicPlan, partitions: int | None) -> None:
        topic = NewTopic(plan.name, num_partitions=plan.partitions or partitions or -1, config=dict(plan.config))
        answer = self._admin.create_topics([topic], request_timeout=_TIMEOUT_S)[plan.name]
        try:
            _asked(lambda: answer.result(_TIMEOUT_S))
        except _Refused as refused:
            if refused.code != KafkaError.TOPIC_ALREADY_EXISTS:
                raise Fatal(f"topic {plan.name} could not be created: {refused}") from refused


def _topic_id(topic: str, answer: Future[Any]) -> str | None:
    try:
        return str(_asked(lambda: answer.result(_TIMEOUT_S)).topic_id)
    except _Refused as refused:
        if refused.code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise Fatal(f"topic {topic} cannot be described: {refused}; allow DESCRIBE on it") from refused


def _offset(answer: Future[Any]) -> int:
    try:
        return int(_asked(lambda: answer.result(_TIMEOUT_S)).offset)
    except _Refused as refused:
        if refused.code in _GONE:
            # Its id is asked for first, and next time that tells what is to be done.
            raise Transient(f"a topic was deleted just now: {refused}") from refused
        raise


class _Refused(Fatal):
    """The broker answered with an error that repeating will not change."""

    def __init__(self, error: KafkaError) -> None:
        super().__init__(f"Kafka: {error.str()}")
        self.code = error.code()


_GONE = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})
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
        # While a leader changes, or a log directory is mended.
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
    }
)


def answer_of(asked: Future[Any]) -> Any:
    """What the cluster answered.

    Raises:
        PublishDown: nothing, in time.
        Fatal: an error that repeating will not change.
    """
    return _asked(lambda: asked.result(_TIMEOUT_S))


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
