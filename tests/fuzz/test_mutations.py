"""Change events in which any part was replaced by any other value: an event, a kind, or a dead letter."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import cache
from typing import cast

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.target import check
from tests.unit.samples import DATA

NASTY: list[object] = [
    None, True, 0, -1, 10**30, 1e308, 1 << 62, -(1 << 63), 9_223_372_036_825_200_000,
    "", "x" * 3_000, "\x00", "2024-02-30", "-", "Z", "1e999999999", "/w==", "d", "u", "r",
    "__debezium_unavailable_value",
    [], [[[]]], {}, {"a": {}}, [1, None, "a"], {"schema": None, "payload": {}},
    {"scale": -5, "value": "AA=="}, {"scale": 10**9, "value": "AA=="},
]  # fmt: skip
Path = tuple[str | int, ...]


@cache
def events() -> list[object]:
    """Recorded values in JSON: a few of each file."""
    found: list[object] = []
    for path in sorted(DATA.glob("**/*json*.jsonl.gz")):
        with gzip.open(path) as lines:
            values = [msgspec.json.decode(line)["value"] for line in list(lines)[10:60:9]]
        found += [value for value in values if isinstance(value, dict)]
    return found


def paths(value: object, depth: int = 4) -> Iterator[Path]:
    """Ways to the parts of a value."""
    yield ()
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner if depth else ():
        yield from ((key, *rest) for rest in paths(part, depth - 1))


def replaced(value: object, path: Path, by: object) -> object:
    """The value with one part replaced; what it is made of stays as it is."""
    if not path:
        return by
    step, rest = path[0], path[1:]
    if isinstance(value, list):
        return [replaced(part, rest, by) if at == step else part for at, part in enumerate(value)]
    parts = cast("dict[object, object]", value)
    return {key: replaced(part, rest, by) if key == step else part for key, part in parts.items()}


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_any_part_of_an_event_may_be_anything(data: st.DataObject) -> None:
    value: object = data.draw(st.sampled_from(events()))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(sorted(paths(value), key=str)))
        value = replaced(value, path, data.draw(st.sampled_from(NASTY)))
    choice = data.draw(st.integers(0, 31))
    key = data.draw(st.sampled_from([b"", b'{"id":1}', b"null", b"[]", b"\xff", b'{"id":{}}', b'"a"']))
    check(bytes((choice,)) + len(key).to_bytes(2, "big") + key + msgspec.json.encode(value))
