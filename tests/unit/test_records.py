"""Spans, batches, halves, and the dead letter of a record."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.dead_letters import dead_letter_event
from consumer.core.records import Batch, DeadLetter, LastRecord, Origin, Partition, Span, fingerprint
from consumer.errors import BadValue, MalformedRecord, MissingKey, Poison, RefusedByDatabase, UnknownOperation
from tests.unit.samples import AT_MS, TOPIC, TOPIC_ID, FakeRecord, batch_of, record

ZERO, ONE = Partition(TOPIC, 0), Partition(TOPIC, 1)


def test_a_span_never_moves_a_watermark_down() -> None:
    span = Span("t", "id", 0, stored=50, published=20, next_offset=30)
    assert (span.stored_after, span.published_after) == (50, 30)
    assert span.stored_before == range(20, 30)


def test_what_was_not_stored_before_is_not_looked_up() -> None:
    assert not Span("t", "id", 0, stored=20, published=20, next_offset=30).stored_before
    assert not Span("t", "id", 0, stored=20, published=50, next_offset=30).stored_before
    assert Span("t", "id", 0, stored=25, published=20, next_offset=30).stored_before == range(20, 25)


def test_spans_are_stored_and_published_only_where_they_move() -> None:
    again = batch_of(record(offset=9), stored=50, published=5)
    assert (list(again.to_store()), list(again.to_publish())) == ([], [ZERO])
    restored = batch_of(record(offset=9), stored=5, published=50)
    assert (list(restored.to_store()), list(restored.to_publish())) == ([ZERO], [])


def test_records_below_stored_have_their_verdict() -> None:
    batch = batch_of(*(record(offset=n) for n in range(6)), stored=4, published=0)
    assert [r.offset() for r in batch.unevaluated()] == [4, 5]
    refused = DeadLetter(Origin(TOPIC_ID, 0, 5), TOPIC, "RefusedByDatabase", "no")
    assert msgspec.structs.replace(batch, refused=(refused,)).unevaluated() == ()


def test_records_are_found_by_origin() -> None:
    records = [record(offset=1), record(offset=2), record(partition=1, offset=2)]
    batch = batch_of(*records)
    wanted = {Origin(TOPIC_ID, 1, 2), Origin(TOPIC_ID, 0, 1), Origin("other", 0, 2), Origin(TOPIC_ID, 0, 77)}
    assert batch.records_at(wanted) == {Origin(TOPIC_ID, 1, 2): records[2], Origin(TOPIC_ID, 0, 1): records[0]}


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Two to thirty records of up to three partitions, with gaps as compaction and transactions leave them."""
    ends = [draw(st.integers(0, 9)) for _ in range(3)]
    records = []
    for partition in draw(st.lists(st.integers(0, 2), min_size=2, max_size=30)):
        offset = ends[partition] + draw(st.integers(0, 2))
        records.append(record(b"{}", partition=partition, offset=offset))
        ends[partition] = offset + 1
    batch = batch_of(*records)
    spans = {
        key: msgspec.structs.replace(
            span, stored=draw(st.integers(0, 20)), published=draw(st.integers(0, 20)),
            next_offset=span.next_offset + draw(st.integers(0, 3)),
        )
        for key, span in batch.spans.items()
    }  # fmt: skip
    spans[Partition(TOPIC, 9)] = Span(TOPIC, TOPIC_ID, 9, 5, 5, 8)
    return Batch(records, spans, "metadata")


@given(batches())
def test_two_halves_do_what_the_whole_does(batch: Batch) -> None:
    first, second = batch.halves()
    assert [*first.records, *second.records] == list(batch.records)
    assert first.records
    assert second.records
    assert [*first.unevaluated(), *second.unevaluated()] == list(batch.unevaluated())
    assert first.group == second.group == "metadata"
    for key, span in batch.spans.items():
        early = first.spans.get(key, span)
        late = second.spans[key]
        if key in first.spans:
            assert (early.stored, early.published) == (span.stored, span.published)
            assert (late.stored, late.published) == (early.stored_after, early.published_after)
            assert early.last is not None
        assert (late.stored_after, late.published_after) == (span.stored_after, span.published_after)
        assert late.last == span.last


def test_a_fingerprint_tells_records_apart() -> None:
    some = [
        record(b"{}"), record(b"{ }"), record(None), record(b""), record(b"{}", key=None),
        record(b"{}", key=b'{"name":"SO-2"}'), record(b"{}", offset=1), FakeRecord(with_value=b"{}", at_ms=1),
    ]  # fmt: skip
    assert len({fingerprint(one) for one in some}) == len(some)
    assert fingerprint(record(b"{}", partition=5)) == fingerprint(record(b"{}"))


def test_a_fingerprint_fits_a_bigint_and_stays_what_it_was() -> None:
    assert fingerprint(record(b"{}", offset=7)) == LastRecord(7, AT_MS, 1257120918336865990)


LETTER = DeadLetter(Origin(TOPIC_ID, 2, 7), TOPIC, "BadValue", "a text is not a value", "amount")


def test_a_dead_letter_is_the_record_as_it_came_with_the_reason_behind_its_headers() -> None:
    original = record(b"\xff not json", partition=2, offset=7, headers=[("a", b"1"), ("a", "2"), ("none", None)])
    event = dead_letter_event(LETTER, original)
    assert (event.key, event.value) == (original.key(), b"\xff not json")
    assert event.headers == [
        ("a", b"1"),
        ("a", b"2"),
        ("none", None),
        ("milestones.dead-letter.error.class", b"BadValue"),
        ("milestones.dead-letter.error.message", b"a text is not a value"),
        ("milestones.dead-letter.error.field", b"amount"),
        ("milestones.dead-letter.origin.topic", b"document-changes"),
        ("milestones.dead-letter.origin.topic-id", b"topic-id"),
        ("milestones.dead-letter.origin.partition", b"2"),
        ("milestones.dead-letter.origin.offset", b"7"),
        ("milestones.dead-letter.origin.timestamp", str(AT_MS).encode()),
    ]


def test_a_dead_letter_whose_record_is_gone_says_so() -> None:
    event = dead_letter_event(LETTER, None)
    headers = dict(event.headers)
    assert (event.key, event.value) == (None, None)
    assert headers["milestones.dead-letter.payload"] == b"removed by retention"
    assert "milestones.dead-letter.origin.timestamp" not in headers


@pytest.mark.parametrize("kind", [BadValue, MalformedRecord, MissingKey, RefusedByDatabase, UnknownOperation])
def test_the_verdict_names_class_and_field(kind: type[Poison]) -> None:
    letter = DeadLetter.of(kind("reason", "amount"), Origin("id", 0, 1), "t")
    assert letter == DeadLetter(Origin("id", 0, 1), "t", kind.__name__, "reason", "amount")


def test_a_reason_can_always_be_stored() -> None:
    letter = DeadLetter.of(BadValue("a\x00b\ud800" + "x" * 5_000), Origin("id", 0, 1), "t")
    assert "\x00" not in letter.message
    assert len(letter.message.encode()) <= 1_000
