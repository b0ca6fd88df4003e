"""Hashes by compiled code: those of hashlib."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core import hashing
from consumer.core.hashing import token_by_hashlib, uuid_by_hashlib
from consumer.native import Envelopes
from tests.native.sanitized import names_and_hashes

TIMES = st.integers(-(2**70), 2**70)


def test_it_is_blake2b_of_any_length(driver: Path) -> None:
    texts = [bytes(at % 251 for at in range(length)) for length in range(700)]
    _, hashes = names_and_hashes(driver, texts)
    assert hashes == [blake2b(text).digest() for text in texts]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_a_token_is_the_one_that_hashlib_gives(compiled: Envelopes, text: str) -> None:
    assert compiled.token(text) == token_by_hashlib(text)


@given(st.binary(max_size=400), TIMES)
def test_a_uuid_is_the_one_that_hashlib_gives(compiled: Envelopes, parts: bytes, ms: int) -> None:
    made = compiled.uuid_of(parts, ms)
    assert made == uuid_by_hashlib(parts, ms)
    assert UUID(made).version == 8
    assert str(UUID(made)) == made


def test_what_is_no_text_and_no_time_is_refused(compiled: Envelopes) -> None:
    wrong: list[tuple[object, ...]] = [(b"", 1.5), ("", 1), (b"",), (b"", 1, 2), (None, 1)]
    for arguments in wrong:
        with pytest.raises(TypeError):
            compiled.uuid_of(*arguments)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        compiled.token(b"")  # type: ignore[arg-type]
    with pytest.raises(UnicodeEncodeError):
        compiled.token("\ud83d")


def test_the_compiled_ones_are_used(compiled: Envelopes) -> None:
    assert hashing.token_of == compiled.token
    assert hashing.uuid_of == compiled.uuid_of
