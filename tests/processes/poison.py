"""Twenty kinds of records that can never be evaluated, each with the reason that its dead letter must give."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from tests.processes.truth import FIELD, Change

_GOOD: Final = Change(999_999, "u", "Task", "TAS-POISON", "Open", "Working")


@dataclass(frozen=True, slots=True)
class Bad:
    """A bad record and its reason: error class, and the field at fault where there is one."""

    kind: str
    value: bytes
    error_class: str
    at_fault: str | None = None
    key: bytes | None = _GOOD.key
    headers: list[tuple[str, str | bytes | None]] = field(default_factory=list)


def _with(**envelope: object) -> bytes:
    return json.dumps({**json.loads(_GOOD.value), **envelope}).encode()


def _status(raw: str) -> bytes:
    """The good record with this piece of JSON as its new status."""
    return _GOOD.value.replace(b'"status":"Working"', f'"{FIELD}":{raw}'.encode())


def _source(**changed: object) -> dict[str, Any]:
    return {**json.loads(_GOOD.value)["source"], **changed}


def _without(name: str) -> bytes:
    return json.dumps({key: value for key, value in json.loads(_GOOD.value).items() if key != name}).encode()


BAD: Final = [
    Bad("cut JSON", _GOOD.value[:-40], "MalformedRecord"),
    Bad("trailing garbage", _GOOD.value + b"}", "MalformedRecord"),
    Bad("byte order mark", b"\xef\xbb\xbf" + _GOOD.value, "MalformedRecord"),
    Bad("not UTF-8", _GOOD.value.replace(b"jane@", b"jan\xff@"), "MalformedRecord", headers=[("trace", b"\xff\x00")]),
    Bad(
        "empty value",
        b"",
        "MalformedRecord",
        headers=[("null", None), ("empty", b""), ("twice", b"1"), ("twice", b"2")],
    ),
    Bad("an array", b"[1,2,3]", "MalformedRecord"),
    Bad("a number", b"42", "MalformedRecord"),
    Bad("an object that is no envelope", b'{"hello":"world"}', "MalformedRecord", "op"),
    Bad("unknown op", _with(op="x"), "UnknownOperation", "op"),
    Bad("update without after", _without("after"), "MalformedRecord", "after"),
    Bad("wrong type in source", _with(source=_source(ts_ms="soon")), "MalformedRecord", "source.ts_ms"),
    Bad("time out of range", _with(source=_source(ts_ms=10**15)), "BadValue", "source.ts_ms"),
    Bad("no key", _GOOD.value, "MissingKey", key=None),
    Bad("name too long", _GOOD.value, "BadValue", "key", key=json.dumps({"name": "n" * 1_001}).encode()),
    Bad("NUL in the tracked field", _status('"a\\u0000b"'), "BadValue", FIELD),
    Bad("lone surrogate in the tracked field", _status('"\\ud800"'), "MalformedRecord"),
    Bad("NaN", _status("NaN"), "MalformedRecord"),
    Bad("5,000 digits in the tracked field", _status("7" * 5_000), "BadValue", FIELD),
    Bad("depth 200,000", _status("[" * 200_000 + "]" * 200_000), "MalformedRecord"),
    Bad("11 MB, cut", _with(notes="x" * 11_000_000)[:-1], "MalformedRecord"),
]
