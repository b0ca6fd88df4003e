"""The simulated ERP sends what Debezium sends, the same for a seed, and knows what its records amount to."""

import gzip
from collections import Counter, defaultdict
from pathlib import Path

import msgspec
import pytest

from consumer.captured import CapturedRecord, read_captured
from consumer.demo.envelope import partition_of
from consumer.demo.erp import DEMO_TRACKERS, ENDS_AT_MS, Simulation, WorkingClock, expected_milestones, simulate
from consumer.errors import ConfigError

CAPTURED = Path(__file__).parent / "data" / "frappe-events-stringmode.jsonl.gz"
DAY_MS = 86_400_000


class Source(msgspec.Struct):
    ts_ms: int
    table: str
    snapshot: str | None
    gtid: str | None
    pos: int


class Envelope(msgspec.Struct):
    before: dict[str, object] | None
    after: dict[str, object] | None
    source: Source
    op: str


class Shape(msgspec.Struct):
    before: dict[str, object] | None
    after: dict[str, object] | None
    source: dict[str, object]
    transaction: dict[str, object] | None


@pytest.fixture(scope="module")
def records() -> list[CapturedRecord]:
    return list(simulate())


@pytest.fixture(scope="module")
def captured() -> list[CapturedRecord]:
    return [record for record in read_captured(CAPTURED) if record.topic == "document-changes"]


def header_names(record: CapturedRecord) -> tuple[str, ...]:
    return tuple(name for name, _ in record.headers)


def envelopes(records: list[CapturedRecord]) -> list[tuple[CapturedRecord, Envelope]]:
    decoded = []
    for record in records:
        if record.value is None:
            continue
        try:
            decoded.append((record, msgspec.json.decode(record.value, type=Envelope)))
        except msgspec.DecodeError:
            continue
    return decoded


def shapes(records: list[CapturedRecord]) -> dict[str, set[tuple[object, ...]]]:
    """By op: the keys of record key, envelope, source and transaction in their order, which image is null, headers."""
    found: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    for record, envelope in envelopes(records):
        assert record.key is not None
        assert record.value is not None
        shape = msgspec.json.decode(record.value, type=Shape)
        found[envelope.op].add(
            (
                tuple(msgspec.json.decode(record.key)),
                tuple(msgspec.json.decode(record.value)),
                tuple(shape.source),
                tuple(shape.transaction or ()),
                (envelope.before is None, envelope.after is None),
                header_names(record),
            )
        )
    return found


def milestones_by_tracker(records: list[CapturedRecord]) -> Counter[str]:
    """What the records amount to by the rule of the captured streams' README, applied in the most obvious way."""
    reached: Counter[str] = Counter()
    seen = set()
    for record, envelope in envelopes(records):
        if record.value in seen or envelope.op not in ("c", "u") or "__debezium.oldkey" in header_names(record):
            continue
        seen.add(record.value)
        for tracker in DEMO_TRACKERS:
            field = tracker["track_field"]
            value = (envelope.after or {}).get(field)
            if envelope.source.table != f"tab{tracker['document_type']}" or not value:
                continue
            if value != (envelope.before or {}).get(field) and value in tracker.get("values", [value]):
                reached[f"{tracker['document_type']}-{field}"] += 1
    return reached


def test_the_same_seed_gives_the_same_records_and_another_seed_others() -> None:
    assert list(simulate(seed=3, documents=60)) == list(simulate(seed=3, documents=60))
    assert list(simulate(seed=3, documents=60)) != list(simulate(seed=4, documents=60))


def test_the_default_run_has_the_size_of_a_demo(records: list[CapturedRecord]) -> None:
    assert 20_000 <= len(records) <= 30_000
    orders = [len(record.value or b"") for record, envelope in envelopes(records) if "Sales" in envelope.source.table]
    assert 1_500 <= sum(orders) / len(orders) <= 2_100


def test_offsets_count_from_zero_in_each_partition_and_a_key_stays_in_its_partition(
    records: list[CapturedRecord],
) -> None:
    partition_of_key: dict[bytes | None, int] = {}
    next_offset: Counter[int] = Counter()
    for record in records:
        assert record.offset == next_offset[record.partition]
        next_offset[record.partition] += 1
        assert partition_of_key.setdefault(record.key, record.partition) == record.partition
    assert set(next_offset) == {0, 1, 2, 3}


