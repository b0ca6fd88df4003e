"""Avro read in one straight line: a function made for one writer's schema, which skips what nobody asked for.

A general reader asks the schema at every field what comes next, and makes a value of each. Here that is asked once, and
written down as Python: a column that no tracker needs costs a look at its length, and columns that are what they were
that of a comparison together. Whatever is not plain (bytes that are
cut, a branch that there is not) is left to the general reader, which says the same or what is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import cast

from consumer.formats.avro_code import Code, Unread, Wanted
from consumer.formats.avro_schemas import AvroSchema

Read = Callable[[bytes], object]

_STEPS = tuple(1 + (length >> 1) if length < 128 and not length & 1 else 0 for length in range(256))
"""By the first byte of a text, how far it is past it; 0 where that byte does not tell."""

_NOT_PLAIN = (Unread, IndexError, OverflowError, UnicodeDecodeError, struct.error)
"""Of bytes that are cut, or claim more than there is."""


def compiled(schema: AvroSchema, wanted: Wanted) -> Read:
    """Reads records of a schema: a dictionary of the wanted fields. Raises as `schema.read` does."""
    general = schema.read
    try:
        fast = straight(schema, wanted)
    except Exception:  # noqa: BLE001 - Whatever stands in a registry: the general reader takes it, or says what is wrong.
        return general

    def read(payload: bytes) -> object:
        try:
            return fast(payload)
        except _NOT_PLAIN:
            return general(payload)

    return read


def straight(schema: AvroSchema, wanted: Wanted) -> Read:
    """The function alone.

    Raises:
        Unread: the schema has a part that this module does not know, or too many. The function raises it, too, and
            IndexError, OverflowError, UnicodeDecodeError and struct.error, for bytes that are not plain.
    """
    code = Code(schema.names)
    code.read(schema.node, "datum", wanted)
    lines = ["def read(b):", " p = 0", " end = len(b)", *code.lines, " if p != end:", "  raise Unread", " return datum"]
    space: dict[str, object] = {
        "Unread": Unread,
        "kept": [()] * len(code.runs),  # No bytes start with `()`, and all start with `b""`.
        "number": _number,
        "past": _past,
        "STEPS": _STEPS,
        "read_float": struct.Struct("<f").unpack_from,
        "read_double": struct.Struct("<d").unpack_from,
        **code.constants,
    }
    exec("\n".join(lines), space)  # noqa: S102 - No text of the schema is code.
    return cast("Read", space["read"])


def _number(b: bytes, p: int) -> tuple[int, int]:
    """A number as it stands, seven bits a byte, and where it ends; not yet zigzag-decoded."""
    number = shift = 0
    while shift < 64:
        byte = b[p]
        p += 1
        number |= (byte & 127) << shift
        if byte < 128 and (shift < 63 or byte < 2):
            return number, p
        shift += 7
    raise Unread


def _past(b: bytes, p: int) -> int:
    """Where a text ends."""
    length, p = _number(b, p)
    if length & 1:
        raise Unread
    return p + (length >> 1)
