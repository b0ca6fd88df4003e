"""librdkafka settings: what the protocol owns, what it chooses, and what users may say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from confluent_kafka import KafkaException

from consumer.core.inputs import Inputs
from consumer.errors import ConfigError

OWNED = frozenset(
    {
        "isolation.level",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "auto.offset.reset",
        "group.protocol",
        "group.instance.id",
        "transactional.id",
        "enable.idempotence",
        "enable.partition.eof",
        "partition.assignment.strategy",
        "delivery.report.only.error",
        "transaction.timeout.ms",
    }
)
"""Never the user's: a wrong one would lose or double milestones."""

CONSUMER_ONLY = frozenset(
    {
        "group.id",
        "session.timeout.ms",
        "heartbeat.interval.ms",
        "max.poll.interval.ms",
        "check.crcs",
        "queued.min.messages",
        "queued.max.messages.kbytes",
        "fetch.wait.max.ms",
        "fetch.min.bytes",
        "fetch.max.bytes",
        "fetch.message.max.bytes",
        "max.partition.fetch.bytes",
        "fetch.error.backoff.ms",
        "fetch.queue.backoff.ms",
    }
)
PRODUCER_ONLY = frozenset(
    {
        "linger.ms",
        "retry.backoff.ms",
        "retry.backoff.max.ms",
        "message.max.bytes",
        "batch.size",
        "batch.num.messages",
        "compression.type",
        "compression.codec",
        "compression.level",
        "acks",
        "retries",
        "partitioner",
        "queue.buffering.max.messages",
        "queue.buffering.max.kbytes",
        "queue.buffering.max.ms",
        "message.timeout.ms",
        "delivery.timeout.ms",
        "sticky.partitioning.linger.ms",
    }
)

_COMMON: Mapping[str, object] = {
    "topic.metadata.refresh.interval.ms": 10_000,
    "receive.message.max.bytes": 200_000_000,
    "reconnect.backoff.max.ms": 2_000,
    "allow.auto.create.topics": False,
    # The client's own lines would go to stderr beside the program's log; what matters arrives as an error event.
    "log_level": 2,
}
_CONSUMER: Mapping[str, object] = {
    "session.timeout.ms": 15_000,
    # Members hear of a rebalance with their next heartbeat; until all have, nothing that the group commits is told.
    "heartbeat.interval.ms": 1_000,
    "max.poll.interval.ms": 60_000,
    "check.crcs": True,
    "queued.min.messages": 50_000,
    "queued.max.messages.kbytes": 24_576,
    "fetch.wait.max.ms": 100,
    # The default of a second lets a small queue run dry before it is filled again.
    "fetch.queue.backoff.ms": 5,
    "fetch.message.max.bytes": 1 << 20,
    "fetch.max.bytes": 16 << 20,
}
_PRODUCER: Mapping[str, object] = {
    "linger.ms": 5,
    # A transaction that follows at once finds the last one's markers still being written, and asks again after this.
    "retry.backoff.ms": 1,
    "retry.backoff.max.ms": 1_000,
    "message.max.bytes": 120_000_000,
    "compression.type": "lz4",
    "partitioner": "murmur2_random",
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 262_144,
}


_LOOK_FOR_TOPICS_MS = 30_000
"""How often new topics are looked for: with a pattern, the client asks for all topics of the cluster each time."""

Client = TypeVar("Client")


def made(client: Callable[..., Client], settings: dict[str, object]) -> Client:
    """A client with these settings.

    Raises:
        ConfigError: librdkafka does not know a property, or refuses its value.
    """
    try:
        return client(settings)
    except KafkaException as error:
        raise ConfigError(f"kafka: {error.args[0].str()}; see librdkafka's CONFIGURATION.md") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"kafka: a property has a value of the wrong type: {error}") from error


def client_settings(user: Mapping[str, object]) -> dict[str, object]:
    """For an AdminClient."""
    common = {key: value for key, value in user.items() if key not in CONSUMER_ONLY | PRODUCER_ONLY}
    return {**_COMMON, **common}


def consumer_settings(user: Mapping[str, object]) -> dict[str, object]:
    """For the consumer of one worker."""
    own = {key: value for key, value in user.items() if key not in PRODUCER_ONLY}
    owned = {
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "group.protocol": "classic",
        "partition.assignment.strategy": "cooperative-sticky",
        "enable.partition.eof": True,
    }
    return {**_COMMON, **_CONSUMER, **own, **owned}


def input_settings(user: Mapping[str, object], inputs: Inputs) -> dict[str, object]:
    """For the consumer of one worker that reads these topics."""
    if inputs.pattern is None:
        return consumer_settings(user)
    settings = consumer_settings({"topic.metadata.refresh.interval.ms": _LOOK_FOR_TOPICS_MS, **user})
    said = [str(user["topic.blacklist"])] if user.get("topic.blacklist") else []
    return {**settings, "topic.blacklist": ",".join([*said, *inputs.never])}


def producer_settings(user: Mapping[str, object], transactional_id: str | None) -> dict[str, object]:
    """For the producer of one worker: transactional, or idempotent only."""
    own = {key: value for key, value in user.items() if key not in CONSUMER_ONLY}
    owned: dict[str, object] = {"enable.idempotence": True, "delivery.report.only.error": True}
    if transactional_id is not None:
        owned |= {"transactional.id": transactional_id, "transaction.timeout.ms": 10_000}
    return {**_COMMON, **_PRODUCER, **own, **owned}


def session_timeout_s(user: Mapping[str, object]) -> float:
    """The consumer's session time-out in seconds."""
    return float(str(consumer_settings(user)["session.timeout.ms"])) / 1000
