"""What Kafka Connect's JsonConverter writes: scalars, and the schemas that say how columns are encoded."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from hashlib import md5
from math import isfinite
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw, UnsetType

from consumer.core.values import LONGEST_NUMBER, TEXT, Encoding, Scalar, canonical, number_text
from consumer.errors import BadValue, MalformedRecord, Poison
from consumer.formats.semantic_types import encoding_of


def exact(text: str) -> float | Decimal:
    """A number inside JSON, which must not be rounded: two that differ would be the same."""
    number = float(text)
    if not isfinite(number) or len(text) > LONGEST_NUMBER:
        raise ValueError("a number that is too large")
    return number if Decimal(repr(number)) == Decimal(text) else Decimal(number_text(Decimal(text)))


_SHORT = 19
"""Digits; fewer than that always fit into 64 bits."""

_decode_text = msgspec.json.Decoder(str).decode
_decode_any = msgspec.json.Decoder(float_hook=exact).decode
_encode = msgspec.json.Encoder().encode


def scalar(raw: Raw) -> Scalar:
    """The value of a piece of JSON; numbers exactly as written.

    Raises:
        MalformedRecord: a text that is not Unicode (a lone surrogate).
    """
    text = bytes(raw)
    first = text[:1]
    try:
        if first == b'"':
            return _decode_text(raw)
        if first in b"{[":
            decoded: Scalar = _decode_any(raw)
            return decoded
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedRecord(f"a value is not valid JSON: {error}") from error
    if first in b"tfn":
        return {b"t": True, b"f": False}.get(first)
    if len(text) > LONGEST_NUMBER:
        raise BadValue(f"a number of more than {LONGEST_NUMBER:,} digits")
    try:
        return Decimal(text.decode())
    except InvalidOperation as error:
        raise BadValue(f"a number of more than {LONGEST_NUMBER:,} digits") from error


def canonical_json(raw: Raw, field: str, encoding: Encoding = TEXT) -> str | None:
    """The canonical text of a column's JSON value; None if empty.

    Raises:
        Poison: naming the field; the value cannot be read, or PostgreSQL could not store its text.
    """
    try:
        value = scalar(raw)
        if encoding is TEXT and type(value) is str:
            return storable(value or None, field)  # What nearly all columns come to.
        return storable(canonical(value, encoding), field)
    except Poison as error:
        if error.field is None:
            error.field = field
        raise


def storable(text: str | None, field: str) -> str | None:
    """The text itself, if PostgreSQL can store it."""
    if text is not None and "\x00" in text:
        raise BadValue("the text holds a NUL, which PostgreSQL cannot store", field)
    return text


def small_number(raw: Raw) -> int | None:
    """A whole number as it stands; None for all that is not short digits."""
    text = bytes(raw)
    return int(text) if len(text) < _SHORT and text.isdigit() else None


def is_object(raw: Raw) -> bool:
    """Whether this is an object, by its first byte."""
    return memoryview(raw)[:1].tobytes() == b"{"


def is_wrapper(payload: Raw | UnsetType, schema: Raw | UnsetType) -> bool:
    """Whether JsonConverter wrote these fields; a row may have columns of these names, which are texts."""
    if payload is UNSET or schema is UNSET:
        return False
    return is_object(payload) and (is_object(schema) or bytes(schema) == b"null")


def placeholders(unavailable: str) -> tuple[object, ...]:
    """Debezium's placeholder for a column that it did not see, as a value of each type that a column may have.

    Text; bytes, also in base64 (with either alphabet) or hex; a map, also as JSON in a text; arrays of these, of the
    bytes as numbers, and of the UUID that Java names after them.
    """
    as_bytes, as_map = unavailable.encode(), {unavailable: unavailable}
    texts: list[object] = [unavailable, b64encode(as_bytes).decode(), urlsafe_b64encode(as_bytes).decode()]
    texts += [as_bytes.hex(), _encode(as_map).decode(), as_bytes]
    numbers = [byte - 256 if byte > 127 else byte for byte in as_bytes]
    uuid = str(UUID(bytes=md5(as_bytes, usedforsecurity=False).digest(), version=3))
    return (*texts, *([text] for text in texts), as_map, numbers, [uuid])


def placeholders_in_json(unavailable: str) -> tuple[Raw, ...]:
    """The JSON of the same."""
    return tuple(Raw(_encode(form)) for form in placeholders(unavailable))


class _Field(msgspec.Struct):
    field: str | None = None
    type: object = ""
    name: str | None = None
    fields: Sequence[_Field] = ()
    items: _Field | None = None
    parameters: Mapping[str, str] | None = None


class JsonSchema(msgspec.Struct, frozen=True):
    """What JsonConverter's schema says: its name, and the encodings of a row's columns, in an envelope or alone."""

    name: str
    encodings: Mapping[str, Encoding]


_MOST_BYTES = 16 << 20
"""Schemas that are kept, as texts: thousands of tables' schemas."""


class SchemaReader:
    """Reads the schema that JsonConverter writes beside a payload; each one once."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Field | None).decode
        self._known: dict[bytes, JsonSchema] = {}
        self._bytes = 0

    def schema(self, schema: Raw) -> JsonSchema:
        """What it says; nothing for a null schema.

        Raises:
            MalformedRecord: it is none of Kafka Connect's.
        """
        text = bytes(schema)
        known = self._known.get(text)
        if known is None:
            self._bytes += len(text)
            if self._bytes > _MOST_BYTES:
                self._known.clear()
                self._bytes = len(text)
            known = self._known[text] = self._read(text)
        return known

    def _read(self, text: bytes) -> JsonSchema:
        try:
            top = self._decode(text) or _Field()
        except (msgspec.DecodeError, RecursionError) as error:
            raise MalformedRecord(f"the schema beside the payload cannot be read: {error}") from error
        rows = [field for field in top.fields if field.field in ("after", "before") and field.fields]
        columns = [column for row in rows or [top] for column in row.fields]
        encodings = {column.field: _encoding(column) for column in columns if column.field is not None}
        return JsonSchema(top.name or "", {name: said for name, said in encodings.items() if said is not None})


def _encoding(column: _Field) -> Encoding | None:
    items = None if column.items is None else _encoding(column.items)
    return encoding_of(str(column.type), column.name, column.parameters or {}, items)
