"""Times as texts, by compiled code where there is any: a milestone has two that no other has."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from consumer.native import envelopes

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso_time_by_datetime(micros: int) -> str:
    """See `iso_time`."""
    seconds, fraction = divmod(micros, 1_000_000)
    return f"{_second(seconds)}.{fraction:06d}Z" if fraction else f"{_second(seconds)}Z"


@lru_cache(maxsize=4_096)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()


iso_time: Callable[[int], str] = iso_time_by_datetime if envelopes is None else envelopes.iso_time
"""RFC 3339 of µs since the epoch, in UTC, with as many digits as the time has: `2026-11-22T21:34:13.5Z` never,
`…13.500000Z` yes. Raises OverflowError before the year 1 and after 9999."""
