"""Hashes that are kept (BLAKE2b), by compiled code where there is any: hashlib's cost three times as much."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from consumer.native import envelopes

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""Of a UUID: two bits of a digit are given."""


def token_by_hashlib(text: str) -> bytes:
    """See `token_of`."""
    return blake2b(text.encode(), digest_size=8).digest()


def uuid_by_hashlib(parts: bytes, ms: int) -> str:
    """See `uuid_of`."""
    digest = blake2b(parts, digest_size=10).hexdigest()
    time = f"{ms & 0xFFFF_FFFF_FFFF:012x}"
    return f"{time[:8]}-{time[8:]}-8{digest[:3]}-{_VARIANT[digest[3]]}{digest[4:7]}-{digest[7:19]}"


token_of: Callable[[str], bytes] = token_by_hashlib if envelopes is None else envelopes.token
"""Eight bytes for a text."""

uuid_of: Callable[[bytes, int], str] = uuid_by_hashlib if envelopes is None else envelopes.uuid_of
"""A UUID (version 8) of some bytes and a time: 48 bits of milliseconds, then 74 bits of the hash."""
