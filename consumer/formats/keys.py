"""Document names from record keys: a struct (with or without its schema), a text, or a bare number."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
from msgspec import UNSET, Raw, UnsetType

from consumer.core.values import TEXT, Encoding, Scalar, canonical
from consumer.errors import MalformedRecord, MissingKey
from consumer.formats.connect_json import SchemaReader, canonical_json, exact, is_object, storable

ROUTER_FIELDS = ("__dbz__physicalTableIdentifier",)
"""What ByLogicalTableRouter adds to keys: not part of the document's name."""


class _Wrapped(msgspec.Struct, gc=False):
    schema: Raw = Raw(b"null")
    payload: Raw | UnsetType = UNSET


_decode_any = msgspec.json.Decoder(float_hook=exact).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode
_NO_KEY = "the record has no key; set documents.<type>.key to the columns that name the document"

_ROUTER = ROUTER_FIELDS[0].encode()
_USUAL = re.compile(
    rb'\{"(?!%b")[^"\\\x00-\x1f]+":"([^"\\\x00-\x1f]+)"(?:,"%b":"[^"\\\x00-\x1f]*")?\}' % (_ROUTER, _ROUTER)
)
"""What nearly all keys are: one column that is a text without escapes, and what the router adds."""


class JsonKeys:
    """Keys as JSON or plain text. Several columns are joined with `|` in the key's order; `columns` picks some."""

    def __init__(self) -> None:
        self._schemas = SchemaReader()
        self._decode_wrapped = msgspec.json.Decoder(_Wrapped).decode

    def name(self, key: bytes | None, columns: Sequence[str] = ()) -> str:
        """The name in a key.

        Raises:
            MissingKey: there is no key, it is empty, or it lacks the columns.
            MalformedRecord: neither JSON nor text.
        """
        if not key:
            raise MissingKey(_NO_KEY)
        if not columns and (usual := _USUAL.fullmatch(key)) is not None and key.isascii():
            return usual[1].decode()
        decoded = key_fields(key)
        if not isinstance(decoded, dict):
            return joined([_text(decoded, TEXT)])
        encodings = self._encodings(key)
        names = columns or [name for name in decoded if name not in ROUTER_FIELDS]
        return joined([_text(decoded.get(name), encodings.get(name, TEXT)) for name in names])

    def _encodings(self, key: bytes) -> Mapping[str, Encoding]:
        """What the key's own schema says of its columns."""
        if b'"schema"' not in key:
            return {}
        try:
            wrapped = self._decode_wrapped(key)
        except msgspec.ValidationError:
            return {}
        is_struct = wrapped.payload is not UNSET and is_object(wrapped.schema)
        return self._schemas.schema(wrapped.schema).encodings if is_struct else {}


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


def _text(value: object, encoding: Encoding) -> str | None:
    if isinstance(value, str) and encoding is TEXT:
        return storable(value or None, "key")
    return canonical_json(Raw(_encode(value)), "key", encoding)
