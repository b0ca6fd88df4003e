"""Fills a topic with Debezium MariaDB JSON for `make bench`, and knows how many milestones it amounts to.

Envelopes of 1.9 KB, eight document types of which three are tracked, 10 % of all records a milestone: the job of
`shared/bench/gen.py`. Unlike there, each record is a change of its own (gtid, position, time), and `before` is what the
document's last record left behind, so that nothing is a duplicate.
"""

import random
import time
from collections.abc import Iterator
from typing import Final
from zlib import crc32

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

DOCUMENT_TYPES: Final = (
    "Sales Order",
    "Task",
    "Project",
    "Purchase Order",
    "Issue",
    "Lead",
    "Delivery Note",
    "Sales Invoice",
)
TRACKED: Final = DOCUMENT_TYPES[:3]
TRACK_FIELD: Final = "status"
STATUSES: Final = ("Draft", "Open", "Working", "Pending Review", "Overdue", "Completed", "Cancelled")

_DOCUMENTS_A_TYPE: Final = 200_000
VARIANTS: Final = 500
_STARTED_AT_MS: Final = 1_763_800_000_000
_SEED: Final = 7
_PRODUCER: Final[dict[str, str | int | float | bool]] = {
    "enable.idempotence": True,
    "delivery.report.only.error": True,
    "compression.type": "lz4",
    "log_level": 0,
}


class Expected(msgspec.Struct, frozen=True):
    """What a filled topic holds: `next_offsets` are its ends by partition."""

    records: int
    milestones: int
    next_offsets: dict[int, int]


class Change(msgspec.Struct, frozen=True, gc=False):
    """One change of one document, `number` counted from 0 over the stream; statuses are places in STATUSES."""

    number: int
    type_at: int
    document: int
    before: int
    after: int
    partition: int

    @property
    def is_milestone(self) -> bool:
        """Whether a tracker on the status of this document type records it."""
        return self.before != self.after and self.type_at < len(TRACKED)


class Mix(msgspec.Struct, frozen=True):
    """What a stream consists of: the shares of all records that are of tracked types, and that are milestones."""

    tracked: float = len(TRACKED) / len(DOCUMENT_TYPES)
    milestones: float = 0.1

    @property
    def changed(self) -> float:
        """The share of the records of any one type whose status changes."""
        return self.milestones / self.tracked


PLAIN: Final = Mix()
MILESTONES: Final = Mix(tracked=1.0, milestones=1.0)


def changes(records: int, partitions: int, mix: Mix = PLAIN, seed: int = _SEED) -> Iterator[Change]:
    """Yield the changes of a stream, the same for the same arguments."""
    draw = random.Random(seed).random
    changed_share, others = mix.changed, len(DOCUMENT_TYPES) - len(TRACKED)
    status_of = [bytearray(_DOCUMENTS_A_TYPE) for _ in DOCUMENT_TYPES]
    for number in range(records):
        is_tracked = draw() < mix.tracked
        type_at = int(draw() * len(TRACKED)) if is_tracked else len(TRACKED) + int(draw() * others)
        document = int(draw() * _DOCUMENTS_A_TYPE)
        statuses = status_of[type_at]
        before = after = statuses[document]
        if draw() < changed_share:
            after = statuses[document] = (before + 1 + int(draw() * (len(STATUSES) - 1))) % len(STATUSES)
        partition = crc32(b"%d/%d" % (type_at, document)) % partitions
        yield Change(number, type_at, document, before, after, partition)


def expected_offsets(
    records: int, partitions: int, mix: Mix = PLAIN, types: int = len(TRACKED), *, tells_before: bool = True
) -> dict[int, list[int]]:
    """The offsets of the records that are milestones, by partition, for a topic that `produce` made.

    Args:
        types: how many of the tracked document types are tracked.
        tells_before: whether records say what was there before; if not, the first value of a document is one, too.
    """
    next_offsets = [0] * partitions
    offsets: dict[int, list[int]] = {partition: [] for partition in range(partitions)}
    seen: set[tuple[int, int]] = set()
    for change in changes(records, partitions, mix):
        document = change.type_at, change.document
        is_first = not tells_before and change.type_at < types and document not in seen
        if is_first or (change.is_milestone and change.type_at < types):
            offsets[change.partition].append(next_offsets[change.partition])
            seen.add(document)
        next_offsets[change.partition] += 1
    return offsets


class Templates:
    """Pre-encoded envelopes in which only numbers and statuses are filled in: encoding costs about a microsecond."""

    def __init__(self, run: int = 0) -> None:
        """`run` (0 to 9) sets document names, gtids and positions apart from those of another run."""
        self.run = run
        self.first_document = run * 1_000_000
        self._values = [
            [_template(document_type, variant) for variant in range(VARIANTS)] for document_type in DOCUMENT_TYPES
        ]
        self._keys = [_key_template(document_type) for document_type in DOCUMENT_TYPES]
        self._statuses = [status.encode() for status in STATUSES]

    def key(self, change: Change) -> bytes:
        """The record's key, with the field that ByLogicalTableRouter adds."""
        return self._keys[change.type_at] % (self.first_document + change.document)

    def value(self, change: Change, at_ms: int) -> bytes:
        """The record's value: an update committed at `at_ms` and read 100 ms later."""
        document, statuses = self.first_document + change.document, self._statuses
        return self._values[change.type_at][change.document % VARIANTS] % (
            document,
            at_ms - 86_400_000,
            statuses[change.before],
            document,
            at_ms,
            statuses[change.after],
            at_ms,
            at_ms,
            at_ms,
            self.run,
            change.number,
            self.run + 1,
            change.number * 2_000 + 325,
            at_ms + 100,
            at_ms + 100,
            at_ms + 100,
        )


