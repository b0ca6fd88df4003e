"""What Kafka Connect's JsonConverter writes: scalars, keys, and the schemas that say how columns are encoded.

Types and names are those of Debezium's pages on the MySQL, MariaDB and PostgreSQL connectors ("Data type mappings")
and of Kafka Connect's logical types.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Raw

from consumer.core.values import LONGEST_NUMBER, TEXT, Encoding, Scalar, canonical
from consumer.errors import BadValue, MalformedRecord, MissingKey, Poison

ROUTER_FIELDS = ("__dbz__physicalTableIdentifier",)
"""What ByLogicalTableRouter adds to keys: not part of the document's name."""

_SEMANTIC_TYPES: Mapping[str, str] = {
    "org.apache.kafka.connect.data.Decimal": "decimal",
    "io.debezium.data.VariableScaleDecimal": "decimal",
    "org.apache.kafka.connect.data.Date": "date",
    "io.debezium.time.Date": "date",
    "org.apache.kafka.connect.data.Time": "time_ms",
    "io.debezium.time.Time": "time_ms",
    "io.debezium.time.MicroTime": "time_us",
    "io.debezium.time.NanoTime": "time_ns",
    "org.apache.kafka.connect.data.Timestamp": "timestamp_ms",
    "io.debezium.time.Timestamp": "timestamp_ms",
    "io.debezium.time.MicroTimestamp": "timestamp_us",
    "io.debezium.time.NanoTimestamp": "timestamp_ns",
    "io.debezium.time.ZonedTimestamp": "zoned_timestamp",
}

_decode_text = msgspec.json.Decoder(str).decode
_decode_any = msgspec.json.Decoder().decode
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
        return storable(canonical(scalar(raw), encoding), field)
    except Poison as error:
        if error.field is None:
            error.field = field
        raise


def storable(text: str | None, field: str) -> str | None:
    """The text itself, if PostgreSQL can store it."""
    if text is not None and "\x00" in text:
        raise BadValue("the text holds a NUL, which PostgreSQL cannot store", field)
    return text


def key_text(key: bytes | None, columns: Sequence[str] = ()) -> str:
    """A document's name from a record key: a struct (with or without schema), a text, or a bare number.

    Several key columns are joined with `|` in the key's order; `columns` picks some.

    Raises:
        MissingKey: there is no key, it is empty, or it lacks the columns.
        MalformedRecord: neither JSON nor text.
    """
    if not key:
        raise MissingKey("the record has no key; set documents.<type>.key to the columns that name the document")
    try:
        decoded = _decode_any(key)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return _plain_key(key, error)
    if isinstance(decoded, dict) and "payload" in decoded and "schema" in decoded:
        decoded = decoded["payload"]
    if not isinstance(decoded, dict):
        return _joined([decoded])
    names = columns or [name for name in decoded if name not in ROUTER_FIELDS]
    return _joined([decoded.get(name) for name in names])


def _plain_key(key: bytes, error: Exception) -> str:
    if key[:1] in (b"{", b"[", b'"'):
        raise MalformedRecord(f"the key is not valid JSON: {error}", "key") from error
    try:
        return key.decode()
    except UnicodeDecodeError as undecodable:
        raise MalformedRecord("the key is neither JSON nor UTF-8 text", "key") from undecodable


def _joined(values: Sequence[object]) -> str:
    texts = [_decode_key_value(value) for value in values]
    if not texts or None in texts:
        raise MissingKey("the key lacks a column of the document's name, or it is empty")
    return "|".join(text for text in texts if text is not None)


def _decode_key_value(value: object) -> str | None:
    if isinstance(value, str):
        return storable(value or None, "key")
    return canonical_json(Raw(_encode(value)), "key")


def placeholders(unavailable: str) -> tuple[Raw, ...]:
    """The JSON of Debezium's placeholder for a column it did not see: as text, bytes, hstore, and arrays of these."""
    as_bytes = unavailable.encode()
    as_map = {unavailable: unavailable}
    texts: list[object] = [unavailable, b64encode(as_bytes).decode(), as_bytes.hex(), _encode(as_map).decode()]
    return tuple(Raw(_encode(form)) for form in (*texts, *([text] for text in texts), as_map, list(as_bytes)))


class _Field(msgspec.Struct):
    field: str | None = None
    name: str | None = None
    fields: Sequence[_Field] = ()
    parameters: Mapping[str, str] = {}


class SchemaReader:
    """Column encodings from the schema that JsonConverter writes beside a payload; each schema is read once."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Field | None).decode
        self._known: dict[bytes, Mapping[str, Encoding]] = {}

    def encodings(self, schema: Raw) -> Mapping[str, Encoding]:
        """Column to encoding, for the columns of `after` (or `before`) with a semantic type; none for a null schema."""
        text = bytes(schema)
        known = self._known.get(text)
        if known is None:
            if len(self._known) > 1_000:
                self._known.clear()
            known = self._known[text] = self._read(text)
        return known

    def _read(self, text: bytes) -> Mapping[str, Encoding]:
        try:
            envelope = self._decode(text) or _Field()
        except (msgspec.DecodeError, RecursionError) as error:
            raise MalformedRecord(f"the schema beside the payload cannot be read: {error}") from error
        rows = [field for field in envelope.fields if field.field in ("after", "before")]
        columns = [column for row in rows for column in row.fields if column.field is not None]
        return {
            column.field or "": Encoding(_SEMANTIC_TYPES[column.name], _scale(column))
            for column in columns
            if column.name is not None and column.name in _SEMANTIC_TYPES
        }


def _scale(column: _Field) -> int | None:
    scale = column.parameters.get("scale", "")
    return int(scale) if scale.removeprefix("-").isdecimal() else None
