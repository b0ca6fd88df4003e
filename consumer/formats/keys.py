"""Document names from record keys: a struct (with or without its schema), a text, or a bare number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
from msgspec import Raw

from consumer.core.records import Record
from consumer.core.values import TEXT, Encoding, Scalar, canonical
from consumer.errors import MalformedRecord, MissingKey
from consumer.formats.connect_json import canonical_json, storable

ROUTER_FIELDS = ("__dbz__physicalTableIdentifier",)
"""What ByLogicalTableRouter adds to keys: not part of the document's name."""

_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_NO_KEY = "the record has no key; set documents.<type>.key to the columns that name the document"


class JsonKeys:
    """Keys as JSON or plain text. Several columns are joined with `|` in the key's order; `columns` picks some."""

    def name(self, record: Record, columns: tuple[str, ...] = ()) -> str:
        """The name in a record's key.

        Raises:
            MissingKey: there is no key, it is empty, or it lacks the columns.
            MalformedRecord: neither JSON nor text.
        """
        return key_text(record.key(), columns)

    def name_in_header(self, value: bytes, columns: tuple[str, ...] = ()) -> str:
        """The name in a header that holds another record's key; raises as `name` does."""
        return key_text(value, columns)


def key_text(key: bytes | None, columns: Sequence[str] = ()) -> str:
    """A document's name from a key in JSON or text; raises as `JsonKeys.name` does."""
    if not key:
        raise MissingKey(_NO_KEY)
    decoded = key_fields(key)
    if not isinstance(decoded, dict):
        return _joined([decoded])
    names = columns or [name for name in decoded if name not in ROUTER_FIELDS]
    return _joined([decoded.get(name) for name in names])


def key_fields(key: bytes) -> object:
    """A key in JSON or text without its schema: a dict for a struct, else a single value."""
    try:
        decoded = _decode_any(key)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return _plain(key, error)
    if isinstance(decoded, dict) and "payload" in decoded and "schema" in decoded:
        return decoded["payload"]
    return decoded


def _plain(key: bytes, error: Exception) -> str:
    if key[:1] in (b"{", b"[", b'"'):
        raise MalformedRecord(f"the key is not valid JSON: {error}", "key") from error
    try:
        return key.decode()
    except UnicodeDecodeError as undecodable:
        raise MalformedRecord("the key is neither JSON nor UTF-8 text", "key") from undecodable


def joined(texts: Sequence[str | None]) -> str:
    """The name that key columns make.

    Raises:
        MissingKey: there is none, or one of them is empty.
    """
    if not texts or None in texts:
        raise MissingKey("the key lacks a column of the document's name, or it is empty")
    return "|".join(text for text in texts if text is not None)


def name_of_fields(fields: Mapping[str, object], columns: Sequence[str], encodings: Mapping[str, Encoding]) -> str:
    """The name in a key that was decoded to values; raises MissingKey."""
    names = columns or [name for name in fields if name not in ROUTER_FIELDS]
    return joined([storable(canonical(cast("Scalar", fields.get(n)), encodings.get(n, TEXT)), "key") for n in names])


def _joined(values: Sequence[object]) -> str:
    return joined([_decode_key_value(value) for value in values])


def _decode_key_value(value: object) -> str | None:
    if isinstance(value, str):
        return storable(value or None, "key")
    return canonical_json(Raw(_encode(value)), "key")
