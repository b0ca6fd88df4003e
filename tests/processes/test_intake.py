"""Records come to a source as the client's own objects, or through compiled code: they are the same records."""

from __future__ import annotations

import ctypes
import random
import time
from collections import defaultdict
from contextlib import closing
from typing import cast

import confluent_kafka.cimpl
import pytest
from confluent_kafka import KafkaError, Producer

from consumer.core.events import ChangeEvent
from consumer.core.records import Batch, LastRecord, Partition, Record, all_headers_of, fingerprint, next_offset_of
from consumer.errors import MalformedRecord, Transient
from consumer.formats.decoder import ChangeDecoder
from consumer.kafka.consumer_errors import Troubles
from consumer.kafka.intake import ClientIntake, NativeIntake, for_intake, reader_of
from consumer.kafka.sorting import Sorting
from consumer.native import envelopes, library
from tests.processes.assigned import PARTITIONS, Assigned
from tests.processes.truth import FIELD, TRACKED, changes
from tests.processes.workers import Deployment
from tests.unit.samples import FakeRecord, batch_of, rules_of, tracker

_NOWHERE: dict[str, object] = {"group.id": "g", "bootstrap.servers": "127.0.0.1:1"}
_OF_NO_BROKER = {-195, -187}
"""librdkafka's `_TRANSPORT` and `_ALL_BROKERS_DOWN`."""

_AT_MS = 1_795_377_835_123

_UNUSUAL: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]] = [
    (b"key", b"value", []),
    (None, b"value", []),
    (b"", b"", []),
    (b"key", None, []),
    (None, None, []),
    (b"\x00\xff", b"\x00" * 9, [("a", b"1"), ("a", b"2"), ("none", None), ("empty", b""), ("\u00e9", b"\xff")]),
    (b"key", b"{" * 900_000, [("a", b"1")]),
]


def _everything(source: Assigned, count: int, timeout_s: float = 20.0) -> list[Record]:
    """So many records, in the order in which they came."""
    found: list[Record] = []
    deadline_s = time.monotonic() + timeout_s
    while len(found) < count and time.monotonic() < deadline_s:
        batch = source.poll(1_000, 4 << 20, 0.1)
        found += batch.records if batch else ()
    return found


def test_it_is_the_compiled_one_that_is_asked_for(deployment: Deployment, native: bool) -> None:
    deployment.create(PARTITIONS)
    with closing(Assigned(deployment, native=native)) as source:
        assert source.intake is (NativeIntake if native else ClientIntake)


def test_a_plugin_of_ones_own_stays_and_a_client_without_ours_is_read_in_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if envelopes is not None:
        assert for_intake({"plugin.library.paths": "one.so"}, native=True) == {
            "plugin.library.paths": f"one.so;{library}"
        }
        assert for_intake({"group.id": "g"}, native=True) == {"group.id": "g", "plugin.library.paths": library}
    assert for_intake({"group.id": "g"}, native=False) == {"group.id": "g"}
    if envelopes is not None:
        # A client that does not call its plugin: nothing is known of it.
        monkeypatch.setattr(envelopes, "open_tap", lambda _client: None)
    assert _heard(_NOWHERE, ClientIntake) == _heard(for_intake(_NOWHERE, native=True), ClientIntake) == _OF_NO_BROKER


def test_what_the_client_says_of_itself_is_heard_before_it_knows_a_broker(native: bool) -> None:
    assert _heard(for_intake(_NOWHERE, native=native), NativeIntake if native else ClientIntake) == _OF_NO_BROKER


def _heard(settings: dict[str, object], by: type) -> set[int]:
    """The codes of what a client says that finds no broker."""
    heard: set[int] = set()

    class Hearing(Troubles):
        def notice(self, error: KafkaError, place: str = "") -> None:
            heard.add(error.code())
            super().notice(error, place)

    troubles = Hearing()
    consumer, intake = reader_of(settings, {}, troubles.notice, Sorting({}, troubles), troubles)
    assert type(intake) is by
    deadline_s = time.monotonic() + 20.0
    while not heard >= _OF_NO_BROKER and time.monotonic() < deadline_s:
        intake.take(1, 1, 0.1, None)
    intake.close()
    consumer.close()
    return heard


def test_partitions_that_are_not_there_are_told_of_where_their_records_would_come(
    deployment: Deployment, native: bool
) -> None:
    deployment.create(PARTITIONS - 1)
    with closing(Assigned(deployment, native=native)) as source:
        source.take_up(deployment.topic)
        with pytest.raises(Transient, match=r"desired partition is not available"):
            _everything(source, 1)