def test_keys_go_to_the_partitions_of_the_java_producer(captured: list[CapturedRecord]) -> None:
    assert all(partition_of(record.key or b"", 6) == record.partition for record in captured)


def test_each_op_has_the_shape_that_was_captured(records: list[CapturedRecord], captured: list[CapturedRecord]) -> None:
    simulated, real = shapes(records), shapes(captured)
    assert set(simulated) == {"r", "c", "u", "d", "x"}
    for op in ("r", "c", "u", "d"):
        assert simulated[op] == real[op]


def test_rows_of_a_type_always_have_the_same_columns(records: list[CapturedRecord]) -> None:
    columns = defaultdict(set)
    for _, envelope in envelopes(records):
        for row in (envelope.before, envelope.after):
            if row is not None:
                columns[envelope.source.table].add(tuple(row))
    assert set(columns) == {f"tab{name}" for name in ("Sales Order", "Task", "Project", "Issue", "Version", "Comment")}
    assert all(len(shape) == 1 for shape in columns.values())


def test_snapshot_reads_come_first_and_have_no_gtid(records: list[CapturedRecord]) -> None:
    ops = ["r" if envelope.source.snapshot else envelope.op for _, envelope in envelopes(records)]
    reads = ops.index("c" if ops.index("c") < ops.index("u") else "u")
    assert reads > 100
    assert "r" in ops[:reads]
    assert all(envelope.source.gtid is None for _, envelope in envelopes(records) if envelope.op == "r")


def test_exactly_two_records_are_poison(records: list[CapturedRecord]) -> None:
    values = [record.value for record in records if record.value is not None]
    assert len(values) - len(envelopes(records)) == 1
    assert sum(envelope.op not in ("c", "u", "d", "r") for _, envelope in envelopes(records)) == 1


def test_about_two_percent_are_delivered_again_byte_for_byte(records: list[CapturedRecord]) -> None:
    deliveries = Counter((record.key, record.value, record.headers) for record in records if record.value is not None)
    again = deliveries.total() - len(deliveries)
    assert 0.01 * len(records) < again < 0.03 * len(records)


def test_a_change_that_is_not_a_redelivery_has_an_identity_of_its_own(records: list[CapturedRecord]) -> None:
    changes = defaultdict(set)
    for record, envelope in envelopes(records):
        source = envelope.source
        if source.gtid is not None:
            changes[record.key, source.gtid, source.pos].add(record.value)
    assert all(len(values) == 1 for values in changes.values())


def test_a_rename_is_a_delete_with_the_new_key_a_tombstone_and_a_create_with_the_old_key() -> None:
    simulation = Simulation()
    old_name, new_name = simulation.story
    records = list(simulation.records())
    halves = [record for record in records if {"__debezium.newkey", "__debezium.oldkey"} & set(header_names(record))]
    story = [record for record in halves if old_name.encode() in dict(record.headers).get("__debezium.oldkey", b"")]
    assert len({record.key for record in halves}) >= 6
    assert story[0].key is not None
    assert new_name.encode() in story[0].key
    at = halves.index(story[0])
    delete, tombstone = halves[at - 2 : at]
    assert header_names(delete)[0] == header_names(tombstone)[0] == "__debezium.newkey"
    assert (delete.value is None, tombstone.value is None) == (False, True)


def test_both_halves_of_a_rename_come_from_one_event_of_the_binary_log(records: list[CapturedRecord]) -> None:
    position: dict[bool, list[tuple[str | None, int]]] = {True: [], False: []}
    for record, envelope in envelopes(records):
        for half in {"__debezium.newkey", "__debezium.oldkey"} & set(header_names(record)):
            position[half == "__debezium.newkey"].append((envelope.source.gtid, envelope.source.pos))
    assert len(set(position[True])) > 3
    assert set(position[True]) == set(position[False])


def test_each_deleted_document_leaves_a_tombstone(records: list[CapturedRecord]) -> None:
    deleted = {record.key for record, envelope in envelopes(records) if envelope.op == "d"}
    assert len(deleted) > 50
    assert deleted == {record.key for record in records if record.value is None}


@pytest.mark.parametrize(("seed", "documents"), [(7, 2_000), (1, 300), (2, 4)])
def test_the_expected_milestones_are_those_that_the_records_amount_to(seed: int, documents: int) -> None:
    reached = milestones_by_tracker(list(simulate(seed, documents)))
    expected = expected_milestones(seed, documents)
    assert {name: reached[name] for name in expected} == expected
    assert set(reached) <= set(expected)
    assert set(expected) == {f"{tracker['document_type']}-{tracker['track_field']}" for tracker in DEMO_TRACKERS}


