"""Records that can never be evaluated: each is a dead letter and holds up nobody (faults 31–38)."""

import random

import pytest

from consumer.core.records import DeadLetter, Origin
from consumer.core.trackers import DocumentType
from consumer.core.values import Encoding
from consumer.formats.decoder import ChangeDecoder
from tests.unit.samples import AT_MS, TOPIC, TOPIC_ID, FakeRecord, batch_of, record, rules_of, tracker

COLUMNS = {"amount": Encoding("decimal"), "due": Encoding("date"), "raw": Encoding("decimal", 2)}
FIELDS = ("status", "amount", "due", "raw")
RULES = rules_of(
    *(tracker(track_field=name) for name in FIELDS),
    documents={"Sales Order": DocumentType("Sales Order", columns=COLUMNS)},
)

DEEP = b"[" * 200_000 + b"]" * 200_000
KEY = b'{"name":"SO-1"}'


def row(status: bytes = b'"Won"', **columns: bytes) -> bytes:
    """An `after` row as JSON text."""
    pairs = b"".join(b',"%s":%s' % (name.encode(), value) for name, value in columns.items())
    return b'{"status":' + status + pairs + b"}"


def change(after: bytes, op: bytes = b'"c"', source: bytes = b'{"table":"tabSales Order","ts_ms":%d}' % AT_MS) -> bytes:
    """An envelope as JSON text."""
    return b'{"before":null,"after":' + after + b',"source":' + source + b',"op":' + op + b"}"


