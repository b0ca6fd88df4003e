"""`examples/approval.py` on real Kafka and PostgreSQL: killed at random moments, it requests each approval once."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.core.milestones import Milestone, announcement, milestone_id
from consumer.core.states import StateKey
from tests.services import KafkaService
from tests.services.service import wait_until

EXAMPLE = Path(__file__).parents[2] / "examples" / "approval.py"
TRACKER = "Sales Order-status"
TRANSACTIONS = 80
KILLS = 6
PARTITIONS = 2


def _milestone(number: int, tracker: str) -> Milestone:
    name = f"SO-{number:04d}"
    identity = f"0-1-{number}#1"
    return Milestone(
        id=milestone_id(tracker, StateKey("Sales Order", name, "status"), identity, 1_700_000_000_000 + number),
        reference_type="Sales Order",
        reference_name=name,
        track_field="status",
        value="To Approve",
        milestone_tracker=tracker,
        from_value="Draft",
        from_value_known="observed",
        tracker_revision="6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
        occurrence=1,
        reached_at=1_700_000_000_000_000 + number,
        recorded_at=1_700_000_001_000_000,
        actor="Administrator",
        source_identity=identity,
        source_identity_kind="gtid",
        origin_topic_id="t",
        origin_partition=0,
        origin_offset=number,
        announce=True,
        silent=False,
    )


class Announcer:
    """Publishes milestones in transactions, some aborted, some events twice; notes what must be requested."""

    def __init__(self, bootstrap_servers: str, topic: str, seed: int) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap_servers, "transactional.id": topic, "linger.ms": 0})
        self._topic = topic
        self._random = random.Random(seed)
        self._number = 0
        self._visible: list[Milestone] = []
        self.expected: set[str] = set()
        self.aborted: set[str] = set()

    def publish(self, transactions: int, pause_s: float) -> None:
        self._producer.init_transactions(30.0)
        for _ in range(transactions):
            self._transaction(commit=self._random.random() < 0.7)
            time.sleep(pause_s)

    def _transaction(self, *, commit: bool) -> None:
        fresh = [self._next() for _ in range(self._random.randint(1, 8))]
        again = self._random.sample(self._visible, min(2, len(self._visible)))
        self._producer.begin_transaction()
        for milestone in [*fresh, *again]:
            event = announcement(milestone)
            # Duplicates land in any partition: not even the order of ids may be relied on.
            place = self._random.randrange(PARTITIONS)
            self._producer.produce(
                self._topic, event.value, event.key, place, headers=[(name, value) for name, value in event.headers]
            )
        self._producer.flush(30.0)  # Aborted events are to be in the log, not only in the client.
        if commit:
            self._producer.commit_transaction(30.0)
            self._visible += fresh
            self.expected |= {milestone.id for milestone in fresh if milestone.milestone_tracker == TRACKER}
        else:
            self._producer.abort_transaction(30.0)
            self.aborted |= {milestone.id for milestone in fresh}

    def _next(self) -> Milestone:
        self._number += 1
        return _milestone(self._number, TRACKER if self._number % 4 else "Sales Order-billing_status")


@contextmanager
def _subscriber(kafka: KafkaService, topic: str, dsn: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        sys.executable, str(EXAMPLE), "--tracker", TRACKER, "--dsn", dsn, "--topic", topic, "--group", topic,
        "--bootstrap-servers", kafka.bootstrap_servers,
        "-X", "session.timeout.ms=1000", "-X", "heartbeat.interval.ms=300",
    ]  # fmt: skip
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _rows(dsn: str) -> list[tuple[object, ...]]:
    """All requests; none while the table is not there yet."""
    with psycopg.connect(dsn) as connection:
        try:
            return connection.execute("select * from approval_request order by id").fetchall()
        except psycopg.errors.UndefinedTable:
            return []


def _requested(dsn: str) -> list[str]:
    return [str(row[0]) for row in _rows(dsn)]


def _rewind(kafka: KafkaService, topic: str) -> None:
    """Puts the group back to the beginning, as Kafka's own tool does; only a group without members may be."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    beginning = ConsumerGroupTopicPartitions(topic, [TopicPartition(topic, n, 0) for n in range(PARTITIONS)])

    def rewound() -> bool:
        answer = admin.alter_consumer_group_offsets([beginning])[topic]
        try:
            return all(place.error is None for place in answer.result(timeout=10.0).topic_partitions)
        except KafkaException:
            return False

    wait_until(rewound, timeout_s=30.0, what="the killed subscriber has left the group")


