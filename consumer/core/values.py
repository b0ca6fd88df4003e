"""One canonical text for each value, so that one comparison serves all sources.

Empty (`''` and null) is None. Numbers are shortest without exponent; dates and times are
`YYYY-MM-DD`, `HH:MM:SS[.ffffff]`, `YYYY-MM-DD HH:MM:SS[.ffffff]`, zoned ones with their offset:
what Frappe stores. Encodings follow Debezium's pages on data types.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from math import isfinite, isnan
from typing import cast

import msgspec

from consumer.core import temporal
from consumer.errors import BadValue

Scalar = str | int | bool | float | bytes | Decimal | dict[str, object] | list[object] | None

LONGEST_NUMBER = 1_000
"""Digits. Longer numbers are refused: `1e999999999` would fill the memory."""

UNAVAILABLE = "__debezium_unavailable_value"
"""Debezium's placeholder for a TOASTed column that did not change."""

# A text that does not end is one up to the end: tried from each of its quotes it would take the square of the time.
_SPACE_OUTSIDE_TEXTS = re.compile(r'("(?:[^"\\]|\\.)*+(?:"|\\?$))|\s+', re.DOTALL)


_encode_sorted = msgspec.json.Encoder(order="sorted", decimal_format="number").encode


class Encoding(msgspec.Struct, frozen=True):
    """How a column is encoded, where the record itself does not say: a name of `ENCODINGS`, and a decimal's scale.

    `items` is the encoding of an array's items, where a schema says it.
    """

    name: str = "text"
    scale: int | None = None
    items: Encoding | None = None


TEXT = Encoding()


def canonical(value: Scalar, encoding: Encoding = TEXT) -> str | None:
    """The canonical text of a decoded value; None if it is empty.

    Raises:
        BadValue: the value is not of this encoding, or has no bounded text.
    """
    # Zero bits are sent as no bytes.
    if value is None or (value in ("", b"") and encoding.name != "bits"):
        return None
    try:
        return ENCODINGS[encoding.name](value, encoding)
    except (ValueError, OverflowError, InvalidOperation, TypeError, KeyError, binascii.Error) as error:
        raise BadValue(f"{_shown(value)} is not a value of encoding {encoding.name!r}") from error


_NUMBERS = frozenset({"decimal", "float", "bits", "duration_us"})
_FITS = 1 << 63


def typed(text: str | None, encoding: Encoding, bare: type) -> object:
    """A canonical text as a condition has it: a whole number, a float, a truth value, a text; None if it is empty.

    Args:
        bare: what the value was where the encoding is `text`: `float` for any number, `bool` or `str`.
    """
    if text is None:
        return None
    if encoding.name in _NUMBERS or (bare is float and encoding.name == "text"):
        try:
            number = int(text)
        except ValueError:
            return float(text)
        return number if -_FITS <= number < _FITS else float(text)
    if encoding.name == "boolean" or (bare is bool and encoding.name == "text"):
        return text == "true"
    return text


def number_text(number: Decimal) -> str:
    """A number, shortest: `1.50` is `1.5`, `-0` is `0`, `1e3` is `1000`."""
    if not number.is_finite():
        return str(number)
    if abs(number.adjusted()) > LONGEST_NUMBER or len(number.as_tuple().digits) > LONGEST_NUMBER:
        raise BadValue(f"a number of more than {LONGEST_NUMBER:,} digits")
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _shown(value: Scalar) -> str:
    """A type, never the value: documents are not for logs and error texts."""
    return "an object" if isinstance(value, dict) else "an array" if isinstance(value, list) else f"a {_kind(value)}"


def _kind(value: Scalar) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "bytes" if isinstance(value, bytes) else "number"


def _text(value: Scalar, _: Encoding) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return number_text(Decimal(value))
    if isinstance(value, float):
        return _float_text(value, repr(value))
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return _encode_sorted(value).decode()


def _float_text(value: float, shortest: str) -> str:
    if isfinite(value):
        return number_text(Decimal(shortest))
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _float(value: Scalar, encoding: Encoding) -> str:
    """A number of 32 bits: the shortest text that is still the same one."""
    if not isinstance(value, float) or not isfinite(value):
        return _text(value, encoding)
    packed = struct.pack(">f", value)
    texts = (format(value, f".{digits}g") for digits in range(6, 9))
    return _float_text(value, next((text for text in texts if struct.pack(">f", float(text)) == packed), repr(value)))


def _json(value: Scalar, encoding: Encoding) -> str:
    """JSON without spaces: a snapshot has it as the server prints it, a change as the connector does."""
    return _SPACE_OUTSIDE_TEXTS.sub(r"\1", value) if isinstance(value, str) else _text(value, encoding)


def _uuid(value: Scalar, encoding: Encoding) -> str:
    return _text(value, encoding).lower()