POISON: dict[str, tuple[bytes, bytes | None, str, str | None, str]] = {
    # value, key, error class, field, what the reason says
    "not JSON": (b"{", KEY, "MalformedRecord", None, "not JSON"),
    "an empty value": (b"", KEY, "MalformedRecord", None, "empty value"),
    "a byte order mark": (b"\xef\xbb\xbf" + change(row()), KEY, "MalformedRecord", None, "not JSON"),
    "not UTF-8": (change(row(b'"\xff"')), KEY, "MalformedRecord", None, "not UTF-8: byte"),
    "UTF-16 surrogates as UTF-8": (change(row(b'"\xed\xa0\x80"')), KEY, "MalformedRecord", None, "not UTF-8"),
    "a lone surrogate": (change(row(rb'"\ud800"')), KEY, "MalformedRecord", None, "hex escape"),
    "a text of another form": (b"hello", KEY, "MalformedRecord", None, "not JSON"),
    "a bare number": (b"1", KEY, "MalformedRecord", None, "not a change event"),
    "an array": (b"[]", KEY, "MalformedRecord", None, "not a change event"),
    "an empty object": (b"{}", KEY, "MalformedRecord", "op", "it has no `op`"),
    "an unreadable schema": (b'{"schema":7,"payload":{}}', KEY, "MalformedRecord", "op", "no Debezium envelope"),
    "nested too deep": (change(row(untracked=DEEP)), KEY, "MalformedRecord", None, "nested too deep"),
    "a key nested too deep": (change(row()), DEEP, "MalformedRecord", "key", "the key is not valid JSON"),
    "trailing bytes": (change(row()) + b"}", KEY, "MalformedRecord", None, "not JSON"),
    "NaN": (change(row(amount=b"NaN")), KEY, "MalformedRecord", None, "not JSON"),
    "Infinity": (change(row(amount=b"-Infinity")), KEY, "MalformedRecord", None, "not JSON"),
    "an unknown op": (change(row(), op=b'"x"'), KEY, "UnknownOperation", "op", "none of c, u, d, r, t, m"),
    "an op that is no text": (change(row(), op=b"1"), KEY, "MalformedRecord", "op", "not a Debezium envelope"),
    "no after": (change(b"null"), KEY, "MalformedRecord", "after", "op c without `after`"),
    "a row that is no object": (change(b"[]"), KEY, "MalformedRecord", None, "a row cannot be read"),
    "a NUL in a value": (change(row(rb'"a\u0000b"')), KEY, "BadValue", "status", "NUL"),
    "a NUL in the key": (change(row()), rb'{"name":"a\u0000b"}', "BadValue", "key", "NUL"),
    "a NUL in a bare key": (change(row()), b"a\x00b", "BadValue", "key", "NUL"),
    "5,000 digits": (change(row(b"9" * 5_000)), KEY, "BadValue", "status", "more than 1,000 digits"),
    "5,000 digits as text": (change(row(amount=b'"%s"' % (b"9" * 5_000))), KEY, "BadValue", "amount", "1,000 digits"),
    "an exponent beyond all": (change(row(b"1e99999999999999999999")), KEY, "BadValue", "status", "1,000 digits"),
    "an exponent that fills memory": (change(row(due=b"1e999999999")), KEY, "BadValue", "due", "'date'"),
    "no number": (change(row(amount=b'"much"')), KEY, "BadValue", "amount", "a text is not a value"),
    "no decimal object": (change(row(amount=b'{"a":1}')), KEY, "BadValue", "amount", "an object is not a value"),
    "no base64": (change(row(raw=b'"1.50"')), KEY, "BadValue", "raw", "a text is not a value of encoding 'decimal'"),
    "no day": (change(row(due=b"99999999999")), KEY, "BadValue", "due", "a number is not a value of encoding 'date'"),
    "a part of a day": (change(row(due=b"1.5")), KEY, "BadValue", "due", "'date'"),
    "no key": (change(row()), None, "MissingKey", None, "the record has no key"),
    "an empty key": (change(row()), b"", "MissingKey", None, "the record has no key"),
    "a key without columns": (change(row()), b"{}", "MissingKey", None, "lacks a column"),
    "an empty name": (change(row()), b'{"name":""}', "MissingKey", None, "or it is empty"),
    "a key of null": (change(row()), b"null", "MissingKey", None, "or it is empty"),
    "a key cut short": (change(row()), b'{"name":', "MalformedRecord", "key", "the key is not valid JSON"),
    "a key that is no text": (change(row()), b"\xff\xfe", "MalformedRecord", "key", "neither JSON nor UTF-8"),
    "a name too long": (change(row()), b'"%s"' % ("é" * 501).encode(), "BadValue", "key", "longer than 1,000 bytes"),
    "before 1970": (
        change(row(), source=b'{"table":"tabSales Order","ts_ms":-1}'), KEY, "BadValue", "source.ts_ms", "before 1970",
    ),
    "after 2199": (
        change(row(), source=b'{"table":"tabSales Order","ts_ms":7258118400000}'),
        KEY, "BadValue", "source.ts_ms", "after 2199",
    ),
    "a time beyond 64 bits": (
        change(row(), source=b'{"table":"tabSales Order","ts_ms":1e30}'),
        KEY, "MalformedRecord", "source.ts_ms", "not a Debezium envelope",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", POISON)
def test_a_bad_record_is_a_dead_letter_with_reason_and_field(kind: str) -> None:
    value, key, error_class, field, reason = POISON[kind]
    bad = FakeRecord(at=7, with_key=key, with_value=value)
    decoded = ChangeDecoder(RULES).decode(batch_of(bad))
    assert (list(decoded.events), decoded.skipped) == ([], {})
    [letter] = decoded.poison
    assert (letter.error_class, letter.field) == (error_class, field)
    assert (letter.origin, letter.topic) == (Origin(TOPIC_ID, 0, 7), TOPIC)
    assert reason in letter.message
    assert "9" * 50 not in letter.message


@pytest.mark.parametrize("header", [b"{", b"{}", b'{"name":null}', rb'{"name":"\u0000"}'])
def test_a_rename_whose_other_name_cannot_be_read_is_a_dead_letter(header: bytes) -> None:
    half = record(change(row()), headers=[("__debezium.oldkey", header)])
    assert len(ChangeDecoder(RULES).decode(batch_of(half)).poison) == 1


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (row(b"1e400"), "1" + "0" * 400),
        (row(b"123456789012345678901234567890"), "123456789012345678901234567890"),
        (row(b'"a","status":"b"'), "b"),
        (row(rb'"\ud83d\ude00"'), "😀"),
        (row(b'"a"', body=b'"%s"' % (b"x" * 10_000_000)), "a"),
        (row(b'"a"', untracked=rb'"\u0000"', other=b"9" * 5_000), "a"),
        (row(b"[" * 200 + b"]" * 200), "[" * 200 + "]" * 200),
    ],
    ids=["1e400", "30 digits", "the last of two", "a pair of surrogates", "10 MB", "untracked columns", "200 deep"],
)
def test_what_is_odd_but_has_a_value_is_no_poison(after: bytes, expected: str) -> None:
    decoded = ChangeDecoder(RULES).decode(batch_of(record(change(after))))
    assert decoded.poison == []
    values = {field.track_field: field.after for field in decoded.events[0].fields}
    assert values["status"] == expected


def test_one_poison_record_among_many_holds_up_nobody() -> None:
    places = dict(zip(random.Random(3).sample(range(2_000), len(POISON)), POISON, strict=True))
    records: list[FakeRecord] = []
    for offset in range(2_000):
        value, key = POISON[places[offset]][:2] if offset in places else (change(row()), KEY)
        records.append(FakeRecord(at=offset, with_key=key, with_value=value))
    decoded = ChangeDecoder(RULES).decode(batch_of(*records))
    assert [letter.origin.offset for letter in decoded.poison] == sorted(places)
    assert len(decoded.events) == 2_000 - len(POISON)


def test_the_same_poison_gives_the_same_verdict_every_time() -> None:
    records = [FakeRecord(at=n, with_key=key, with_value=value) for n, (value, key, *_) in enumerate(POISON.values())]
    verdicts: list[list[DeadLetter]] = [list(ChangeDecoder(RULES).decode(batch_of(*records)).poison) for _ in range(2)]
    assert verdicts[0] == verdicts[1]
