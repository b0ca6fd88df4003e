"""What the database's own text of a value is as canonical text: written from the docs, not with the decoder's code."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from decimal import Decimal

_NUMBERS = (
    "int",
    "serial",
    "dec",
    "numeric",
    "float",
    "double",
    "real",
    "oid",
    "year",
    "smallint",
    "bigint",
    "percentage",
)
_CLOCK = re.compile(r"(\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?")
_ZONE = re.compile(r"([+-]\d\d)(:\d\d)?$")
_ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,]+)')


def expected(connector: str, declared: str, text: str | None) -> str | None:
    """The canonical text of what the database prints for a value of a declared type; None if it is empty."""
    if text is None or text == "":
        return None
    kind = declared.split("(", maxsplit=1)[0].strip().lower()
    if declared.endswith("[]"):
        return _array(connector, declared.removesuffix("[]"), text)
    for reading in (_postgres if connector == "postgres" else _mariadb, _common):
        read = reading(kind, declared)
        if read is not None:
            return read(text)
    return text


Reading = Callable[[str], str | None]


def _postgres(kind: str, declared: str) -> Reading | None:
    if kind == "bytea":
        return lambda text: base64.b64encode(bytes.fromhex(text.removeprefix("\\x"))).decode() or None
    if kind in ("bit", "bit varying"):
        return _true_or_false if declared == "bit(1)" else lambda text: str(int(text, 2))
    if kind in ("timestamp with time zone", "time with time zone") or declared.endswith("with time zone"):
        return _zoned
    named: dict[str, Reading] = {
        "money": lambda text: _number(text.replace("$", "").replace(",", "")), "boolean": _true_or_false,
        "inet": lambda text: text.removesuffix("/32").removesuffix("/128"), "hstore": _hstore, "json": _compact,
        "jsonb": _compact,
    }  # fmt: skip
    return named.get(kind)


def _mariadb(kind: str, declared: str) -> Reading | None:
    if kind.endswith(("blob", "binary")):
        return lambda text: base64.b64encode(bytes.fromhex(text)).decode()
    if kind == "bit":
        return _true_or_false if declared == "bit(1)" else None
    return (lambda text: f"{_clock(text)}+00:00") if kind == "timestamp" else None


def _common(kind: str, _: str) -> Reading | None:
    if kind.startswith("time"):
        return _clock
    if kind.startswith("date"):
        return _clock
    return _number if kind.startswith(_NUMBERS) and "range" not in kind and kind != "interval" else None


def _number(text: str) -> str:
    number = Decimal(text)
    if not number.is_finite():
        return text
    plain = format(number, "f")
    return (
        (plain.rstrip("0").rstrip(".") if "." in plain else plain).replace("-0", "0", 1)
        if number == 0
        else (plain.rstrip("0").rstrip(".") if "." in plain else plain)
    )


def _true_or_false(text: str) -> str:
    return "true" if text in ("1", "t", "true") else "false"


def _clock(text: str) -> str:
    if text.endswith(" BC"):
        return f"-{int(text[:4]) - 1:04d}{_clock(text[4:].removesuffix(' BC'))}"

    def six(found: re.Match[str]) -> str:
        fraction = (found[2] or "").ljust(6, "0")
        return found[1] + ("" if fraction == "000000" else f".{fraction}")

    return _CLOCK.sub(six, text)


def _zoned(text: str) -> str:
    return _ZONE.sub(lambda found: found[1] + (found[2] or ":00"), _clock(text))


def _compact(text: str) -> str:
    out, quoted, escaped = [], False, False
    for character in text:
        if character == '"' and not escaped:
            quoted = not quoted
        escaped = character == "\\" and not escaped
        if quoted or not character.isspace():
            out.append(character)
    return "".join(out)


def _hstore(text: str) -> str:
    pairs = re.findall(r'"([^"]*)"=>(?:"([^"]*)"|NULL)', text)
    nulls = set(re.findall(r'"([^"]*)"=>NULL', text))
    return json.dumps({k: None if k in nulls else v for k, v in sorted(pairs)}, separators=(",", ":"))


def _array(connector: str, declared: str, text: str) -> str:
    items = [found[1].replace('\\"', '"') if found[1] is not None else found[2] for found in _ITEM.finditer(text[1:-1])]
    kind = declared.split("(", maxsplit=1)[0]
    bare = kind.startswith(_NUMBERS) or kind == "boolean"
    return "[" + ",".join(_item(connector, declared, item, bare=bare) for item in items) + "]"


def _item(connector: str, declared: str, item: str, *, bare: bool) -> str:
    if item == "NULL":
        return "null"
    text = expected(connector, declared, item) or ""
    return text if bare else json.dumps(text, ensure_ascii=False)
