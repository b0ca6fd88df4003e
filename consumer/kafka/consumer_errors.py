"""What the consumer's errors ask for: a person, or reading both watermarks again. The rest mends itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

from confluent_kafka import KafkaError

from consumer.errors import Fatal, Transient

_Arguments = ParamSpec("_Arguments")

STOP = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "allow this user to READ the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "allow this user to READ the consumer group",
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: (
        "another member of the group uses another assignor than cooperative-sticky; stop it, or set another "
        "kafka.group.id"
    ),
    KafkaError.INVALID_SESSION_TIMEOUT: "set session.timeout.ms within the broker's group.min/max.session.timeout.ms",
    KafkaError.INVALID_GROUP_ID: "set another kafka.group.id",
    KafkaError._BAD_MSG: "the log is damaged there; restore the partition from a replica or a backup",
    KafkaError._BAD_COMPRESSION: "the log is damaged there; restore the partition from a replica or a backup",
    KafkaError._NOT_IMPLEMENTED: "this client cannot read what a producer wrote; see its compression.type",
    KafkaError._AUTHENTICATION: "check the credentials under `kafka:` in config.yaml",
    KafkaError._FATAL: "see the client's message",
}
"""Code to advice."""

OF_AN_OFFSET = frozenset({KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET})
"""The log does not hold what was asked for."""

READ_AGAIN = OF_AN_OFFSET | frozenset(
    {
        KafkaError._MAX_POLL_EXCEEDED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.UNKNOWN_TOPIC_ID,
    }
)
"""After these, what the client would deliver next is not what comes next."""


class Troubles:
    """What a consumer's errors and callbacks left for the loop to act on."""

    def __init__(self) -> None:
        self._fatal: Fatal | None = None
        self._read_again = ""

    def notice(self, error: KafkaError, place: str = "") -> None:
        """Takes note of an error: some are for a person, some are for reading again, the rest mends itself."""
        code = error.code()
        if code in STOP:
            self.stop(Fatal(f"Kafka: {error.str()}: {STOP[code]}{place}"))
        elif code in READ_AGAIN:
            self._read_again = error.str()

    def read_again(self, reason: str) -> None:
        """Whatever it is, what comes after it must not be taken for what comes next."""
        self._read_again = self._read_again or reason

    def stop(self, error: Fatal) -> None:
        """The first one is what the loop stops with."""
        self._fatal = self._fatal or error

    def kept(self, callback: Callable[_Arguments, None], is_heard: Callable[[], bool]) -> Callable[_Arguments, None]:
        """A callback that does not raise: the client would drop the record that it holds, and go on behind it.

        What it would have raised stops the loop, before anything is taken from what the client gives next.

        Args:
            is_heard: whether the client is still the one that is read from.
        """

        def guarded(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> None:
            try:
                if is_heard():
                    callback(*arguments, **named)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is kept
                self.stop(broken(callback.__name__.lstrip("_"), error))

        return guarded

    def act(self) -> None:
        """Raises what was left, if anything was.

        Raises:
            Fatal: a person has to decide, or a callback failed.
            Transient: the watermarks have to be read again.
        """
        if self._fatal is not None:
            raise self._fatal
        if self._read_again:
            reason, self._read_again = self._read_again, ""
            raise Transient(reason)


def broken(where: str, error: BaseException) -> Fatal:
    """The stop for an error that nobody expected of the client or in its callbacks."""
    stop = Fatal(
        f"Kafka's client failed in {where}: {type(error).__name__}: {error}; nothing of what it held was committed: "
        "start again, and report it if it comes again"
    )
    stop.__cause__ = error
    return stop
