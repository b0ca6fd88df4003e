"""The producer side: events, dead letters and offsets in one Kafka transaction, or with an idempotent producer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from consumer.core.milestones import Event
from consumer.core.records import Batch
from consumer.errors import Fatal, PublishDown
from consumer.faults import fault_point
from consumer.kafka.detached import detached
from consumer.kafka.outlet import Failure, Outlet, outlet_of, served
from consumer.kafka.settings import made, producer_settings

if TYPE_CHECKING:
    from confluent_kafka import Consumer

_FENCED = frozenset({KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED})
_STOP = {
    KafkaError.MSG_SIZE_TOO_LARGE: "raise max.message.bytes of the topic to at least the input topic's",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "allow this user to WRITE to the topic",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "allow this user IDEMPOTENT_WRITE on the cluster",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "allow this user to WRITE to transactional ids of this group",
}
_MISSING = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})

_AT_A_TIME = 200
"""Events that are made before they are sent: few enough that the next ones find their memory free, and near."""
_OFFSETS_TIMEOUT_S = 3.0
_FENCE_TIMEOUT_S = 3.0


class Outbox(Protocol):
    """What a publish transaction takes."""

    def publish(self, topic: str, events: Iterable[Event]) -> None:
        """Adds events, in their order; they become visible when the transaction commits."""


class TransactionalIds(NamedTuple):
    """`<prefix>-<slot>` and `<prefix>-<slot>b`: who comes back to its slot ends what its former life left open."""

    prefix: str
    slot: Callable[[], int]

    def own(self) -> tuple[str, ...]:
        """This worker's ids."""
        return self.of(self.slot())

    def of(self, slot: int) -> tuple[str, ...]:
        """The ids of the worker in a slot."""
        return f"{self.prefix}-{slot}", f"{self.prefix}-{slot}b"