def test_orders_wait_longest_to_be_billed(records: list[CapturedRecord]) -> None:
    since: dict[object, int] = {}
    stayed: dict[tuple[str, object], list[int]] = defaultdict(list)
    for _, envelope in envelopes(records):
        before, after, at_ms = envelope.before, envelope.after, envelope.source.ts_ms
        if after is None or "status" not in after or (before or {}).get("status") == after["status"]:
            continue
        entered_ms = since.get(after["name"])
        since[after["name"]] = max(at_ms, entered_ms or 0)
        if before is not None and entered_ms is not None and entered_ms < at_ms:
            stayed[envelope.source.table, before["status"]].append(at_ms - entered_ms)
    mean_ms = {stage: sum(times) / len(times) for stage, times in stayed.items()}
    longest, second = sorted(mean_ms, key=lambda stage: mean_ms[stage], reverse=True)[:2]
    assert longest == ("tabSales Order", "To Bill")
    assert mean_ms[longest] > 1.5 * mean_ms[second]


def test_time_runs_over_twelve_weeks_of_working_hours_and_ends_when_asked() -> None:
    ends_at_ms = ENDS_AT_MS + 3 * DAY_MS + 12_345
    times_ms = [
        envelope.source.ts_ms
        for _, envelope in envelopes(list(Simulation(documents=200).records(ends_at_ms=ends_at_ms)))
    ]
    assert ends_at_ms - 85 * DAY_MS < min(times_ms)
    assert ends_at_ms - 7 * DAY_MS < max(times_ms) < ends_at_ms
    assert {(at_ms // DAY_MS + 3) % 7 for at_ms in times_ms} == {0, 1, 2, 3, 4}
    assert WorkingClock(ENDS_AT_MS).at_ms(9.0) - WorkingClock(ENDS_AT_MS).at_ms(0.0) == DAY_MS


def test_a_captured_file_is_read_byte_for_byte(tmp_path: Path) -> None:
    line = (
        '{"topic":"t","partition":1,"offset":2,"key":{"name":"\\uD83D\\uDE00"},"value":{"n":1e400,"d":1.50},'
        '"headers":[["h","{\\"name\\":\\"X\\"}"]],"timestamp":3}\n\n'
        '{"topic":"t","partition":1,"offset":3,"key":null,"value":null,"headers":[],"timestamp":4}\n'
    )
    plain, packed = tmp_path / "records.jsonl", tmp_path / "records.jsonl.gz"
    plain.write_text(line)
    packed.write_bytes(gzip.compress(line.encode()))
    first = CapturedRecord(
        "t", 1, 2, b'{"name":"\\uD83D\\uDE00"}', b'{"n":1e400,"d":1.50}', (("h", b'{"name":"X"}'),), 3
    )
    assert list(read_captured(plain)) == [first, CapturedRecord("t", 1, 3, None, None, (), 4)]
    assert list(read_captured(packed)) == list(read_captured(plain))


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('{"topic":"t","partition":', "line 2: is not JSON"),
        ("[1, 2]", "line 2: is not a captured record: Expected `object`"),
        ('{"topic":"t","partition":0,"offset":0,"key":null,"timestamp":1}', "missing required field `value`"),
        ('{"topic":"t","partition":-1,"offset":0,"key":null,"value":null,"timestamp":1}', "partition"),
        ('{"topic":"t","partition":0,"offset":0,"key":null,"value":null,"headers":[["a",1]],"timestamp":1}', "headers"),
    ],
)
def test_a_bad_line_is_named_with_what_is_wrong_and_the_way_out(tmp_path: Path, line: str, wrong: str) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text('{"topic":"t","partition":0,"offset":0,"key":null,"value":null,"timestamp":1}\n' + line + "\n")
    with pytest.raises(ConfigError) as caught:
        list(read_captured(file))
    message = str(caught.value)
    assert f"{file}, line 2" in message
    assert wrong in message
    assert "correct or remove this line" in message


def test_a_file_that_is_missing_or_not_gzip_is_a_config_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(b"not gzip")
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(CAPTURED.read_bytes()[:5_000])
    for file, wrong in ((tmp_path / "missing.jsonl", "does not exist"), (broken, "be read"), (cut, "be read")):
        with pytest.raises(ConfigError, match=wrong):
            list(read_captured(file))
