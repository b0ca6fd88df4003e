"""Subscribing to the input topics, by name or by pattern."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import Consumer, KafkaException

from consumer.core.inputs import Inputs
from consumer.errors import ConfigError

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
