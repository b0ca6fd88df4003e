"""Names that compiled code reads from keys: the same as Python reads, or none."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from consumer.errors import MalformedRecord, MissingKey
from consumer.formats.keys import ROUTER_FIELDS, JsonKeys
from consumer.formats.row_change import LONGEST_REFERENCE_NAME
from tests.native.sanitized import names_and_hashes

_ROUTER = ROUTER_FIELDS[0].encode()
_USUAL = [
    b'{"name":"SO-1"}',
    b'{"a b":" ~ "}',
    b'{"n":"' + b"x" * LONGEST_REFERENCE_NAME + b'"}',
    b'{"name":"a|b","' + _ROUTER + b'":"erp.tabTask"}',
    b'{"name":"SO-1","' + _ROUTER + b'":""}',
    b'{"' + _ROUTER + b's":"SO-1"}',
]
_OTHERS = [
    b"", b"{", b"{}", b"SO-1", b'"SO-1"', b'{"name":7}', b'{"name":""}', b'{"":"a"}', b'{"name":null}',
    b'{"name": "a"}', b'{"name":"a"} ', b'{"name":"a"}}', b'{"name":"a","b":"c"}', b'{"name":"\xc3\xb6"}',
    b'{"n\xc3\xb6":"a"}',
    b'{"name":"a\\u002d"}', b'{"name":"a\n"}', b'{"name":"a\0"}', b'{"name":"\x7f\x80"}',
    b'{"' + _ROUTER + b'":"a"}', b'{"name":"a","' + _ROUTER + b'":7}', b'{"name":"a","' + _ROUTER + b'":"b","c":"d"}',
    b'{"n":"' + b"x" * (LONGEST_REFERENCE_NAME + 1) + b'"}',
]  # fmt: skip
_WORDS = (b'"', b"\\", b"{", b"}", b",", b":", b" ", b"\n", b"\0", b"\x7f", b"\xff", b'":"', b'","', b"a", _ROUTER)


def test_usual_keys_are_read(driver: Path) -> None:
    assert names_and_hashes(driver, _USUAL)[0] == [JsonKeys().name(key).encode() for key in _USUAL]


def test_others_are_left_to_python(driver: Path) -> None:
    assert names_and_hashes(driver, _OTHERS)[0] == [None] * len(_OTHERS)


def test_of_a_key_that_is_damaged_the_same_name_is_read_or_none(driver: Path) -> None:
    keys = [*_damaged(seed=4, count=20_000)]
    read, _ = names_and_hashes(driver, keys)
    assert all(name is None or name == _name(key) for name, key in zip(read, keys, strict=True))
    assert sum(name is not None for name in read) > len(keys) / 20


def _damaged(seed: int, count: int) -> Iterator[bytes]:
    draw = random.Random(seed)
    for _ in range(count):
        key = bytearray(draw.choice(_USUAL))
        for _ in range(draw.randint(0, 3)):
            at = draw.randrange(len(key) + 1)
            key[at : at + draw.choice((0, 0, 1, 2, 9))] = draw.choice(_WORDS)
        yield bytes(key)


def _name(key: bytes) -> bytes | None:
    try:
        return JsonKeys().name(key).encode()
    except (MissingKey, MalformedRecord):
        return None
