"""Joining the group for the input topics, by name or by pattern, and leaving it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumer.core.inputs import Inputs
from consumer.errors import ConfigError, Transient
from consumer.kafka.detached import detached

log = structlog.get_logger(__name__)

_LEAVE_S, _UNSUBSCRIBE_S = 8.0, 2.0
"""Within a grace time of 30 s, behind a publish that runs into its time-out."""

Calls = tuple[Callable[..., None], Callable[..., None], Callable[..., None]]


def subscribe(consumer: Consumer, inputs: Inputs, calls: Calls) -> None:
    """Joins the group for the input topics; `calls`: what happens when partitions are assigned, revoked and lost.

    Raises:
        ConfigError: the client cannot read the pattern.
    """
    try:
        assigned, revoked, lost = calls
        consumer.subscribe(inputs.subscription, on_assign=assigned, on_revoke=revoked, on_lost=lost)
    except KafkaException as error:
        if inputs.pattern is None:
            raise
        raise ConfigError(
            f"input.pattern: Kafka's client takes {inputs.pattern!r} for no POSIX extended regular expression"
        ) from error


def leave(consumer: Consumer) -> None:
    """Leaves the group and closes a consumer. Without brokers that may never return."""
    closing = detached(lambda: _unsubscribe_and_close(consumer), "close")
    try:
        closing.result(_LEAVE_S)
    except FutureTimeoutError:
        log.warning("the group could not be left in time, it goes on after the session time-out", waited_s=_LEAVE_S)
    except (KafkaException, RuntimeError) as error:
        log.warning("the group could not be left, it goes on after the session time-out", reason=str(error))


def _unsubscribe_and_close(consumer: Consumer) -> None:
    """What `close` alone would not do for a member without partitions: it goes, and its group waits for it.

    Whoever unsubscribes leaves, and has no member id from then on.
    """
    try:
        consumer.unsubscribe()
        give_up_s = time.monotonic() + _UNSUBSCRIBE_S
        while consumer.memberid() and time.monotonic() < give_up_s:
            consumer.poll(0.02)
    finally:
        consumer.close()


def place_at(
    consumer: Consumer, place: TopicPartition, expect: Callable[[list[TopicPartition]], None], *, paused: bool
) -> None:
    """Lets an assigned partition be read from an offset.

    Args:
        expect: called before it is assigned anew.

    Raises:
        Transient: the client cannot place it now.
    """
    try:
        # Assigned anew instead of sought: what was fetched from elsewhere is dropped with the old assignment, and after
        # an offset error the client would refuse to seek, for ever.
        consumer.incremental_unassign([place])
        expect([place])
        consumer.incremental_assign([place])
        (consumer.pause if paused else consumer.resume)([place])
    except KafkaException as error:
        raise Transient(f"{place.topic}-{place.partition} cannot be placed yet: {error}") from error