def test_a_batch_is_large_if_it_is_full_by_number_or_by_size_or_of_more_than_come_to_who_keeps_up(
    deployment: Deployment, native: bool
) -> None:
    deployment.create(PARTITIONS)
    producer = deployment.producer()
    for _ in range(4_000):
        producer.produce(deployment.topic, b"v" * 1_000, b"key", 0)
    producer.flush()

    def batches(max_records: int, max_bytes: int) -> list[tuple[int, bool]]:
        told: list[tuple[int, bool]] = []
        with closing(Assigned(deployment, native=native)) as source:
            source.take_up(deployment.topic)
            deadline_s = time.monotonic() + 20.0
            while sum(count for count, _ in told) < 4_000 and time.monotonic() < deadline_s:
                if (batch := source.poll(max_records, max_bytes, 0.1)) is not None:
                    told.append((batch.count, batch.large))
        return told

    for limits, large in (
        ((15_000, 1 << 25), 3_750),
        ((500, 1 << 25), 500),
        ((10, 1 << 25), 10),
        ((15_000, 500_000), 500),
    ):
        came = batches(*limits)
        assert [is_large for _, is_large in came] == [count >= large for count, _ in came]
        assert sum(count for count, _ in came) == 4_000
        assert large > 500 or any(is_large for _, is_large in came)


def test_a_record_is_what_was_produced(deployment: Deployment, native: bool) -> None:
    deployment.create(PARTITIONS)
    producer = deployment.producer()
    for key, value, headers in _UNUSUAL:
        producer.produce(
            deployment.topic,
            value,
            key,
            1,
            timestamp=_AT_MS,
            headers=cast("list[tuple[str, str | bytes | None]]", headers),
        )
    assert producer.flush(30) == 0
    with closing(Assigned(deployment, native=native)) as source:
        source.take_up(deployment.topic)
        records = _everything(source, len(_UNUSUAL))
    assert [(r.topic(), r.partition(), r.offset()) for r in records] == [
        (deployment.topic, 1, offset) for offset in range(len(_UNUSUAL))
    ]
    assert [(r.key(), r.value(), all_headers_of(r)) for r in records] == _UNUSUAL
    assert {r.timestamp() for r in records} == {(1, _AT_MS)}


def test_headers_that_cannot_be_read_are_the_records_fault(deployment: Deployment, native: bool) -> None:
    deployment.create(PARTITIONS)
    producer = deployment.producer()
    producer.produce(deployment.topic, b"good", b"key", 2)
    assert producer.flush(30) == 0
    produce_with_header(deployment, b"\xff\xfe")
    with closing(Assigned(deployment, native=native)) as source:
        source.take_up(deployment.topic)
        good, record = _everything(source, 2)
    for _ in range(100):  # Python calls in other ways what it calls often.
        assert all_headers_of(FakeRecord()) == []
        assert all_headers_of(good) == []
    with pytest.raises(MalformedRecord, match="the name of a header is not UTF-8"):
        all_headers_of(record)
    assert record.value() == b"value"


def produce_with_header(deployment: Deployment, name: bytes) -> None:
    """A record with a header of any name: the client's Python would only write UTF-8."""
    library = ctypes.CDLL(confluent_kafka.cimpl.__file__)
    library.rd_kafka_conf_new.restype = library.rd_kafka_new.restype = ctypes.c_void_p
    conf = ctypes.c_void_p(library.rd_kafka_conf_new())
    servers = deployment.kafka.bootstrap_servers.encode()
    assert library.rd_kafka_conf_set(conf, b"bootstrap.servers", servers, None, ctypes.c_size_t(0)) == 0
    producer = ctypes.c_void_p(library.rd_kafka_new(0, conf, None, ctypes.c_size_t(0)))
    # As RD_KAFKA_VTYPE_* in rdkafka.h: topic, partition, value, flags (copy it), header, end.
    said = (
        1,
        deployment.topic.encode(),
        3,
        2,
        4,
        b"value",
        ctypes.c_size_t(5),
        7,
        2,
        9,
        name,
        b"1",
        ctypes.c_size_t(1),
        0,
    )
    assert library.rd_kafka_producev(producer, *said) == 0
    assert library.rd_kafka_flush(producer, 30_000) == 0
    library.rd_kafka_destroy(producer)