def _committed(kafka: KafkaService, topic: str) -> int:
    """The sum of the group's committed offsets."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    answer = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(topic)])[topic]
    return sum(max(place.offset, 0) for place in answer.result(timeout=10.0).topic_partitions or [])


def _wait_for_requests(dsn: str, enough: int, publishing: threading.Thread) -> None:
    """Until there are that many, or no more will come."""
    wait_until(
        lambda: not publishing.is_alive() or len(_requested(dsn)) >= enough, timeout_s=30.0, what=f"{enough} requests"
    )


def test_each_approval_is_requested_once_however_often_the_subscriber_is_killed(
    kafka: KafkaService, database: str, topic: str
) -> None:
    kafka.create_topic(topic, partitions=PARTITIONS)
    announcer = Announcer(kafka.bootstrap_servers, topic, seed=7)
    publishing = threading.Thread(target=announcer.publish, args=(TRANSACTIONS, 0.1), daemon=True)
    publishing.start()
    moments = random.Random(11)
    for _ in range(KILLS):
        enough = len(_requested(database)) + moments.randint(1, 25)
        with _subscriber(kafka, topic, database) as subscriber:
            _wait_for_requests(database, enough, publishing)
            time.sleep(moments.uniform(0.0, 0.05))
            assert subscriber.poll() is None
    publishing.join(60.0)
    with _subscriber(kafka, topic, database):
        wait_until(lambda: set(_requested(database)) >= announcer.expected, timeout_s=30.0, what="all requests")
    requested = _requested(database)
    assert announcer.aborted
    assert len(requested) == len(set(requested))
    assert set(requested) == announcer.expected


def test_a_subscriber_killed_with_a_batch_in_hand_loses_nothing(kafka: KafkaService, database: str, topic: str) -> None:
    kafka.create_topic(topic, partitions=PARTITIONS)
    announcer = Announcer(kafka.bootstrap_servers, topic, seed=5)
    with psycopg.connect(database) as blocker, _subscriber(kafka, topic, database):
        wait_until(lambda: _is_there(database), timeout_s=30.0, what="the table is made")
        blocker.execute("lock table approval_request in share mode")
        announcer.publish(10, 0.0)
        wait_until(lambda: _waits_for_a_lock(database), timeout_s=30.0, what="a batch is being stored")
        time.sleep(0.5)  # Time enough to do something else behind the rows' back.
    assert not _rows(database)
    with _subscriber(kafka, topic, database):
        wait_until(lambda: set(_requested(database)) >= announcer.expected, timeout_s=30.0, what="all requests")
    assert set(_requested(database)) == announcer.expected


def _is_there(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        return connection.execute("select to_regclass('approval_request') is not null").fetchone() == (True,)


def _waits_for_a_lock(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        waiting = (
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        return connection.execute(waiting).fetchone() == (1,)


def test_events_that_come_again_change_nothing(kafka: KafkaService, database: str, topic: str) -> None:
    kafka.create_topic(topic, partitions=PARTITIONS)
    announcer = Announcer(kafka.bootstrap_servers, topic, seed=3)
    announcer.publish(10, 0.0)
    with _subscriber(kafka, topic, database):
        wait_until(lambda: set(_requested(database)) >= announcer.expected, timeout_s=30.0, what="all requests")
        wait_until(lambda: _committed(kafka, topic) > 0, timeout_s=30.0, what="offsets are committed")
    before = _rows(database)
    _rewind(kafka, topic)
    assert _committed(kafka, topic) == 0
    with _subscriber(kafka, topic, database):
        wait_until(lambda: _committed(kafka, topic) > 0, timeout_s=30.0, what="the events were read again")
    assert _rows(database) == before
