"""What fuzzing throws at the decoders, and what must come out: an event, a kind, or a dead letter, within bounds.

An input is one byte that chooses shape and headers, two bytes for the key's length, the key, and the value.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path

import fastavro
import msgspec

from consumer.core.compiled import Rules, compile_rules
from consumer.core.events import Decoded
from consumer.core.matching import match
from consumer.core.trackers import Rule, Tracker, Trackers, field_of_set
from consumer.errors import MalformedRecord
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.shapes import Options, Shape
from consumer.formats.wire import SchemaId
from tests.unit.samples import DATA, REVISION, FakeRecord, batch_of

_SHAPES = tuple(Shape)
_TRACKED = (
    ("Oracle Ticket", "status"), ("Oracle Payment", "amount"), ("Oracle Task", "due"), ("Oracle Meeting", "starts"),
    ("Oracle Full", "body"), ("Oracle Default", "status"), ("all_types", "numeric_c"), ("all_types", "text_a"),
    ("all_types", "json_c"), ("all_types", "interval_c"), ("all_types", "datetime_6"), ("all_types", "bit_8"),
)  # fmt: skip
_SCHEMA = b"""{"type":"record","name":"Envelope","namespace":"f.all_types","fields":[
 {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
  {"name":"id","type":"int"},
  {"name":"numeric_c","type":["null",{"type":"bytes","scale":2,"connect.name":"org.apache.kafka.connect.data.Decimal"}]},
  {"name":"text_a","type":["null",{"type":"array","items":["null","string"]}]},
  {"name":"json_c","type":["null",{"type":"map","values":"string"}]}]}]},
 {"name":"after","type":["null","Value"]},
 {"name":"source","type":{"type":"record","name":"Source","fields":[
  {"name":"ts_ms","type":"long"},{"name":"table","type":"string"},{"name":"lsn","type":["null","long"]}]}},
 {"name":"op","type":"string"}]}"""


class OneSchema:
    """A registry with a schema for every id below 4."""

    def texts(self, schema: SchemaId) -> Sequence[str]:
        """The schema; raises MalformedRecord for other ids."""
        if schema.number > 3:
            raise MalformedRecord(f"the schema registry knows no schema with {schema.kind} {schema.number}")
        return (_SCHEMA.decode(),)


_RULES = (
    Rule(filled=("text_a", "json_c")),
    Rule(when='after.numeric_c > 1 || before.text_a == null || "json_c" in changed || actor == null', at_least="5"),
)


@cache
def _rules() -> Rules:
    trackers = [Tracker(name=f"{kind}-{field}", document_type=kind, track_field=field) for kind, field in _TRACKED]
    for at, rule in enumerate(_RULES):
        field = field_of_set(rule.filled) or "numeric_c"
        trackers.append(Tracker(name=f"rule {at}", document_type="all_types", track_field=field, rule=rule))
    return compile_rules(Trackers(REVISION, tuple(trackers)), {})


@cache
def _decoder(shape: Shape, *, native: bool = True) -> ChangeDecoder:
    return ChangeDecoder(_rules(), Options(shape, native=native), OneSchema())


def check(data: bytes) -> None:
    """Decodes and matches an input; raises AssertionError unless one thing became of it, natively or not."""
    decoded = _decoded(data)
    assert _agree(decoded, _decoded(data, native=False), _value(data)), decoded
    outcomes = len(decoded.events) + len(decoded.poison) + sum(decoded.skipped.values())
    assert outcomes == 1, decoded
    for event in decoded.events:
        msgspec.json.encode(event)
    match(decoded.events, _rules())


def _agree(native: Decoded, python: Decoded, value: bytes) -> bool:
    """Whether both say the same.

    Python passes over Avro by signs, one of which is what the last record of the schema was of: neither then need find
    what is wrong with a record of a table that nobody tracks.
    """
    said = [one.skipped == {"untracked": 1} or bool(one.poison) for one in (native, python)]
    return native == python or (value[:1] != b"{" and all(said))


def became(data: bytes) -> str:
    """What became of an input: `event`, `dead letter` or `skipped`."""
    decoded = _decoded(data)
    return "event" if decoded.events else "dead letter" if decoded.poison else "skipped"


def _decoded(data: bytes, *, native: bool = True) -> Decoded:
    choice = data[0] if data else 0
    key, value = data[3 : _key_end(data)], _value(data)
    headers: list[tuple[str, bytes]] = []
    if choice & 4:
        headers.append(("apicurio.value.globalId", bytes(7) + b"\x01"))
    if choice & 8:
        headers.append(("__debezium.newkey", key))
    if choice & 16:
        headers.append(("__debezium.oldkey", key))
    record = FakeRecord("erp.shop.all_types", 0, 0, key or None, value, headers)
    return _decoder(_SHAPES[choice & 3], native=native).decode(batch_of(record))


def _key_end(data: bytes) -> int:
    return 3 + int.from_bytes(data[1:3], "big")


def _value(data: bytes) -> bytes:
    return data[_key_end(data) :]


class _Line(msgspec.Struct):
    key: msgspec.Raw
    value: msgspec.Raw


_ROW = {"id": 1, "numeric_c": b"\x00\x96", "text_a": ["a", None], "json_c": {"a": "1"}}
_SOURCE = {"ts_ms": 1_795_377_835_000, "table": "all_types", "lsn": 7}
_CHANGES = (
    {"op": "c", "before": None, "after": _ROW, "source": _SOURCE},
    {"op": "u", "before": {**_ROW, "numeric_c": None}, "after": _ROW, "source": _SOURCE},
    {"op": "d", "before": _ROW, "after": None, "source": _SOURCE},
)


def _avro_seeds() -> Iterator[bytes]:
    """In Confluent's wire format, and as after Apicurio's headers."""
    schema = fastavro.parse_schema(msgspec.json.decode(_SCHEMA))
    for change in _CHANGES:
        payload = BytesIO()
        fastavro.schemaless_writer(payload, schema, change)
        yield bytes((0,)) + b"\x00\x011" + b"\x00\x00\x00\x00\x01" + payload.getvalue()
        yield bytes((4,)) + b"\x00\x011" + payload.getvalue()


def seeds(least: int = 40) -> Iterator[bytes]:
    """Inputs from captured records, the first few of each file, and from Avro."""
    yield from _avro_seeds()
    for path in sorted(DATA.glob("**/*.jsonl.gz")):
        with gzip.open(path) as lines:
            for _, text in zip(range(least), lines, strict=False):
                line = msgspec.json.decode(text, type=_Line)
                yield from seeds_of(bytes(line.key), bytes(line.value))


def seeds_of(key: bytes, value: bytes) -> Iterator[bytes]:
    """One input for each shape."""
    for choice in range(len(_SHAPES)):
        yield bytes((choice,)) + len(key).to_bytes(2, "big") + key + value


def write_seeds(folder: Path) -> int:
    """Writes each seed to a file of its own, as libFuzzer wants them; returns their number."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for count, seed in enumerate(seeds(), 1):
        (folder / f"{count:05d}").write_bytes(seed[:16_384])
    return count
