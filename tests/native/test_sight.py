"""Batches whose records were looked at as they were consumed: what is decoded, split and held back is the same."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from consumer.core.breaker import Breaker, DeadLetterLimits
from consumer.core.events import Decoded
from consumer.core.records import Batch, Partition, Record, partition_of
from consumer.core.sight import Passed
from consumer.core.trackers import Trackers
from consumer.errors import Fatal, RulesChanged
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.shapes import Options
from consumer.native import Envelopes
from consumer.tracking import Tracking
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
    name: str | None = None
    passed: tuple[int, int] = (0, 0)
    passed_of_all: int = 0


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
            of_all = sum(map(sum, passed.values()))
            name = None if one.headers() else _name_in_usual_key(one.key())
            of_it: dict[str, Any] = {"facts": facts, "name": name, "passed": passed[key], "passed_of_all": of_all}
            kept.append(SeenRecord(**said, table=table, **of_it))
        else:
            passed[key] = Passed(passed[key].untracked + untracked, passed[key].unchanged + unchanged)
    return replace(batch, records=kept, sight=sight, passed={key: some for key, some in passed.items() if any(some)})


def _name_in_usual_key(key: bytes | None) -> str | None:
    usual = re.fullmatch(rb'\{"name":"([\w-]+)"\}', key or b"")
    return None if usual is None else usual[1].decode()


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


def parts_of(batch: Batch, depth: int) -> list[Batch]:
    """A batch cut in half again and again."""
    if depth == 0 or len(batch.records) < 2:
        return [batch]
    return [part for half in batch.halves() for part in parts_of(half, depth - 1)]


@given(STREAMS, st.integers(0, 4))
@settings(max_examples=200)
def test_parts_of_a_batch_count_each_record_once(compiled: Envelopes, kinds: list[tuple[str, int]], depth: int) -> None:
    whole = seen(compiled, a_decoder(), batch_of(*records_of([*kinds, ("change", 0)])))
    parts = parts_of(whole, depth)
    assert sum(part.count for part in parts) == whole.count
    assert all(count >= 0 for part in parts for some in part.passed.values() for count in some)
    gone: Counter[Partition] = Counter()
    number = 0
    for part in parts:
        for at, one in enumerate(part.records):
            of_its_own, of_all = part.passed_before(one)
            assert isinstance(one, SeenRecord)
            assert gone[partition_of(one)] + of_its_own == sum(one.passed)
            assert number + at + of_all == whole.records.index(one) + one.passed_of_all
        gone.update({key: sum(some) for key, some in part.passed.items()})
        number += part.count


@given(
    st.lists(STREAMS, min_size=1, max_size=4), st.integers(0, 2), st.integers(0, 8), st.sampled_from([0.0, 0.3, 0.6])
)
@settings(max_examples=300)
def test_a_flood_of_dead_letters_is_one_whoever_looked(
    compiled: Envelopes, streams: list[list[tuple[str, int]]], depth: int, run: int, ratio: float
) -> None:
    limits = DeadLetterLimits(ratio, 10, run)
    python, native = a_decoder(native=False), a_decoder()
    in_python, in_native = Breaker(limits), Breaker(limits)
    first: Counter[int] = Counter()
    for kinds in streams:
        records = []
        for kind, partition in kinds:
            if kind != "pending":
                records.append(record(KINDS[kind], partition=partition, offset=first[partition]))
                first[partition] += 1
        batch = batch_of(*records)
        begins = {key: min(one.offset() or 0 for one in records if partition_of(one) == key) for key in batch.spans}
        spans = {key: replace(span, stored=begins[key], published=begins[key]) for key, span in batch.spans.items()}
        batch = replace(batch, spans=spans)
        in_python, stopped = _counted(in_python, [batch], python)
        in_native, stopped_too = _counted(in_native, parts_of(seen(compiled, native, batch), depth), native)
        assert stopped == stopped_too
        if stopped:
            return
        assert (in_python.seen, in_python.runs) == (in_native.seen, in_native.runs)


def _counted(breaker: Breaker, parts: Sequence[Batch], decoder: ChangeDecoder) -> tuple[Breaker, str]:
    for part in parts:
        try:
            breaker = breaker.after(part, decoder.decode(part).poison)
        except Fatal as error:
            return breaker, str(error)
    return breaker, ""


@given(STREAMS)
@settings(max_examples=200)
def test_where_partitions_wait_the_same_comes_before(compiled: Envelopes, kinds: list[tuple[str, int]]) -> None:
    plain = batch_of(*records_of(kinds))
    decoder = a_decoder()
    looked_at = seen(compiled, decoder, plain)
    held = decoder.decode(looked_at).held
    before, in_python = looked_at.before(held), plain.before(held)
    assert before.count == in_python.count
    ends = [{key: span.next_offset for key, span in one.spans.items()} for one in (before, in_python)]
    assert ends[0] == ends[1]


@pytest.mark.usefixtures("compiled")
def test_once_trackers_changed_nothing_is_passed_over_until_some_time_after_a_batch_was_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 1_000.0
    monkeypatch.setattr("consumer.tracking.time.monotonic", lambda: now_s)
    tracking = Tracking(Trackers("one", (tracker("Task", "status"),)), {}, ChangeDecoder)
    assert tracking.sight() is not None
    assert tracking.learn("one", "[]")
    assert tracking.sight() is not None
    assert tracking.learn("two", '[{"name":"t","document_type":"Task","track_field":"status"}]')
    tracking.began("one", [])
    now_s += 1_000.0
    assert tracking.sight() is None
    tracking.began("two", [])
    now_s += 9.0
    tracking.began("two", [])
    assert tracking.sight() is None
    now_s += 2.0
    assert tracking.sight() is not None


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
