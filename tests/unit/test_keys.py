"""A document's name from a record key: the same, however usual or unusual the key is written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import MalformedRecord, MissingKey
from consumer.formats.keys import ROUTER_FIELDS, JsonKeys

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
NAME = JsonKeys().name


@given(st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=3), TEXTS, st.booleans(), st.booleans(), st.booleans())
def test_a_name_is_made_of_the_columns_in_their_order(
    columns: dict[str, str], table: str, routed: bool, spaced: bool, escaped: bool
) -> None:
    fields = {**columns, ROUTER_FIELDS[0]: table} if routed else columns
    key = json.dumps(fields, ensure_ascii=escaped, separators=(", ", ": ") if spaced else (",", ":")).encode()
    assert NAME(key) == "|".join(value for name, value in fields.items() if name not in ROUTER_FIELDS)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (b'{"name":"SO-1"}', "SO-1"),
        (b'{"name":"a|b","__dbz__physicalTableIdentifier":"erp.tabTask"}', "a|b"),
        (b'{"__dbz__physicalTableIdentifier":"erp.tabTask","name":"SO-1"}', "SO-1"),
        (b'{"name":"SO-1","name":"SO-2"}', "SO-2"),
        (b'{"name":"SO\\u002d1"}', "SO-1"),
        (b'{"name":7}', "7"),
        ('{"name":"Größe"}'.encode(), "Größe"),
        (b"SO-1", "SO-1"),
        (b'"SO-1"', "SO-1"),
    ],
)
def test_whatever_form_it_has(key: bytes, name: str) -> None:
    assert NAME(key) == name


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (None, MissingKey), (b"", MissingKey), (b"{}", MissingKey), (b'{"name":""}', MissingKey),
        (b'{"name":null}', MissingKey),
        (b'{"__dbz__physicalTableIdentifier":"erp.tabTask"}', MissingKey), (b'{"name":"a}', MalformedRecord),
        (b'{"name":"a\n"}', MalformedRecord), (b'{"name":"\xff"}', MalformedRecord),
        (b'{"name":"a","__dbz__physicalTableIdentifier":"b"}x', MalformedRecord),
    ],
)  # fmt: skip
def test_what_gives_no_name(key: bytes | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        NAME(key)
