"""Dates and times as canonical text, from counts since the epoch and from ISO 8601.

Encodings follow Debezium's pages on temporal types of the MariaDB, MySQL and PostgreSQL connectors. Years are those of
the proleptic Gregorian calendar, 0000 being 1 BC, and may have more than four digits: PostgreSQL has such dates.
"""

from __future__ import annotations

import re
from datetime import date

_DAY_ZERO = date(1970, 1, 1).toordinal()
_FIRST_DAY, _LAST_DAY = date.min.toordinal() - _DAY_ZERO, date.max.toordinal() - _DAY_ZERO
_DAY_US = 86_400_000_000
_LONGEST_COUNT = 1 << 63

_INFINITE_COUNTS = {9_223_372_036_825_200_000: "infinity", -9_223_372_036_832_400_000: "-infinity"}
_INFINITE = frozenset(_INFINITE_COUNTS.values())
_ISO = re.compile(
    r"(?:(?P<date>[+-]?\d{4,9}-\d\d-\d\d))?[T ]?"
    r"(?:(?P<clock>\d\d:\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    r"(?P<zone>Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


def date_of(days: int) -> str:
    """`YYYY-MM-DD` of a number of days since 1970-01-01.

    Raises:
        ValueError: no connector can have sent this.
    """
    if _FIRST_DAY <= days <= _LAST_DAY:
        return date.fromordinal(_DAY_ZERO + days).isoformat()
    if abs(days) >= 1 << 31:
        raise ValueError("too far away")
    # The calendar repeats every 400 years, which are 146,097 days.
    cycles, rest = divmod(days, 146_097)
    near = date.fromordinal(_DAY_ZERO + rest)
    return f"{_year_text(near.year + 400 * cycles)}-{near:%m-%d}"


def clock_of(micros: int) -> str:
    """`HH:MM:SS[.ffffff]`; MySQL has negative times and more than 24 hours."""
    seconds, fraction = divmod(abs(micros), 1_000_000)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return ("-" if micros < 0 else "") + clock + (f".{fraction:06d}" if fraction else "")


def timestamp_of(count: int, per_second: int) -> str:
    """`YYYY-MM-DD HH:MM:SS[.ffffff]` of a count since the epoch; `infinity` where PostgreSQL says so."""
    if not -_LONGEST_COUNT <= count < _LONGEST_COUNT:
        raise ValueError("too far away")
    if count in _INFINITE_COUNTS:
        return _INFINITE_COUNTS[count]
    days, rest = divmod(count * 1_000_000 // per_second, _DAY_US)
    return f"{date_of(days)} {clock_of(rest)}"


def iso_date(text: str) -> str:
    """A date; the `Z` that Debezium's isostring mode adds means nothing.

    Raises:
        ValueError: the text is no ISO 8601 date. So with all that follow.
    """
    day, clock, _ = _parts(text)
    return _all(day, not clock)


def iso_time(text: str) -> str:
    """A time of day; its `Z` means nothing."""
    day, clock, _ = _parts(text)
    return _all(clock, not day)


def iso_zoned_time(text: str) -> str:
    """A time of day with its offset."""
    day, clock, zone = _parts(text)
    return _all(clock, not day) + zone


def iso_timestamp(text: str) -> str:
    """A time without zone; the `Z` that isostring mode adds means nothing."""
    day, clock, _ = _parts(text)
    return text if text in _INFINITE else _all(f"{day} {clock}", bool(day and clock))


def iso_zoned_timestamp(text: str) -> str:
    """A time with its offset, if it has one."""
    day, clock, zone = _parts(text)
    return text if text in _INFINITE else _all(f"{day} {clock}{zone}", bool(day and clock))


def _all(text: str, complete: bool) -> str:
    if not (text and complete):
        raise ValueError("not ISO 8601")
    return text


def _parts(text: str) -> tuple[str, str, str]:
    """Date, clock and offset, each canonical, or empty where the text has none."""
    found = _ISO.fullmatch(text)
    if found is None:
        return "", "", ""
    return _date_part(found["date"]), _clock_part(found), _zone_part(found["zone"])


def _date_part(text: str | None) -> str:
    if text is None:
        return ""
    year, rest = int(text[:-6]), text[-6:]
    date.fromisoformat(f"{2000 + year % 400}{rest}")
    return _year_text(year) + rest


def _clock_part(found: re.Match[str]) -> str:
    if found["clock"] is None:
        return ""
    second = found["second"] or "00"
    # 24:00 is a time in PostgreSQL, and a leap second one in ISO 8601.
    if found["clock"] > "24:00" or found["clock"][3:] > "59" or second > "60":
        raise ValueError("no time of day")
    fraction = (found["fraction"] or "").ljust(6, "0")[:6]
    return f"{found['clock']}:{second}" + (f".{fraction}" if fraction.strip("0") else "")


def _zone_part(text: str | None) -> str:
    if text is None:
        return ""
    if text == "Z":
        return "+00:00"
    digits = text[1:].replace(":", "").ljust(4, "0")
    return text[0] + ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def _year_text(year: int) -> str:
    return f"{year:04d}" if year >= 0 else f"-{-year:04d}"
