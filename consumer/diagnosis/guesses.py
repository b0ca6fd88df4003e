"""What values look like, where nothing says what they are. Guesses: they make findings, never milestones."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median

_LONGEST_DECIMAL = 16
_FIRST_DAY, _LAST_DAY = 3_652, 47_482
"""1980 and 2100, in days since 1970: smaller numbers are counts."""

_DATE_NAME = re.compile(r"date|(?:^|_)(?:on|due|day|expires|expiry)$", re.IGNORECASE)
_TIME_NAME = re.compile(r"time|(?:^|_)(?:at|start|end|starts|ends)$", re.IGNORECASE)
_UNITS = {1: "timestamp_ms", 1_000: "timestamp_us", 1_000_000: "timestamp_ns"}
_EARLIEST_MS, _LATEST_MS = (datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1_000 for year in (1980, 2100))
_DAY_MS, _MINUTE_MS = 86_400_000, 60_000


def are_unscaled_decimals(values: Sequence[object]) -> bool:
    """Whether all are base64 of a number's shortest two's-complement bytes, and one of them is clearly base64: `Open`
    would pass for three bytes, but ends in no `=`."""
    texts = [value for value in values if isinstance(value, str)]
    return (
        bool(texts)
        and len(texts) == len(values)
        and any(text.endswith("=") for text in texts)
        and all(map(_is_shortest_number, texts))
    )


def _is_shortest_number(text: str) -> bool:
    try:
        number = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    if not 1 <= len(number) <= _LONGEST_DECIMAL:
        return False
    redundant = len(number) > 1 and number[0] in (0x00, 0xFF) and (number[0] == 0xFF) == (number[1] >= 0x80)
    return not redundant


def time_encoding(column: str, values: Sequence[object]) -> str | None:
    """The encoding that a column of whole numbers probably has: days, or ms, µs, ns; None for plain numbers."""
    whole = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    # Zero dates arrive as the epoch.
    numbers = [value for value in whole if value != 0]
    if not numbers or len(whole) < len(values):
        return None
    for per_ms, encoding in _UNITS.items():
        if _mostly(numbers, _EARLIEST_MS * per_ms, _LATEST_MS * per_ms):
            return encoding
    if _DATE_NAME.search(column) and _mostly(numbers, _FIRST_DAY, _LAST_DAY):
        return "date"
    return _time_of_day(numbers) if _TIME_NAME.search(column) else None


def _mostly(numbers: Sequence[int], low: float, high: float) -> bool:
    """Nine of ten: among dates there are always some of the year 1 and of 9999."""
    return sum(low <= number <= high for number in numbers) >= 0.9 * len(numbers)


def _time_of_day(numbers: Sequence[int]) -> str | None:
    """Below a day, and later than a minute past midnight in most rows: a smaller number is a count."""
    for per_ms, encoding in ((1, "time_ms"), (1_000, "time_us"), (1_000_000, "time_ns")):
        if all(0 <= number < _DAY_MS * per_ms for number in numbers) and median(numbers) >= _MINUTE_MS * per_ms:
            return encoding
    return None
