"""One canonical text for each value, so that one comparison serves all sources.

Empty (`''` and null) is None. Numbers are shortest without exponent; dates and times are
`YYYY-MM-DD`, `HH:MM:SS[.ffffff]`, `YYYY-MM-DD HH:MM:SS[.ffffff]`, zoned ones with their offset:
what Frappe stores. Encodings follow Debezium's pages on temporal and decimal types.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation

import msgspec

from consumer.errors import BadValue

Scalar = str | int | bool | Decimal | dict[str, object] | list[object] | None

LONGEST_NUMBER = 1_000
"""Digits. Longer numbers are refused: `1e999999999` would fill the memory."""

UNAVAILABLE = "__debezium_unavailable_value"
"""Debezium's placeholder for a TOASTed column that did not change."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_ZERO = date(1970, 1, 1).toordinal()


class Encoding(msgspec.Struct, frozen=True):
    """How a column is encoded, where the record itself does not say: a name of `ENCODINGS`, and a decimal's scale."""

    name: str = "text"
    scale: int | None = None


TEXT = Encoding()


def canonical(value: Scalar, encoding: Encoding = TEXT) -> str | None:
    """The canonical text of a decoded value; None if it is empty.

    Raises:
        BadValue: the value is not of this encoding, or has no bounded text.
    """
    if value is None or value == "":
        return None
    try:
        return ENCODINGS[encoding.name](value, encoding)
    except (ValueError, OverflowError, InvalidOperation, TypeError, KeyError, binascii.Error) as error:
        raise BadValue(f"{_shown(value)} is not a value of encoding {encoding.name!r}") from error


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
    return "text" if isinstance(value, str) else "number"


def _text(value: Scalar, _: Encoding) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return number_text(Decimal(value))
    return msgspec.json.encode(value).decode()


def _decimal(value: Scalar, encoding: Encoding) -> str:
    if isinstance(value, dict):
        return number_text(_unscaled(str(value["value"]), int(str(value["scale"]))))
    if isinstance(value, str) and encoding.scale is not None:
        return number_text(_unscaled(value, encoding.scale))
    if isinstance(value, str) and len(value) > LONGEST_NUMBER:
        raise BadValue(f"a number of more than {LONGEST_NUMBER:,} digits")
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("not a number")
    return number_text(Decimal(value))


def _unscaled(text: str, scale: int) -> Decimal:
    """Kafka Connect's Decimal: base64 of big-endian two's-complement bytes, and a scale."""
    if len(text) > LONGEST_NUMBER:
        raise BadValue(f"a number of more than {LONGEST_NUMBER:,} digits")
    unscaled = int.from_bytes(base64.b64decode(text, validate=True), "big", signed=True)
    return Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -scale))


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
        return date.fromisoformat(value.removesuffix("Z")).isoformat()
    return date.fromordinal(_DAY_ZERO + _integer(value)).isoformat()


def _time(per_second: int) -> Callable[[Scalar, Encoding], str]:
    def time_text(value: Scalar, _: Encoding) -> str:
        micros = _integer(value) * 1_000_000 // per_second
        seconds, fraction = divmod(abs(micros), 1_000_000)
        clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        return ("-" if micros < 0 else "") + clock + (f".{fraction:06d}" if fraction else "")

    return time_text


def _timestamp(per_second: int) -> Callable[[Scalar, Encoding], str]:
    def timestamp_text(value: Scalar, _: Encoding) -> str:
        moment = _EPOCH + timedelta(microseconds=_integer(value) * 1_000_000 // per_second)
        return moment.replace(tzinfo=None).isoformat(" ")

    return timestamp_text


def _iso_timestamp(value: Scalar, _: Encoding) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return datetime.fromisoformat(value).isoformat(" ")


ENCODINGS: dict[str, Callable[[Scalar, Encoding], str]] = {
    "text": _text,
    "decimal": _decimal,
    "boolean": _boolean,
    "date": _date,
    "time_ms": _time(1_000),
    "time_us": _time(1_000_000),
    "time_ns": _time(1_000_000_000),
    "timestamp_ms": _timestamp(1_000),
    "timestamp_us": _timestamp(1_000_000),
    "timestamp_ns": _timestamp(1_000_000_000),
    "timestamp": _iso_timestamp,
    "zoned_timestamp": _iso_timestamp,
}
"""What `as:` may say, and the canonical text of each."""
