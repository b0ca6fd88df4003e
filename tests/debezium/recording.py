"""Kafka records as files: one JSON object a line, gzip, with the schemas that Avro needs beside them."""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.captured import CapturedRecord
from tests.services import ConnectService, KafkaService
from tests.services.service import wait_until

_DEADLINE_S = 180.0
# Characters of base64 that must be alike before a text is taken for found.
_SEEN = 12

_BEGINS_BYTES = b'{"base64":'


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    topic: str
    partition: int
    offset: int
    key: msgspec.Raw
    value: msgspec.Raw
    headers: list[tuple[str, msgspec.Raw]]
    timestamp: int


class _Bytes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    base64: bytes


def read_recording(path: Path) -> Iterator[CapturedRecord]:
    """The records of a file, in its order: key, value and header values as the bytes that were in Kafka."""
    with gzip.open(path) as lines:
        for text in lines:
            line = msgspec.json.decode(text, type=_Line)
            headers = tuple((name, _header_bytes(value)) for name, value in line.headers)
            yield CapturedRecord(
                line.topic, line.partition, line.offset, _bytes(line.key), _bytes(line.value), headers, line.timestamp
            )


def write_recording(path: Path, records: Iterable[CapturedRecord]) -> None:
    """Write the records to a file; the same records give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = b"".join(msgspec.json.encode(_line(record)) + b"\n" for record in records)
    path.write_bytes(gzip.compress(lines, mtime=0))


def record(kafka: KafkaService, connect: ConnectService, name: str, last: bytes) -> list[CapturedRecord]:
    """All records of this connector's topics, once a value with `last` in it is there; its prefix is its name.

    Raises RuntimeError with the connector's own words if it fails, and TimeoutError.
    """
    records: list[CapturedRecord] = []
    forms = [last, *in_base64(last)]

    def ended() -> bool:
        connect.wait_until_running(name)
        seen = len(records)
        records[:] = _everything(kafka, name)
        # Read twice: what was sent before `last` to another topic may be written after it.
        return len(records) == seen and any(form in (record.value or b"") for record in records for form in forms)

    wait_until(ended, timeout_s=_DEADLINE_S, what=f"{last!r} in a topic of {name}")
    return records


def in_base64(text: bytes) -> Sequence[bytes]:
    """What of this text can be seen wherever it stands in base64 (Avro within JSON is written so).

    Raises ValueError for a text of which so little is seen that it could be seen anywhere.
    """
    # The first and the last characters depend on what stands beside the text.
    forms = [b64encode(b"\0" * before + text)[4:-4] for before in range(3)]
    if min(map(len, forms)) < _SEEN:
        raise ValueError(f"{text!r} is too short to be found in base64")
    return forms


def _everything(kafka: KafkaService, of: str) -> list[CapturedRecord]:
    topics = AdminClient({"bootstrap.servers": kafka.bootstrap_servers}).list_topics(timeout=30.0).topics
    places = [TopicPartition(name, at, 0) for name in topics if of in name.split(".") for at in topics[name].partitions]
    settings = {"bootstrap.servers": kafka.bootstrap_servers, "group.id": "recording"}
    consumer = Consumer({**settings, "enable.partition.eof": "true"})
    try:
        records = list(_read(consumer, places))
    finally:
        consumer.close()
    return sorted(records, key=lambda record: (record.topic, record.partition, record.offset))


def _read(consumer: Consumer, places: Sequence[TopicPartition]) -> Iterator[CapturedRecord]:
    # All at once: an assignment takes most of a second, however small the topic.
    consumer.assign(list(places))
    unread = len(places)
    while unread:
        message = consumer.poll(30.0)
        if message is None:
            raise TimeoutError(f"{unread} of {len(places)} partitions: neither a record nor the end within 30 s")
        if message.error():
            unread -= 1  # The end of a partition, which was asked for.
        else:
            yield _captured(message)


def _captured(message: Message) -> CapturedRecord:
    sent = message.headers() or []
    headers = tuple((name, _as_bytes(value)) for name, value in (sent.items() if isinstance(sent, dict) else sent))
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    key, value = message.key(), message.value()
    return CapturedRecord(
        topic,
        partition,
        offset,
        None if key is None else _as_bytes(key),
        None if value is None else _as_bytes(value),
        headers,
        message.timestamp()[1],
    )


def _as_bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def _line(record: CapturedRecord) -> _Line:
    headers = [(name, _raw(value, _header_text)) for name, value in record.headers]
    key, value = _raw(record.key, _json_text), _raw(record.value, _json_text)
    return _Line(record.topic, record.partition, record.offset, key, value, headers, record.timestamp)


def _raw(value: bytes | None, text_of: Callable[[bytes], bytes | None]) -> msgspec.Raw:
    if value is None:
        return msgspec.Raw(b"null")
    text = text_of(value)
    return msgspec.Raw(msgspec.json.encode(_Bytes(value)) if text is None else text)


def _json_text(value: bytes) -> bytes | None:
    """The value itself if it is JSON on one line and will not be taken for something else; kept digit for digit."""
    try:
        msgspec.json.decode(value, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    ambiguous = value == b"null" or value.startswith(_BEGINS_BYTES) or value.strip() != value
    return None if ambiguous or b"\n" in value else value


def _header_text(value: bytes) -> bytes | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return msgspec.json.encode(text) if text.isprintable() else None


def _bytes(raw: msgspec.Raw) -> bytes | None:
    text = bytes(raw)
    if text == b"null":
        return None
    if text.startswith(_BEGINS_BYTES):
        return msgspec.json.decode(text, type=_Bytes).base64
    return text


def _header_bytes(raw: msgspec.Raw) -> bytes:
    if bytes(raw).startswith(b'"'):
        return msgspec.json.decode(raw, type=str).encode()
    return _bytes(raw) or b""
