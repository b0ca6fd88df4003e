"""A finding: how bad it is, where it is, what was found, and what to do about it in one line."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Level(StrEnum):
    """From good to bad."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True):
    """One finding; `fix` is empty where nothing has to be done."""

    code: str
    level: Level
    place: str
    found: str
    fix: str = ""


class Kind(msgspec.Struct, frozen=True):
    """A kind of finding, as docs/doctor.md lists it. `fix` has the names of what a finding fills in: `{column}`."""

    code: str
    level: Level
    meaning: str
    fix: str

    def at(self, place: str, found: str, **said: object) -> Finding:
        """A finding of this kind."""
        return Finding(self.code, self.level, place, found, self.fix.format(**said))


def fine(code: str, place: str, found: str) -> Finding:
    """What is as it should be."""
    return Finding(code, Level.OK, place, found)


def worst(findings: Iterable[Finding]) -> Level:
    """The worst level among findings; `ok` without any."""
    return max((finding.level for finding in findings), key=list(Level).index, default=Level.OK)


def counted(number: int, what: str) -> str:
    """`1 partition`, `2,000 partitions`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
