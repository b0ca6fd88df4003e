"""Mending what an audit found: rows that are missing are written, events that are missing are announced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from consumer.announcements import REPAIRED
from consumer.core.audit import Repair
from consumer.core.milestones import Announce, Event, Milestone
from consumer.core.records import Batch
from consumer.core.times import iso_time

_CHUNK = 500


class Tables(Protocol):
    """PostgreSQL."""

    def write(self, milestones: Sequence[Milestone]) -> list[Milestone]: ...


class Outbox(Protocol):
    """An open publish transaction."""

    def publish(self, topic: str, events: Iterable[Event]) -> None: ...


class Publisher(Protocol):
    """Kafka."""

    def transaction(self, batch: Batch) -> AbstractContextManager[Outbox]: ...


def repair(
    repairs: Iterable[tuple[Repair, Milestone]],
    tables: Tables,
    publisher: Publisher,
    output: tuple[str, Announce],
    now_us: int,
) -> tuple[int, int]:
    """Mends, in order of the records, some at a time: rows first, then their events.

    A crash in between leaves rows that are not announced: the next audit finds them, the next repair announces them.

    Args:
        output: the topic, and what makes its events.
        now_us: the time in µs since the epoch; each of these events says it in its header `repaired`.

    Returns:
        How many rows were written and how many events announced.

    Raises:
        MilestonesError: a server is away, or refuses; what was written and announced before stays.
    """
    topic, announce = output
    written = announced = 0
    for chunk in _chunks(repairs):
        made = {one.id: one for one in tables.write([m for what, m in chunk if what is not Repair.ANNOUNCE])}
        events = [
            announce(made.get(m.id, m))
            for what, m in chunk
            if what is Repair.ANNOUNCE or (what is Repair.WRITE_AND_ANNOUNCE and m.id in made)
        ]
        mark = (REPAIRED, iso_time(now_us).encode())
        with publisher.transaction(Batch([], {})) as outbox:
            outbox.publish(topic, [event._replace(headers=[*event.headers, mark]) for event in events])
        written, announced = written + len(made), announced + len(events)
    return written, announced


def _chunks(repairs: Iterable[tuple[Repair, Milestone]]) -> Iterator[list[tuple[Repair, Milestone]]]:
    chunk: list[tuple[Repair, Milestone]] = []
    for one in repairs:
        chunk.append(one)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
