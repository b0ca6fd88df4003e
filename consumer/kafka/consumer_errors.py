"""What the consumer's errors ask for: a person, or reading both watermarks again. The rest mends itself."""

from __future__ import annotations

from confluent_kafka import KafkaError

STOP = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "allow this user to READ the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "allow this user to READ the consumer group",
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: (
        "another member of the group uses another assignor than cooperative-sticky; stop it, or give kafka.group.id another name"
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

READ_AGAIN = frozenset(
    {
        KafkaError.OFFSET_OUT_OF_RANGE,
        KafkaError._AUTO_OFFSET_RESET,
        KafkaError._MAX_POLL_EXCEEDED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.UNKNOWN_TOPIC_ID,
    }
)
"""After these, what the client would deliver next is not what comes next."""
