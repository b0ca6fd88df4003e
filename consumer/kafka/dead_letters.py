"""Dead letters in Kafka: finding their records, and sending them to their input topic again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from functools import partial
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from consumer.core.dead_letters import Payload, payload_at, payload_of
from consumer.core.positions import LogEnds
from consumer.core.records import Origin, Partition, offset_of
from consumer.core.redrive import Delivery, Sending
from consumer.kafka.log import records_between
from consumer.kafka.settings import consumer_settings, made, producer_settings
from consumer.kafka.topics import Topics

_TOO_LARGE = "larger than the topic takes, with the headers that a redrive adds; raise its max.message.bytes a little"
_BY_KEY = -1
"""librdkafka's RD_KAFKA_PARTITION_UA: the partitioner decides."""


class LetterReader:
    """Reads records of dead letters, outside of any consumer group: nothing is committed and nobody is disturbed.

    The dead-letter topic is read up to the end that it has when this is made.
    """

    def __init__(self, kafka: Mapping[str, object], topics: Topics, dead_letter_topic: str) -> None:
        self._kafka, self._topics = kafka, topics
        self._partitions = topics.partitions()
        count = self._partitions.get(dead_letter_topic, 0)
        self._ends = topics.ends([Partition(dead_letter_topic, number) for number in range(count)]) if count else {}

    def in_dead_letter_topic(self, wanted: Set[Origin]) -> Iterator[Payload]:
        """The records of the dead letters wanted, each once, in the topic's order; those that it does not have are left
        out. One document's are in the order of its changes.

        Raises:
            PublishDown: no broker answers.
        """
        left = set(wanted)
        if not left or not self._ends:
            return
        with self._consumer() as consumer:
            for message in records_between(consumer, self._ends):
                payload = payload_of(message)
                if payload is not None and payload.origin in left:
                    left.discard(payload.origin)
                    yield payload
                if not left:
                    return

    def at_origins(self, wanted: Mapping[Origin, str]) -> Iterator[Payload]:
        """Records read where they first stood, as long as their topics (by name) keep them.

        Raises:
            PublishDown: no broker answers.
        """
        present = {topic: self._topics.topic_id(topic) for topic in set(wanted.values()) if topic in self._partitions}
        readable = {o: topic for o, topic in wanted.items() if present.get(topic) == o.topic_id}
        if not readable:
            return
        ends = self._topics.ends({Partition(topic, o.partition) for o, topic in readable.items()})
        with self._consumer() as consumer:
            for origin, topic in sorted(readable.items()):
                key = Partition(topic, origin.partition)
                if ends[key].low <= origin.offset < ends[key].high:
                    span = {key: LogEnds(origin.offset, origin.offset + 1)}
                    yield from (payload_at(message, origin) for message in records_between(consumer, span))

    @contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        consumer = made(Consumer, consumer_settings(self._kafka))
        try:
            yield consumer
        finally:
            consumer.close()


class Redriver:
    """Sends records to their input topics again. Idempotent, acknowledged by all; every report is looked at."""

    def __init__(self, kafka: Mapping[str, object], topics: Topics) -> None:
        self._topics = topics
        self._partitions = topics.partitions()
        self._ids: dict[str, str] = {}
        settings = {"message.timeout.ms": 60_000, **producer_settings(kafka, None)}
        self._producer = made(Producer, {**settings, "acks": "all", "delivery.report.only.error": False})

    def send(self, records: Sequence[Sending]) -> dict[Origin, Delivery]:
        """Sends records in this order, each to the partition of its key, and waits for all reports.

        Returns:
            What became of each, by the origin of its dead letter.

        Raises:
            Fatal: a topic does not exist.
        """
        new = {record.payload.topic for record in records} - self._ids.keys()
        self._ids |= {topic: self._topics.topic_id(topic) for topic in new}
        deliveries: dict[Origin, Delivery] = {}
        for record in records:
            self._produce(record, deliveries)
        self._wait()
        # The broker refuses a batch whole: alone, all but the large record go.
        for record in [one for one in records if deliveries[one.payload.origin].refused == _TOO_LARGE]:
            self._produce(record, deliveries)
            self._wait()
        return deliveries

    def _wait(self) -> None:
        """Ends: the client reports every record, at the latest when message.timeout.ms has passed."""
        while self._producer.flush(1.0):
            pass

    def _produce(self, record: Sending, deliveries: dict[Origin, Delivery]) -> None:
        payload = record.payload
        report = partial(self._reported, payload, deliveries)
        headers = cast("list[tuple[str, str | bytes | None]]", list(record.headers))
        partition = payload.origin.partition if self._keeps_its_partition(payload) else _BY_KEY
        while True:
            try:
                self._producer.produce(payload.topic, payload.value, payload.key, partition, report, headers=headers)
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                deliveries[payload.origin] = Delivery(None, _why(cast("KafkaError", error.args[0])))
                return
            else:
                return

    def _keeps_its_partition(self, payload: Payload) -> bool:
        """A record without a key has no other place that would be its own."""
        return payload.key is None and payload.origin.partition < self._partitions.get(payload.topic, 0)

    def _reported(
        self, payload: Payload, deliveries: dict[Origin, Delivery], error: KafkaError | None, message: Message
    ) -> None:
        if error is not None:
            deliveries[payload.origin] = Delivery(None, _why(error))
            return
        sent_to = Origin(self._ids[payload.topic], message.partition() or 0, offset_of(message))
        deliveries[payload.origin] = Delivery(sent_to)


def _why(error: KafkaError) -> str:
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return _TOO_LARGE
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return "not allowed; allow this user to WRITE to the topic"
    return error.str()
