"""What is compiled, where a C compiler was at hand when this was installed; all of it has a form in Python, too."""

from __future__ import annotations

from typing import Any, Protocol


class Envelopes(Protocol):
    """The first look at JSON envelopes: what `_envelopes.pyi` promises."""

    def make_plan(self, tables: tuple[tuple[bytes, ...], ...], /) -> Any: ...  # noqa: ANN401 - nobody looks into it

    def look(self, plan: Any, values: list[bytes | None], /) -> tuple[int, int, list[tuple[int, int]]]: ...  # noqa: ANN401


envelopes: Envelopes | None
"""None where it was not compiled."""
try:
    from consumer.native import _envelopes
except ImportError:
    envelopes = None
else:
    envelopes = _envelopes
