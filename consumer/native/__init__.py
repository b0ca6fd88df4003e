"""What is compiled, where a C compiler was at hand when this was installed; all of it has a form in Python, too."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol, TypeAlias

AvroProgram: TypeAlias = tuple[int, bytes, bytes, bytes, bytes, bytes, int, int, int, int]
"""How records of one Avro schema are passed over: `_envelopes.pyi`."""

TableColumns: TypeAlias = tuple[bytes, tuple[bytes, ...], tuple[bytes, ...] | None]
"""A table: its name, its tracked columns, and what else of a row is told of usual changes; None: none is told."""

Facts: TypeAlias = tuple[
    tuple[str | None, ...] | None,
    tuple[str | None, ...],
    tuple[str, str],
    str | None,
    int | None,
    int,
    int | None,
]
"""What a usual change says: `_envelopes.pyi`."""


class Envelopes(Protocol):
    """The first look at envelopes: what `_envelopes.pyi` promises."""

    def make_plan(self, tables: tuple[TableColumns, ...], /) -> object: ...

    def make_programs(self, programs: tuple[AvroProgram, ...], /) -> object: ...

    def look(
        self, plan: object, programs: object, values: list[bytes | None], /
    ) -> tuple[int, int, list[tuple[int, int, Facts | None]]]: ...


_INTERFACE = 2
"""Raised with every change of what goes to and fro: a file that was compiled before that is not used."""

envelopes: Envelopes | None = None
"""None where it was not compiled."""
with suppress(ImportError):
    from consumer.native import _envelopes

    if getattr(_envelopes, "INTERFACE", 0) == _INTERFACE:
        envelopes = _envelopes
