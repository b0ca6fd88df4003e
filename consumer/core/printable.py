"""Bytes that anybody may have written, as text that is safe to print on a terminal."""

from __future__ import annotations

import unicodedata

import msgspec

_LARGEST_FORMATTED = 1 << 20


def printable(text: str) -> str:
    """The text with control, format and unassigned characters escaped: none may steer a terminal or hide others."""
    return "".join(c if c.isprintable() or c == " " else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x1_0000 else f"\\U{code:08x}"


def pretty(content: bytes, longest: int) -> str:
    """JSON indented, its numbers and texts as written; other bytes as text. At most `longest` characters of it, and
    then how much is missing."""
    shown = _formatted(content) if len(content) <= _LARGEST_FORMATTED else content[: longest * 4]
    text = shown.decode("utf-8", "backslashreplace")
    lines = "\n".join(printable(line) for line in text[:longest].split("\n"))
    if len(text) <= longest and len(content) <= _LARGEST_FORMATTED:
        return lines
    return f"{lines}\n… cut here: the whole is {len(content):,} bytes"


def _formatted(content: bytes) -> bytes:
    try:
        return msgspec.json.format(content, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return content


def shortened(text: str, most: int = 500) -> str:
    """A text for a line of a terminal, with its length where it is cut."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
