"""Columns as PostgreSQL array literals: one call for a whole column, where a dumper would be called for each value."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

_encode = msgspec.json.Encoder().encode


def array(values: Sequence[str | int | bool | None]) -> str:
    """The literal of a one-dimensional array, for a parameter that the statement casts.

    JSON's and PostgreSQL's notations of a list agree but for the brackets, as long as nothing is escaped.
    """
    text = _encode(values).decode()
    if "\\" in text:
        return "{" + ",".join(_element(value) for value in values) + "}"
    return "{" + text[1:-1] + "}"


def _element(value: str | int | bool | None) -> str:
    """Within quotes PostgreSQL knows two escapes: of the quote, and of the backslash itself."""
    if not isinstance(value, str):
        return _encode(value).decode()
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
