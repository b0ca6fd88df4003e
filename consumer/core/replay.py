"""Which milestones a replay takes."""

from __future__ import annotations

import msgspec

from consumer.core.milestones import Milestone


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What is replayed; None means all.

    Offsets are those of the records, `last_offset` included. Times are when the milestone was reached, in µs since
    the epoch; `until` is the first one left out.
    """

    trackers: frozenset[str] | None = None
    ids: frozenset[str] | None = None
    topic: str | None = None
    partition: int | None = None
    first_offset: int | None = None
    last_offset: int | None = None
    since: int | None = None
    until: int | None = None

    def takes(self, milestone: Milestone, topic: str) -> bool:
        """Whether a milestone is among them; `topic` is its origin's, by name."""
        m = milestone
        return (
            (self.trackers is None or m.milestone_tracker in self.trackers)
            and (self.ids is None or m.id in self.ids)
            and self.topic in (None, topic)
            and self.partition in (None, m.origin_partition)
            and _within(m.origin_offset, self.first_offset, None if self.last_offset is None else self.last_offset + 1)
            and _within(m.reached_at, self.since, self.until)
        )


class Replayed(msgspec.Struct):
    """What a replay came to, or would: milestones by tracker, those that were there already, and what was done."""

    records: int = 0
    selected: dict[str, int] = {}
    present: int = 0
    written: int = 0
    announced: int = 0


def _within(number: int, first: int | None, end: int | None) -> bool:
    return (first is None or number >= first) and (end is None or number < end)
