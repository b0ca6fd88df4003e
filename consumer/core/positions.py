"""Where reading, storing and publishing go on for a partition just assigned, and when they must not."""

from __future__ import annotations

from typing import NamedTuple

from consumer.core.records import LastRecord, Span
from consumer.errors import Fatal


class StoredPosition(NamedTuple):
    """A row of `stream_position`."""

    topic_id: str
    consumer_group: str
    next_offset: int
    published_offset: int
    last: LastRecord | None


class LogEnds(NamedTuple):
    """The first offset that a partition still has, and the one its next record will get."""

    low: int
    high: int


class Start(NamedTuple):
    """Both watermarks, where to seek, and the record that proves the log to be the one that was read.

    `known` is false for a partition that has no row yet.
    """

    span: Span
    seek: int
    proof: LastRecord | None
    known: bool


class Owner(NamedTuple):
    """What positions belong to: a topic by name and id, and a consumer group."""

    topic: str
    topic_id: str
    group: str


def start_of(
    owner: Owner,
    partition: int,
    row: StoredPosition | None,
    committed: int | None,
    ends: LogEnds,
    *,
    allow_gap: bool = False,
) -> Start:
    """Where to go on, from both watermarks as they were read.

    Args:
        committed: the group's committed offset, None if Kafka has none.

    Raises:
        Fatal: going on would skip or mix up records; the message says what to decide.
    """
    topic, topic_id, group = owner
    where = f"{topic}-{partition}"
    if row is None:
        stored, published, proof = ends.low, ends.low if committed is None else committed, None
    else:
        _check_ownership(where, topic, topic_id, group, row)
        stored, proof = row.next_offset, row.last
        published = row.published_offset if committed is None else committed
    _check_end(where, max(stored, published), ends)
    if ends.low > stored:
        _check_gap(where, stored, ends, allow_gap=allow_gap)
        stored = stored if row is not None else ends.low
    span = Span(topic, topic_id, partition, stored, published, min(stored, published))
    seek = min(stored, published)
    if proof is not None and proof.offset < seek:
        seek = proof.offset
    if proof is not None and proof.offset < ends.low:
        proof = None
    return Start(span, max(seek, ends.low), proof, row is not None)


def _check_ownership(where: str, topic: str, topic_id: str, group: str, row: StoredPosition) -> None:
    if row.topic_id != topic_id:
        raise Fatal(
            f"{where}: the topic was deleted and made again (id {topic_id}, stored {row.topic_id}); "
            f"to follow the new one from its beginning run `milestones take-over --topic {topic}`"
        )
    if row.consumer_group != group:
        raise Fatal(
            f"{where}: this database belongs to consumer group {row.consumer_group!r}, not {group!r}; use another "
            f"database, set kafka.group.id back, or move it for good with `milestones take-over --topic {topic}`"
        )


def _check_end(where: str, position: int, ends: LogEnds) -> None:
    if position > ends.high:
        raise Fatal(
            f"{where}: position {position} is beyond the end of the log, {ends.high}: Kafka lost records or was "
            "restored from an older state; restore the log, or restore PostgreSQL to the same moment, before going on"
        )


def _check_gap(where: str, stored: int, ends: LogEnds, *, allow_gap: bool) -> None:
    if not allow_gap:
        raise Fatal(
            f"{where}: records {stored} to {ends.low - 1} were removed by retention before they were evaluated; "
            "restore them, or accept the loss with `milestones run --allow-gap`"
        )


def check_proof(where: str, expected: LastRecord, found: LastRecord) -> None:
    """Compares the last stored record with what the log holds at its offset.

    Raises:
        Fatal: it is another log under the same topic id.
    """
    if found != expected:
        raise Fatal(
            f"{where}: the record at offset {expected.offset} is not the one that was stored: Kafka was restored from "
            "another state; restore the log, or restore PostgreSQL to the same moment, before going on"
        )