def _bits(value: Scalar, _: Encoding) -> str:
    """Debezium's Bits: little-endian bytes. The number they are, as MySQL prints it."""
    if isinstance(value, bool) or not isinstance(value, str | bytes):
        raise ValueError("not bytes")
    return str(int.from_bytes(_bytes(value), "little"))


def _array(value: Scalar, encoding: Encoding) -> str:
    """A JSON array of canonical texts: numbers bare, all else quoted, null for what is empty or null."""
    if isinstance(value, str):
        return _json(value, encoding)
    if not isinstance(value, list):
        raise ValueError("not an array")
    items = encoding.items or TEXT
    return "[" + ",".join(_item(item, items) for item in value) + "]"


def _item(item: object, encoding: Encoding) -> str:
    if item is None:
        return "null"
    known = cast("Scalar", item)
    text = canonical(known, encoding) or ""
    bare = encoding.name == "decimal" or (encoding.name in ("text", "float") and not isinstance(known, str | bytes))
    return text if bare else msgspec.json.encode(text).decode()


def _decimal(value: Scalar, encoding: Encoding) -> str:
    if isinstance(value, dict):
        return number_text(_unscaled(value["value"], int(str(value["scale"]))))
    if isinstance(value, str | bytes) and encoding.scale is not None:
        return number_text(_unscaled(value, encoding.scale))
    if isinstance(value, str) and len(value) > LONGEST_NUMBER:
        raise BadValue(f"a number of more than {LONGEST_NUMBER:,} digits")
    if isinstance(value, float):
        return _text(value, encoding)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("not a number")
    return number_text(Decimal(value))


def _unscaled(value: object, scale: int) -> Decimal:
    """Kafka Connect's Decimal: big-endian two's-complement bytes (in JSON as base64), and a scale."""
    digits = _bytes(value)
    if len(digits) > LONGEST_NUMBER // 2:
        raise BadValue(f"a number of more than {LONGEST_NUMBER:,} digits")
    unscaled = int.from_bytes(digits, "big", signed=True)
    return Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -scale))


def _bytes(value: object) -> bytes:
    """Bytes, which JSON has as base64."""
    return value if isinstance(value, bytes) else base64.b64decode(str(value), validate=True)


def _boolean(value: Scalar, _: Encoding) -> str:
    if isinstance(value, str | int | Decimal) and str(value).lower() in {"0", "1", "true", "false", "t", "f"}:
        return "true" if str(value).lower() in {"1", "true", "t"} else "false"
    raise ValueError("not a boolean")


def _integer(value: Scalar) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("not a whole number")
    # int() of 1e999999999 would fill the memory, and of 1.9 would be 1.
    if isinstance(value, Decimal) and (value.adjusted() > LONGEST_NUMBER or value != value.to_integral_value()):
        raise ValueError("not a whole number")
    return int(value)


def _date(value: Scalar, _: Encoding) -> str:
    if isinstance(value, str) and "-" in value[1:]:
        return temporal.iso_date(value)
    return temporal.date_of(_integer(value))


def _time(per_second: int) -> Callable[[Scalar, Encoding], str]:
    def time_text(value: Scalar, _: Encoding) -> str:
        return temporal.clock_of(_integer(value) * 1_000_000 // per_second)

    return time_text


def _timestamp(per_second: int) -> Callable[[Scalar, Encoding], str]:
    def timestamp_text(value: Scalar, _: Encoding) -> str:
        return temporal.timestamp_of(_integer(value), per_second)

    return timestamp_text


def _iso(reading: Callable[[str], str]) -> Callable[[Scalar, Encoding], str]:
    def iso_text(value: Scalar, _: Encoding) -> str:
        if not isinstance(value, str):
            raise ValueError("not a text")
        return reading(value)

    return iso_text


def _seconds(value: Scalar, _: Encoding) -> str:
    """Debezium's MicroDuration: microseconds, some of them from months of 365.25 / 12 days."""
    return number_text(Decimal(_integer(value)).scaleb(-6))


ENCODINGS: dict[str, Callable[[Scalar, Encoding], str]] = {
    "text": _text,
    "decimal": _decimal,
    "float": _float,
    "boolean": _boolean,
    "bits": _bits,
    "json": _json,
    "uuid": _uuid,
    "array": _array,
    "date": _date,
    "time_ms": _time(1_000),
    "time_us": _time(1_000_000),
    "time_ns": _time(1_000_000_000),
    "time": _iso(temporal.iso_time),
    "zoned_time": _iso(temporal.iso_zoned_time),
    "timestamp_ms": _timestamp(1_000),
    "timestamp_us": _timestamp(1_000_000),
    "timestamp_ns": _timestamp(1_000_000_000),
    "timestamp": _iso(temporal.iso_timestamp),
    "zoned_timestamp": _iso(temporal.iso_zoned_timestamp),
    "duration_us": _seconds,
}
"""What `as:` may say, and the canonical text of each."""
