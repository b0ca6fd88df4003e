"""The doctor looks at whatever stands in a topic: each record is told of, and none of them ends the examination."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.diagnosis.examination import sample_findings
from consumer.diagnosis.findings import Finding
from consumer.formats.shapes import Options, Shape
from tests.fuzz.target import OneSchema, seeds
from tests.fuzz.test_mutations import NASTY, events, paths, replaced
from tests.unit.diagnosed import sampled
from tests.unit.samples import FakeRecord, tracker

TRACKERS = [
    tracker(kind, field)
    for kind, field in (
        ("Oracle Ticket", "status"), ("Oracle Payment", "amount"), ("Oracle Task", "due"), ("Sales Order", "status"),
        ("Oracle Full", "body"), ("all_types", "numeric_c"), ("all_types", "json_c"), ("all_types", "datetime_6"),
    )
]  # fmt: skip
KEYS = [
    None,
    b"",
    b'{"id":1}',
    b"null",
    b"[]",
    b"\xff",
    b'{"id":{}}',
    b'"a"',
    b"\x00\x00\x00\x00\x01a",
    b'{"name":"A"}',
]


def examined(*records: FakeRecord, shape: Shape = Shape.AUTO) -> list[Finding]:
    """What is found; every finding can be written as JSON."""
    findings = list(sample_findings(sampled(records, *TRACKERS, options=Options(shape), registry=OneSchema())))
    assert msgspec.json.encode(findings)
    return findings


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_part_of_any_event_may_be_anything(data: st.DataObject) -> None:
    records = []
    for at in range(data.draw(st.integers(1, 3))):
        value: object = data.draw(st.sampled_from(events()))
        for _ in range(data.draw(st.integers(1, 3))):
            path = data.draw(st.sampled_from(sorted(paths(value, 6), key=str)))
            value = replaced(value, path, data.draw(st.sampled_from(NASTY)))
        headers = data.draw(st.sampled_from([[], [("__op", b"u")], [("__debezium.oldkey", b"{}"), ("__table", b"x")]]))
        key = data.draw(st.sampled_from(KEYS))
        records.append(FakeRecord("erp.shop.all_types", 0, at, key, msgspec.json.encode(value), headers))
    assert examined(*records, shape=data.draw(st.sampled_from(list(Shape))))


@given(st.binary(max_size=60), st.sampled_from(KEYS), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_bytes_may_be_a_value(value: bytes, key: bytes | None, in_avro: bool) -> None:
    assert examined(FakeRecord("t", 0, 0, key, b"\x00\x00\x00\x00\x01" + value if in_avro else value, None))


def test_every_seed_of_the_fuzzer_is_examined() -> None:
    for at, seed in enumerate(seeds(6)):
        size = int.from_bytes(seed[1:3], "big")
        assert examined(FakeRecord("erp.shop.all_types", 0, at, seed[3 : 3 + size], seed[3 + size :], None))


def test_what_is_nested_without_end_is_a_dead_letter() -> None:
    deep = b'{"schema":' + b'{"fields":[' * 200_000 + b',"payload":{"op":"u"}}'
    findings = examined(FakeRecord("t", 0, 0, b"1", deep), FakeRecord("t", 0, 1, b"1", b'{"a":' * 200_000))
    assert "dead-letters" in {one.code for one in findings}
