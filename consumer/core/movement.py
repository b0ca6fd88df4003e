"""Which partitions stand still although something is behind their position, and for how long."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from consumer.core.records import Partition


class Place(msgspec.Struct, frozen=True):
    """Where a partition was seen last, its end then, and since when (s) it has not moved though it could."""

    position: int
    end: int
    since_s: float


class Movement:
    """What one worker saw of its partitions."""

    def __init__(self) -> None:
        self._seen: dict[Partition, Place] = {}

    def stuck_s(
        self,
        assigned: Collection[Partition],
        positions: Mapping[Partition, int],
        ends: Mapping[Partition, int],
        now_s: float,
    ) -> dict[Partition, float]:
        """For how long each partition has stood still, in seconds; 0 where there is nothing behind its position.

        Args:
            assigned: those of this worker. One that has no position now, because it waits, is where it was.
            positions: how far they are published.
            ends: the offset that the next record will get, committed or not; negative where it is not known yet.
            now_s: a time that never goes back.
        """
        self._seen = {key: place for key, place in self._seen.items() if key in assigned}
        for key, position in positions.items():
            self._seen[key] = self._moved(key, position, ends.get(key, -1), now_s)
        return {key: now_s - place.since_s if place.end > place.position else 0.0 for key, place in self._seen.items()}

    def _moved(self, key: Partition, position: int, end: int, now_s: float) -> Place:
        before = self._seen.get(key, Place(-1, 0, now_s))
        end = end if end >= 0 else before.end
        # Waiting for records is no standstill: it begins when there is something to do.
        stands = position <= before.position and before.end > before.position and end > position
        return Place(position, end, before.since_s if stands else now_s)