def test_what_is_passed_over_is_counted_and_the_rest_says_the_same(deployment: Deployment, native: bool) -> None:
    stream = changes(3_000)
    deployment.create(PARTITIONS)
    deployment.feed(stream)
    decoder = ChangeDecoder(rules_of(*(tracker(name, FIELD) for name in TRACKED)))
    totals: dict[str, int] = defaultdict(int)
    events: list[ChangeEvent] = []
    ends: dict[Partition, tuple[int, LastRecord]] = {}
    consumed = 0
    with closing(Assigned(deployment, native=native)) as source:
        source.take_up(deployment.topic)
        deadline_s = time.monotonic() + 20.0
        while consumed < len(stream) and time.monotonic() < deadline_s:
            batch = source.poll(400, 4 << 20, 0.1, decoder.sight())
            if batch is None:
                continue
            decoded = decoder.decode(batch)
            events += decoded.events
            for kind, count in decoded.skipped.items():
                totals[kind] += count
            ends |= {key: (span.next_offset, span.last) for key, span in batch.spans.items() if span.last is not None}
            assert (batch.sight is not None) == native
            consumed += batch.count
            source.advance(batch)
    with closing(Assigned(deployment, native=False)) as source:
        source.take_up(deployment.topic)
        records = _everything(source, len(stream))
    whole = decoder.decode(batch_of(*records))
    assert consumed == len(records) == len(stream)
    assert sorted(events, key=lambda e: e.origin) == sorted(whole.events, key=lambda e: e.origin)
    assert totals == whole.skipped
    assert totals["untracked"] + totals["unchanged"] > len(stream) / 3
    last = {Partition(r.topic() or "", r.partition() or 0): r for r in records}
    assert ends == {key: (next_offset_of(record), fingerprint(record)) for key, record in last.items()}


def test_a_partition_goes_on_wherever_it_is_placed_and_leaves_nothing_out(deployment: Deployment, native: bool) -> None:
    deployment.create(PARTITIONS)
    draw = random.Random(7)
    producer = deployment.producer()
    _produce(deployment, producer, 400)
    with closing(Assigned(deployment, native=native)) as source:
        source.take_up(deployment.topic)
        for again in range(60):
            place = draw.randrange(100)
            source.restart()
            source.take_up(deployment.topic, place)
            _produce(deployment, producer, 8)
            found: dict[int, list[int]] = defaultdict(list)
            for record in _everything(source, draw.choice([1, 50, 4 * (100 - place)])):
                found[record.partition() or 0].append(record.offset() or 0)
            assert found
            for offsets in found.values():
                assert offsets == list(range(place, place + len(offsets))), again


def test_a_partition_that_waits_goes_on_at_the_record_it_waits_for(deployment: Deployment, native: bool) -> None:
    deployment.create(PARTITIONS)
    _produce(deployment, deployment.producer(), 400)
    with closing(Assigned(deployment, native=native)) as source:
        source.take_up(deployment.topic)
        for _ in range(3):
            deadline_s = time.monotonic() + 20.0
            while (batch := source.poll(1_000, 4 << 20, 0.1)) is None or not _of(batch, 2):
                assert time.monotonic() < deadline_s
            held = Partition(deployment.topic, 2)
            first = _of(batch, 2)[0]
            rest = source.hold(batch, {held: first + 1})
            assert _of(rest, 2) == [first]
            source.advance(rest)
            assert source.spans[held].stored == first + 1


def test_a_client_that_is_left_behind_is_no_trouble(deployment: Deployment, native: bool) -> None:
    deployment.create(PARTITIONS)
    _produce(deployment, deployment.producer(), 400)
    with closing(Assigned(deployment, native=native)) as source:
        for _ in range(5):
            source.take_up(deployment.topic)
            assert len(_everything(source, 400)) == 400
            source.rejoin()
            source.assign(deployment.topic)


def test_a_path_that_the_client_cannot_take_is_told_and_read_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("", "a;b.so", "\udcff.so"):
        monkeypatch.setattr("consumer.kafka.plugin.library", path)
        assert for_intake({"group.id": "g"}, native=True) == {"group.id": "g"}


def _produce(deployment: Deployment, producer: Producer, count: int) -> None:
    for number in range(count):
        producer.produce(deployment.topic, b"{}", b"{}", number % PARTITIONS)
    assert producer.flush(30) == 0


def _of(batch: Batch, partition: int) -> list[int]:
    return [record.offset() or 0 for record in batch.records if record.partition() == partition]
