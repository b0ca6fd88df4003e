"""What a test of a fault counts: for the table that `make faults` prints."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts of one test. `recoveries` in seconds: from a fault's end, or a death, until records are stored again."""

    records: int = 0
    lost: int = 0
    doubled_rows: int = 0
    doubled_events: int = 0
    recoveries: list[float] = field(default_factory=list)


class _Current:
    tally = Tally()


def begin() -> None:
    """A new test begins."""
    _Current.tally = Tally()


def current() -> Tally:
    """The tally of the test that runs."""
    return _Current.tally
