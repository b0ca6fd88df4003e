"""Batches whose records were looked at as they were consumed: what is decoded, split and held back is the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from consumer.core.events import Decoded
from consumer.core.records import Batch, Passed, Record, partition_of
from consumer.errors import RulesChanged
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.shapes import Options
from consumer.native import Envelopes
from tests.native.samples import envelope
from tests.unit.avro import STATUS_SCHEMA, SchemasById, avro, confluent
from tests.unit.samples import FakeRecord, batch_of, record, rules_of, tracker
from tests.unit.test_avro import WON

RULES = rules_of(tracker("Task", "status"))

KINDS: dict[str, Any] = {
    "untracked": envelope("tabNote"),
    "unchanged": envelope("tabTask"),
    "change": envelope("tabTask", "Open", "Done"),
    "create": envelope("tabTask", op="c", before=None),
    "tombstone": None,
    "damaged": b'{"op":"u",',
    "pending": confluent(5, b"x"),
    "avro": confluent(1, avro(STATUS_SCHEMA, WON)),
}


@dataclass(frozen=True, slots=True)
class SeenRecord(FakeRecord):
    """A record at which a first look was taken, as compiled code makes them."""

    table: int = 0
    facts: Any = None
    passed: tuple[int, int] = (0, 0)


def seen(compiled: Envelopes, decoder: ChangeDecoder, batch: Batch) -> Batch:
    """The same batch as if it had come through compiled code, which passes over all it can."""
    sight = decoder.sight()
    assert sight is not None
    kept: list[Record] = []
    passed: defaultdict[Any, Passed] = defaultdict(Passed)
    for one in batch.records:
        assert isinstance(one, FakeRecord)
        untracked, unchanged, others = compiled.look(sight.plan, sight.programs, [one.value()])
        key = partition_of(one)
        is_stored = one.offset() is not None and (one.offset() or 0) < batch.spans[key].stored
        table = -2 if untracked else -3 if unchanged else others[0][1]
        facts = others[0][2] if others else None
        if others or is_stored:
            said = {field.name: getattr(one, field.name) for field in fields(FakeRecord)}
            kept.append(SeenRecord(**said, table=table, facts=facts, passed=passed[key]))
        else:
            passed[key] = Passed(passed[key].untracked + untracked, passed[key].unchanged + unchanged)
    return replace(batch, records=kept, sight=sight, passed={key: some for key, some in passed.items() if any(some)})


def records_of(kinds: Sequence[tuple[str, int]]) -> list[Record]:
    """Records of these kinds and partitions."""
    ends: defaultdict[int, int] = defaultdict(int)
    made: list[Record] = []
    for kind, partition in kinds:
        made.append(record(KINDS[kind], partition=partition, offset=ends[partition]))
        ends[partition] += 1
    return made


def content(decoded: Decoded) -> tuple[Any, ...]:
    """What counts of it, in any order of partitions."""
    return sorted(decoded.events, key=lambda e: e.origin), decoded.poison, +decoded.skipped, decoded.held


STREAMS = st.lists(st.tuples(st.sampled_from([*KINDS]), st.integers(0, 2)), min_size=1, max_size=30)


def a_decoder(*, native: bool = True) -> ChangeDecoder:
    return ChangeDecoder(RULES, Options(native=native), SchemasById({1: STATUS_SCHEMA}, pending=[5]))


@given(STREAMS, st.integers(0, 5))
@settings(max_examples=300)
def test_what_is_decoded_is_what_python_decodes(compiled: Envelopes, kinds: list[tuple[str, int]], stored: int) -> None:
    batch = batch_of(*records_of(kinds), stored=stored)
    decoder = a_decoder()
    looked_at = seen(compiled, decoder, batch)
    assert looked_at.count == len(batch.records)
    decoded = decoder.decode(looked_at)
    assert content(decoded) == content(a_decoder(native=False).decode(batch))


@given(STREAMS)
@settings(max_examples=200)
def test_the_halves_of_a_batch_come_to_the_whole(compiled: Envelopes, kinds: list[tuple[str, int]]) -> None:
    kinds = [(kind, partition) for kind, partition in kinds if kind != "pending"]
    decoder = a_decoder()
    whole = seen(compiled, decoder, batch_of(*records_of([*kinds, ("change", 0), ("change", 1)])))
    first, second = whole.halves()
    assert first.count + second.count == whole.count
    halves = [decoder.decode(half) for half in (first, second)]
    decoded = decoder.decode(whole)
    assert [*halves[0].events, *halves[1].events] == decoded.events
    assert +(halves[0].skipped + halves[1].skipped) == +decoded.skipped


def test_a_batch_without_records_still_counts(compiled: Envelopes) -> None:
    decoder = a_decoder()
    batch = seen(compiled, decoder, batch_of(*records_of([("untracked", 0), ("unchanged", 1), ("unchanged", 1)])))
    assert (batch.records, batch.count) == ([], 3)
    assert decoder.decode(batch).skipped == {"untracked": 1, "unchanged": 2}


def test_records_that_were_passed_over_for_other_trackers_are_read_again(compiled: Envelopes) -> None:
    batch = seen(compiled, a_decoder(), batch_of(*records_of([("untracked", 0), ("change", 0)])))
    for other in (a_decoder(), a_decoder(native=False)):
        with pytest.raises(RulesChanged):
            other.decode(batch)


def test_what_is_no_envelope_is_not_looked_at_as_it_comes() -> None:
    assert ChangeDecoder(RULES, Options("flattened")).sight() is None  # type: ignore[arg-type]
    assert a_decoder(native=False).sight() is None
