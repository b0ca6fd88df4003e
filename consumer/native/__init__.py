"""What is compiled, where a C compiler was at hand when this was installed; all of it has a form in Python, too."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol, TypeAlias

AvroProgram: TypeAlias = tuple[int, bytes, bytes, bytes, bytes, bytes, int, int, int, int]
"""How records of one Avro schema are passed over: `_envelopes.pyi`."""

TableColumns: TypeAlias = tuple[bytes, tuple[bytes, ...], tuple[bytes, ...] | None]
"""A table: its name, its tracked columns, and what else of a row is told of usual changes; None: none is told."""

Identity: TypeAlias = tuple[str, str, str | None, str | None, str, bytes, bytes]
"""What the source calls a change: the fields of `SourceIdentity` (consumer/core/events.py)."""

Facts: TypeAlias = tuple[tuple[str | None, ...] | None, tuple[str | None, ...], Identity, int, int]
"""What a usual change says: `_envelopes.pyi`."""


CLOSER, UNTRACKED = -1, -2
"""What the first look says of a record that it can tell nothing of, and of one whose table nobody tracks."""


Event: TypeAlias = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
"""Key, value and headers of a record to be produced."""


class LookedAt(Protocol):
    """A consumed record, and what the first look said of it: `_envelopes.pyi`."""

    def topic(self) -> str | None: ...
    def partition(self) -> int | None: ...
    def offset(self) -> int | None: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def headers(self) -> object: ...
    def timestamp(self) -> tuple[int, int]: ...
    @property
    def table(self) -> int: ...
    @property
    def facts(self) -> Facts | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def passed(self) -> tuple[int, int]: ...
    @property
    def passed_of_all(self) -> int: ...


Taken: TypeAlias = tuple[
    int,
    int,
    list[LookedAt],
    list[tuple[int, LookedAt]],
    list[tuple[int, int, int]],
    list[tuple[str | None, int, int, int, str | None]],
]
"""What was consumed: `_envelopes.pyi`."""


class Envelopes(Protocol):
    """First looks, records that come, events that go, hashes and times: what `_envelopes.pyi` promises."""

    def make_plan(self, tables: tuple[TableColumns, ...], /) -> object: ...

    def make_programs(self, programs: tuple[AvroProgram, ...], /) -> object: ...

    def find_client(self, file: str, /) -> bool: ...

    def open_tap(self, client: object, /) -> object: ...

    def forward(self, tap: object, topic: str, partition: int, /) -> bool: ...

    def take(
        self,
        tap: object,
        plan: object,
        programs: object,
        places: tuple[tuple[str, int, int], ...],
        most: int,
        most_bytes: int,
        timeout_ms: int,
        /,
    ) -> Taken: ...

    def produce(self, tap: object, topic: str, events: list[Event], /) -> tuple[int, int]: ...

    def token(self, text: str, /) -> bytes: ...

    def uuid_of(self, parts: bytes, ms: int, /) -> str: ...

    def iso_time(self, micros: int, /) -> str: ...

    def announcement(self, fields: tuple[object, ...], headers: tuple[object, ...], /) -> Event: ...

    def take_errors(self, tap: object, /) -> list[tuple[int, str]]: ...

    def take_failure(self, tap: object, /) -> tuple[int, str] | None: ...

    def close_tap(self, tap: object, /) -> None: ...

    def look(
        self, plan: object, programs: object, values: list[bytes | None], /
    ) -> tuple[int, int, list[tuple[int, int, Facts | None]]]: ...


_INTERFACE = 10
"""Raised with every change of what goes to and fro: a file that was compiled before that is not used."""

envelopes: Envelopes | None = None
"""None where it was not compiled."""
library = ""
"""The file, as the loader knows it."""
with suppress(ImportError):
    from consumer.native import _envelopes

    if getattr(_envelopes, "INTERFACE", 0) == _INTERFACE:
        envelopes, library = _envelopes, _envelopes.FILE or ""