def produce(
    bootstrap_servers: str,
    topic: str,
    records: int = 1_000_000,
    partitions: int = 4,
    mix: Mix = PLAIN,
    templates: Templates | None = None,
) -> Expected:
    """Create `topic` and fill it; raises KafkaException when it exists already or a record is refused."""
    templates = templates or Templates()
    create_topic(bootstrap_servers, topic, partitions)
    failed: list[KafkaError] = []
    producer = _producer(bootstrap_servers, failed, linger_ms=50)
    milestones, next_offsets = 0, [0] * partitions
    for change in changes(records, partitions, mix):
        value = templates.value(change, _STARTED_AT_MS + change.number)
        _send(producer, topic, change.partition, templates.key(change), value)
        milestones += change.is_milestone
        next_offsets[change.partition] += 1
    _flush(producer, failed)
    return Expected(records, milestones, dict(enumerate(next_offsets)))


def paced(
    bootstrap_servers: str,
    topic: str,
    rate_per_s: float,
    seconds: float,
    mix: Mix = MILESTONES,
    partitions: int = 4,
    run: int = 1,
) -> Expected:
    """Send so many records a second to an existing topic; source.ts_ms and the record's time are when it was sent.

    `next_offsets` counts from the ends that the topic had. For a second call on one topic give another `run` (1 to 9).
    """
    failed: list[KafkaError] = []
    producer = _producer(bootstrap_servers, failed, linger_ms=2)
    templates = Templates(run)
    records = round(rate_per_s * seconds)
    milestones, next_offsets = 0, [0] * partitions
    started_s = time.monotonic()
    for change in changes(records, partitions, mix, seed=run):
        _sleep_until(started_s + change.number / rate_per_s, producer)
        now_ms = time.time_ns() // 1_000_000
        key, value = templates.key(change), templates.value(change, now_ms)
        producer.produce(topic, value, key, change.partition, timestamp=now_ms)
        milestones += change.is_milestone
        next_offsets[change.partition] += 1
    _flush(producer, failed)
    return Expected(records, milestones, dict(enumerate(next_offsets)))


def create_topic(bootstrap_servers: str, topic: str, partitions: int) -> None:
    """Create a topic whose records stay, old as their times are; raises KafkaException if it is there already."""
    config = {"retention.ms": "-1"}
    new_topic = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=config)
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})  # a name, or it is gone before the broker's answer
    admin.create_topics([new_topic])[topic].result(30)


def _producer(bootstrap_servers: str, failed: list[KafkaError], linger_ms: int) -> Producer:
    def note_failure(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failed.append(error)

    return Producer(
        {
            **_PRODUCER,
            "bootstrap.servers": bootstrap_servers,
            "linger.ms": linger_ms,
            "batch.size": 1 << 20,
            "queue.buffering.max.messages": 100_000,
            "queue.buffering.max.kbytes": 262_144,
            "on_delivery": note_failure,
        }
    )


def _send(producer: Producer, topic: str, partition: int, key: bytes, value: bytes) -> None:
    while True:
        try:
            return producer.produce(topic, value, key, partition)
        except BufferError:
            producer.poll(0.05)


def _flush(producer: Producer, failed: list[KafkaError]) -> None:
    left = producer.flush(60)
    if failed:
        raise KafkaException(failed[0])
    if left:
        raise TimeoutError(f"{left} records were not delivered within a minute")


def _sleep_until(due_s: float, producer: Producer) -> None:
    producer.poll(0)
    if (ahead_s := due_s - time.monotonic()) > 0:
        time.sleep(ahead_s)


def _key_template(document_type: str) -> bytes:
    table = f"tab{document_type}".replace(" ", "_")
    return f'{{"name":"{_name(document_type)}","__dbz__physicalTableIdentifier":"erp.erp.{table}"}}'.encode()


def _name(document_type: str) -> str:
    return f"{document_type[:3].upper()}-2026-%07d"


def _template(document_type: str, variant: int) -> bytes:
    before, after = row_template(document_type, variant), row_template(document_type, variant)
    envelope = f'{{"before":{before},"after":{after},"source":{_source(document_type)},"transaction":null,"op":"u",'
    return (envelope + '"ts_ms":%d,"ts_us":%d000,"ts_ns":%d000000}').encode()


def row_template(document_type: str, variant: int) -> str:
    """A row in which document, time of change and status are to be filled in."""
    columns: dict[str, object] = {
        "owner": "jane@example.com",
        "docstatus": 1,
        "idx": 0,
        "customer": f"CUST-{variant * 7:05d}",
        "company": "Acme Inc",
        "currency": "EUR",
        "grand_total": f"{variant * 13 % 9999}.{variant % 100:02d}0000000",
        "conversion_rate": "1.000000000",
        "territory": "Germany",
        **dict.fromkeys(("_user_tags", "_comments", "_assign", "_liked_by")),
    }
    for at in range(12):
        columns[f"custom_field_{at}"] = f"value {variant * at * 31 % 1000}" if at % 3 else None
    fixed = msgspec.json.encode(columns).decode().removeprefix("{")
    name = _name(document_type)
    return (
        f'{{"name":"{name}","creation":1763800000000000,"modified":%d000,"modified_by":"Administrator",'
        f'"status":"%b",{fixed}'
    )


def _source(document_type: str) -> str:
    return (
        '{"version":"3.6.3.Final","connector":"mariadb","name":"erp","ts_ms":%d,"snapshot":"false","db":"erp",'
        '"sequence":null,"ts_us":%d000,"ts_ns":%d000000,'
        f'"table":"tab{document_type}",'
        '"server_id":1,"gtid":"%d-1-%d","file":"binlog.%06d","pos":%d,"row":0,"thread":12,"query":null}'
    )