class Publisher:
    """One worker's producers, made when they are first needed and thrown away when an outcome is unknown.

    Two take turns, one transaction after the other has ended: for some milliseconds after the answer to a commit the
    broker still writes its markers, and refuses whatever the same producer begins meanwhile. The client asks again
    after 20 ms, which nothing changes.

    Args:
        kafka: the user's settings.
        ids: names the transactional ids; None for at_least_once.
        commit_offsets: for at_least_once, has the group's offsets committed, after every delivery succeeded.
        timeout_s: how long one publish may take; below the transaction time-out.
        native: whether compiled code may hand events over.
    """

    def __init__(
        self,
        kafka: Mapping[str, object],
        ids: TransactionalIds | None,
        commit_offsets: Callable[[list[TopicPartition]], None],
        timeout_s: float = 8.0,
        *,
        native: bool = True,
    ) -> None:
        self._kafka = kafka
        self._ids = ids
        self._commit_offsets = commit_offsets
        self._timeout_s = timeout_s
        self._native = native
        self._outlets: dict[str, Outlet] = {}
        self._outlet: Outlet | None = None  # the one whose turn it is
        self._turn = 0
        self._failure: Failure | None = None
        self._deadline_s = 0.0

    @contextmanager
    def transaction(self, batch: Batch) -> Iterator[Outbox]:
        """Publishes what the body adds, together with the batch's next offsets. An empty batch has none.

        Raises:
            PublishDown: aborted, or the outcome is unknown; nothing may be taken as published.
            Fatal: Kafka will never take it; the message says what to change.
        """
        self._failure = None
        self._deadline_s = time.monotonic() + self._timeout_s
        try:
            self._begin()
            yield self
            self._commit(batch)
        except KafkaException as error:
            raise self._given_up(cast("KafkaError", error.args[0])) from error
        except BaseException:
            self._discard()
            raise

    def publish(self, topic: str, events: Iterable[Event]) -> None:
        """Adds events to the open transaction."""
        outlet, coming = self._opened(), iter(events)
        while some := [*islice(coming, _AT_A_TIME)]:
            self._send(outlet, topic, some)

    def _send(self, outlet: Outlet, topic: str, events: Sequence[Event]) -> None:
        while events:
            try:
                events = events[outlet.send(topic, events) :]
            except KafkaException as error:
                self._failure = Failure(cast("KafkaError", error.args[0]), topic)
                raise
            if events:
                self._check_time("the send buffer stays full")
                outlet.producer.poll(0.1)

    def prepare(self) -> None:
        """Takes this worker's transactional ids: a transaction that its former life left open ends here.

        Needed before committed offsets are read, because those wait for open transactions.

        Raises:
            PublishDown: no answer in time.
        """
        self._failure = None
        try:
            self._take_producers()
        except KafkaException as error:
            raise self._given_up(cast("KafkaError", error.args[0])) from error

    def fence(self, slots: Iterable[int]) -> None:
        """Ends the open transactions of other workers, and shuts those workers out until they begin anew.

        For former owners that froze: the group's offsets cannot be read while their transaction is open. One that is
        well after all notices, reads its watermarks again, and goes on.

        Raises:
            PublishDown: no answer in time.
        """
        if self._ids is None:
            return
        for producer_id in sorted({one for slot in slots for one in self._ids.of(slot)} - {*self._ids.own()}):
            try:
                made(Producer, producer_settings(self._kafka, producer_id)).init_transactions(_FENCE_TIMEOUT_S)
            except KafkaException as error:
                raise PublishDown(f"the transaction of {producer_id} could not be ended: {error}") from error

    def _begin(self) -> None:
        outlets = self._take_producers()
        self._turn += 1
        outlet = self._outlet = outlets[self._turn % len(outlets)]
        outlet.take_failure()  # of a transaction that was given up
        if self._ids is not None:
            outlet.producer.begin_transaction()

    def _take_producers(self) -> list[Outlet]:
        """All producers of this worker: made anew where there are none, or where the ids are others by now.

        Always all of them: none begins as long as another's transaction might be open.
        """
        producer_ids = ("",) if self._ids is None else self._ids.own()
        if self._outlets.keys() != {*producer_ids}:
            self._discard()
            settings = {one: producer_settings(self._kafka, one or None) for one in producer_ids}
            outlets = {one: outlet_of(of_one, native=self._native) for one, of_one in settings.items()}
            if self._ids is not None:
                for outlet in outlets.values():
                    outlet.producer.init_transactions(self._timeout_s)
            self._outlets = outlets
        return list(self._outlets.values())

    def _opened(self) -> Outlet:
        if self._outlet is None:
            raise PublishDown("there is no producer")
        return self._outlet

    def _commit(self, batch: Batch) -> None:
        outlet = self._opened()
        producer = outlet.producer
        offsets = [TopicPartition(s.topic, s.partition, s.published_after) for s in batch.to_publish().values()]
        if self._ids is None:
            self._flush(outlet)
            fault_point("produced")
            self._commit_offsets(offsets)
            fault_point("offsets-sent")
            return
        group = cast("Consumer", batch.group)
        fault_point("produced")
        if offsets:
            self._send_offsets(producer, offsets, group)
        fault_point("offsets-sent")
        self._repeat(producer.commit_transaction)

    def _send_offsets(self, producer: Producer, offsets: list[TopicPartition], group: Consumer) -> None:
        """Adds the offsets to the transaction, from a thread of its own.

        When the group's coordinator went away and came back, the client may wait for ever, whatever time-out it is
        given (librdkafka issues 5456 and 5511). Thread and producer are then left behind; the next one fences them.
        """

        def send(left_s: float) -> None:
            producer.send_offsets_to_transaction(offsets, group, left_s)

        sending = detached(lambda: self._repeat(send), "send-offsets")
        try:
            sending.result(_OFFSETS_TIMEOUT_S)
        except FutureTimeoutError as error:
            self._outlets = {one: outlet for one, outlet in self._outlets.items() if outlet is not self._outlet}
            self._discard()
            raise PublishDown("the group's coordinator did not take the offsets in time") from error

    def _flush(self, outlet: Outlet) -> None:
        with served():
            left = outlet.producer.flush(max(self._deadline_s - time.monotonic(), 0.0))
        self._failure = outlet.take_failure()
        if self._failure is not None:
            raise KafkaException(self._failure.error)
        if left:
            raise PublishDown(f"{left} events were not delivered in time")

    def _repeat(self, call: Callable[[float], object]) -> None:
        """The same call again while the client says that it may be repeated."""
        while True:
            left = self._deadline_s - time.monotonic()
            try:
                call(max(left, 0.1))
            except KafkaException as error:
                kafka_error = cast("KafkaError", error.args[0])
                if not kafka_error.retriable() or kafka_error.txn_requires_abort() or left <= 0:
                    raise
            else:
                return

    def _given_up(self, error: KafkaError) -> PublishDown | Fatal:
        """Aborts, or throws the producer away; what it was tells whether to try again."""
        outlet = self._outlet
        if error.txn_requires_abort() and outlet is not None:
            try:
                outlet.producer.abort_transaction(2.0)
            except KafkaException:
                self._discard()
        else:
            self._discard()
        # Only now every event has its answer, and one of them may tell more than that the transaction cannot go on.
        told = None if outlet is None else outlet.take_failure()
        cause, topic = told if told and not told.is_given_up else self._failure or Failure(error, "")
        if cause.code() in _STOP:
            return Fatal(f"Kafka refused to write to {topic or 'its topics'}: {_STOP[cause.code()]}")
        if cause.code() in _MISSING:
            return Fatal(
                f"topic {topic or 'of the output'} does not exist; create it, or set input.create_topics: true"
            )
        return PublishDown(f"publishing failed: {cause.str()}", fenced=error.code() in _FENCED)

    def _check_time(self, what: str) -> None:
        if time.monotonic() > self._deadline_s:
            raise PublishDown(what)

    def _discard(self) -> None:
        """No KIP-890 in the client: after an unknown outcome only a new producer with the same id is safe."""
        for outlet in self._outlets.values():
            outlet.producer.purge()
        self._outlets.clear()
        self._outlet = None

    def close(self) -> None:
        """Everything was committed or aborted before: nothing is left to send."""
        self._discard()
