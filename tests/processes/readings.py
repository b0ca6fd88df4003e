"""What is there: rows in PostgreSQL, and events and dead letters as a read_committed subscriber sees them."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import psycopg
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from consumer.core.dead_letters import PREFIX
from tests.processes.truth import Reached, of_each_document
from tests.services.service import wait_until

_ROWS = """
select id::text, origin_partition, origin_offset, silent, track_field, tracker_revision::text,
       reference_type, reference_name, from_value, value, split_part(source_identity, '#', 1), occurrence
from milestone
order by origin_partition, origin_offset, id
"""

Headers = Sequence[tuple[str, bytes | None]]


class Row(NamedTuple):
    """A row of `milestone`."""

    id: str
    partition: int
    offset: int
    silent: bool
    track_field: str
    revision: str
    reached: Reached


class Event(NamedTuple):
    """A record of an output topic, whole."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def id(self) -> str:
        """The CloudEvents id."""
        return (dict(self.headers)["ce_id"] or b"").decode()

    @property
    def content(self) -> tuple[bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]:
        """Everything that must be equal when it is announced again."""
        return self.key, self.value, tuple(self.headers)

    @property
    def reached(self) -> Reached:
        """What the event's value says."""
        told = json.loads(self.value or b"")
        gtid = told["source_identity"].partition("#")[0]
        document = told["reference_type"], told["reference_name"]
        return Reached(*document, told["from_value"], told["value"], gtid, told["occurrence"])

    @property
    def tracker(self) -> str:
        """Whose milestone it is."""
        return str(json.loads(self.value or b"")["milestone_tracker"])

    def reason(self, name: str) -> str | None:
        """A dead letter's header, by its name without the prefix."""
        value = dict(self.headers).get(PREFIX + name)
        return None if value is None else value.decode()


def rows(dsn: str) -> list[Row]:
    """All milestones, by origin."""
    with psycopg.connect(dsn) as connection:
        found: list[Any] = connection.execute(_ROWS).fetchall()
    return [Row._make([*row[:6], Reached(*row[6:])]) for row in found]


def events(bootstrap_servers: str, topic: str) -> list[Event]:
    """All committed records of a topic, partition by partition; waits until no transaction is open."""
    wait_until(lambda: _settled(bootstrap_servers, topic), timeout_s=60, what=f"no transaction is open in {topic}")
    return sorted(map(event_of, _read(bootstrap_servers, topic)), key=lambda event: (event.partition, event.offset))


def ends(
    bootstrap_servers: str, topic: str, isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED
) -> dict[int, int]:
    """The end of each partition; with READ_COMMITTED the place of the first open transaction, if there is one.

    A topic that was just made may have no leader yet that knows of it.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    partitions = admin.list_topics(topic, timeout=10.0).topics[topic].partitions
    latest: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    asked = {TopicPartition(topic, number): latest for number in partitions}
    deadline_s = time.monotonic() + 20.0
    while True:
        answers = admin.list_offsets(asked, isolation_level=isolation, request_timeout=10.0)
        try:
            return {place.partition: int(answer.result(10.0).offset) for place, answer in answers.items()}
        except KafkaException as error:
            if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() > deadline_s:
                raise
        time.sleep(0.1)


def _settled(bootstrap_servers: str, topic: str) -> bool:
    committed = ends(bootstrap_servers, topic, IsolationLevel.READ_COMMITTED)
    return committed == ends(bootstrap_servers, topic)


def _read(bootstrap_servers: str, topic: str) -> list[Message]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "none",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "receive.message.max.bytes": 200_000_000,
        }
    )
    unread = set(ends(bootstrap_servers, topic))
    consumer.assign([TopicPartition(topic, number, 0) for number in unread])
    found: list[Message] = []
    try:
        while unread:
            for message in consumer.consume(1_000, 0.2):
                error = message.error()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's documented name
                    unread.discard(cast("int", message.partition()))
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()
    return found


def event_of(message: Message) -> Event:
    """A consumed record."""
    headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    return Event(message.partition() or 0, message.offset() or 0, message.key(), message.value(), headers)


def assert_rows(found: Sequence[Row], expected: Iterable[Reached]) -> None:
    """The table holds exactly these milestones."""
    assert _difference((row.reached for row in found), expected) == ("missing", {}, "too many", {})


def assert_announced(found: Sequence[Event], stored: Sequence[Row], *, in_order: bool = True) -> None:
    """Every row was announced exactly once, as it stands; each document's events are in order of its changes."""
    repeated = [id_ for id_, times in Counter(event.id for event in found).items() if times > 1]
    assert repeated == []
    by_id = {event.id: event.reached for event in found}
    assert _difference(by_id.items(), ((row.id, row.reached) for row in stored)) == ("missing", {}, "too many", {})
    if in_order:
        told = of_each_document(event.reached for event in found)
        assert told == of_each_document(sorted((row.reached for row in stored), key=lambda one: one.occurrence))


def _difference(found: Iterable[object], expected: Iterable[object]) -> tuple[str, object, str, object]:
    have, want = Counter(found), Counter(expected)
    return "missing", dict((want - have).most_common(5)), "too many", dict((have - want).most_common(5))
