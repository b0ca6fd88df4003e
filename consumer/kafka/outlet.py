"""How events get into the client: one by one, or, where that was compiled, many of a topic in one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple, Protocol, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consumer.core.milestones import Event
from consumer.kafka.plugin import reason_against_plugin, with_plugin
from consumer.kafka.settings import made
from consumer.native import Envelopes, envelopes


class Failure(NamedTuple):
    """An event that was not delivered, or not even taken."""

    error: KafkaError
    topic: str

    @property
    def is_given_up(self) -> bool:
        """Whether it was not sent any more, because of something else."""
        return self.error.code() in (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)


@contextmanager
def served() -> Iterator[None]:
    """For calls that serve a producer's callbacks.

    The client's own error of a producer that Kafka will not have waits to be raised while others' callbacks still run:
    Python then takes it for a mistake in one of them.

    Raises:
        KafkaException: the client's error, as it is.
    """
    try:
        yield
    except SystemError as error:
        if isinstance(error.__cause__, KafkaException):
            raise error.__cause__ from None
        raise


class Outlet(Protocol):
    """A producer, and the way into it."""

    @property
    def producer(self) -> Producer: ...

    def send(self, topic: str, events: Sequence[Event], /) -> int:
        """How many of some events the client took, from the first on; less than all where its buffer is full.

        Raises:
            KafkaException: it refuses one.
        """

    def take_failure(self) -> Failure | None:
        """The first failure of a delivery since this was asked last; one that tells the reason, if there is any."""


class ClientOutlet:
    """Events as the client's own calls take them."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._failures: list[Failure] = []
        # Not a method of one's own: the producer would be kept by what it keeps.
        self.producer = made(Producer, {**settings, "on_delivery": _noting(self._failures)})

    def send(self, topic: str, events: Sequence[Event]) -> int:
        """See `Outlet`."""
        produce = self.producer.produce
        for at, event in enumerate(events):
            try:
                headers = cast("list[tuple[str, str | bytes | None]]", event.headers)
                produce(topic, event.value, event.key, headers=headers)
            except BufferError:
                return at
        return len(events)

    def take_failure(self) -> Failure | None:
        """See `Outlet`."""
        # It was fenced: whatever is asked of it next says so.
        with suppress(KafkaException), served():
            self.producer.poll(0)
        first = self._failures[0] if self._failures else None
        self._failures.clear()
        return first


class NativeOutlet:
    """Events taken by compiled code, which notes what becomes of them."""

    def __init__(self, producer: Producer, native: Envelopes, tap: object) -> None:
        self.producer, self._native, self._tap = producer, native, tap

    def send(self, topic: str, events: Sequence[Event]) -> int:
        """See `Outlet`."""
        taken, refused = self._native.produce(self._tap, topic, [*events])
        if refused not in (0, KafkaError._QUEUE_FULL):
            raise KafkaException(KafkaError(refused))
        return taken

    def take_failure(self) -> Failure | None:
        """See `Outlet`."""
        failure = self._native.take_failure(self._tap)
        return None if failure is None else Failure(KafkaError(failure[0]), failure[1])


def outlet_of(settings: Mapping[str, object], *, native: bool) -> Outlet:
    """A producer with these settings; without its plugin, or where that is not wanted, as the client is used else.

    Raises:
        ConfigError: see `made`.
    """
    if native and envelopes is not None and not reason_against_plugin():
        producer = made(Producer, with_plugin(settings))
        tap = envelopes.open_tap(producer)
        if tap is not None:
            return NativeOutlet(producer, envelopes, tap)
    return ClientOutlet(settings)


def _noting(failures: list[Failure]) -> object:
    """Called for failed deliveries only. Must not raise: the client would go on as if nothing had failed."""

    def note(error: KafkaError | None, message: Message) -> None:
        if error is None or (failures and not failures[0].is_given_up):
            return
        topic = ""
        with suppress(Exception):
            topic = message.topic() or ""
        failure = Failure(error, topic)
        if not (failures and failure.is_given_up):
            failures[:] = [failure]

    return note
