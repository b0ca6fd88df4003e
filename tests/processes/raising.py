"""`milestones` whose callbacks raise: `python -m tests.processes.raising <callback> run …`."""

# ruff: noqa: SLF001 - it breaks what nobody else may touch

from __future__ import annotations

import sys
from typing import Any, cast

from consumer.cli import main
from consumer.core.records import Record
from consumer.kafka.sorting import Sorting
from consumer.kafka.source import Source


def _raise(*_: object) -> None:
    raise ValueError("raised on purpose")


def on_assign() -> None:
    """Partitions that are assigned are never noted."""
    Source._on_assign = _raise  # type: ignore[assignment, method-assign]


def on_revoke() -> None:
    """Partitions that are revoked are not given away."""
    Source._on_revoke = _raise  # type: ignore[assignment, method-assign]


def before_revoke() -> None:
    """What is in flight is not waited for."""
    real = cast("Any", Source._on_revoke)

    def without(self: Source, *arguments: object) -> None:
        self.before_revoke = _raise
        real(self, *arguments)

    Source._on_revoke = without  # type: ignore[assignment, method-assign]


def take() -> None:
    """Records that the client had given are dropped in the middle of them."""
    real = Sorting.take

    def until(self: Sorting, record: Record, records: list[Record]) -> None:
        if len(records) == 20:
            _raise()
        real(self, record, records)

    Sorting.take = until  # type: ignore[method-assign]


RAISING = {raising.__name__: raising for raising in (on_assign, on_revoke, before_revoke, take)}

if __name__ == "__main__":
    RAISING[sys.argv.pop(1)]()
    main()
