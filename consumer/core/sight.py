"""A first look at records as they are consumed, and what was passed over then."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Passed(NamedTuple):
    """How many records were passed over: of tables that nobody tracks, and without a change of what anybody tracks."""

    untracked: int = 0
    unchanged: int = 0

    def plus(self, more: Passed) -> Passed:
        """Both together."""
        return Passed(self.untracked + more.untracked, self.unchanged + more.unchanged)

    def without(self, first: Passed) -> Passed:
        """Those behind the first ones."""
        return Passed(self.untracked - first.untracked, self.unchanged - first.unchanged)


class Sight(NamedTuple):
    """What a first look goes by, as it was compiled for one revision of the trackers; nobody else looks inside."""

    plan: object
    programs: object


class Seen(Protocol):
    """A record at which a first look was taken; what was seen is for whoever made the sight.

    `passed`: how many of its partition that were consumed with it were passed over before it; `passed_of_all`: of all
    partitions.
    """

    @property
    def passed(self) -> tuple[int, int]: ...
    @property
    def passed_of_all(self) -> int: ...
