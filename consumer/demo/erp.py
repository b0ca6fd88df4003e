"""A simulated ERP: its documents walk through their stages, and Debezium's records of it come out.

The same seed gives the same records, byte for byte. What they amount to is counted from the plans, not from
the records.
"""

import random
import uuid
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Final, NotRequired, TypedDict

from consumer.captured import CapturedRecord
from consumer.demo.documents import document_name, first_row, new_name
from consumer.demo.envelope import Connector
from consumer.demo.stages import Step, milestones, plan, plan_story
from consumer.demo.transactions import Document, Transactions

ENDS_AT_MS: Final = 1_774_828_800_000  # 2026-03-30 00:00 UTC
_DAY_MS: Final = 86_400_000
_WEEKS: Final = 12
_DAY_BEGINS_MS: Final = 8 * 3_600_000
_HOURS_A_DAY: Final = 9
UNTIL_H: Final = float(_WEEKS * 5 * _HOURS_A_DAY)
_OLDEST_H: Final = -60.0
_STORY_BEGINS_H: Final = 24.0
_RENAMED_SHARE: Final = 0.006
_REDELIVERED_SHARE: Final = 0.02
_REDELIVERED_RUN: Final = 20
_SHARES: Final[Mapping[str, float]] = {"Sales Order": 0.45, "Task": 0.35, "Issue": 0.15, "Project": 0.05}


class TrackerEntry(TypedDict):
    """A tracker as it stands under `trackers:` in config.yaml."""

    document_type: str
    track_field: str
    description: NotRequired[str]
    values: NotRequired[list[str]]


DEMO_TRACKERS: Final[list[TrackerEntry]] = [
    {"document_type": "Sales Order", "track_field": "status", "description": "Every stage of a sales order"},
    {
        "document_type": "Sales Order",
        "track_field": "billing_status",
        "description": "The order was billed in full",
        "values": ["Fully Billed"],
    },
    {"document_type": "Task", "track_field": "status", "description": "Every stage of a task"},
    {"document_type": "Project", "track_field": "status", "description": "Projects opened, completed, cancelled"},
    {"document_type": "Issue", "track_field": "status", "description": "From the customer's first mail to the end"},
]


def simulate(
    seed: int = 7,
    documents: int = 2_000,
    topic: str = "document-changes",
    partitions: int = 4,
    ends_at_ms: int = ENDS_AT_MS,
) -> Iterator[CapturedRecord]:
    """Yield the records of twelve simulated weeks up to the midnight before `ends_at_ms`, two of them poison."""
    return Simulation(seed, documents).records(topic, partitions, ends_at_ms)


def expected_milestones(seed: int = 7, documents: int = 2_000) -> dict[str, int]:
    """The milestones that are right for `simulate`, by tracker name, counted from what the documents went through."""
    return Simulation(seed, documents).expected_milestones()


class WorkingClock:
    """Turns working hours (Monday to Friday, nine a day) since the connector's start into time in ms."""

    def __init__(self, ends_at_ms: int) -> None:
        """End at the last midnight (UTC) not after `ends_at_ms`."""
        end = ends_at_ms // _DAY_MS
        days = range(end - 7 * _WEEKS, end)
        self._midnights_ms = [day * _DAY_MS for day in days if (day + 3) % 7 < 5]  # 1970-01-01 was a Thursday

    def at_ms(self, at_h: float) -> int:
        """The time `at_h` working hours after the start; before the start the clock runs day and night."""
        day = max(0, int(at_h // _HOURS_A_DAY))
        hours = at_h - day * _HOURS_A_DAY
        return self._midnights_ms[day] + _DAY_BEGINS_MS + int(hours * 3_600_000)


class Simulation:
    """The plans of all documents for one seed: the records and the ground truth are both made from them."""

    def __init__(self, seed: int = 7, documents: int = 2_000) -> None:
        """Plan what happens to about `documents` documents, at least one of each type."""
        self._seed = seed
        self._year = 2026
        self.story: tuple[str, str] = ("", "")
        self._plans: list[tuple[str, str, list[Step]]] = []
        rng = random.Random(f"{seed}-plans")
        for document_type, share in _SHARES.items():
            self._plan_type(rng, document_type, max(1, round(documents * share)))

    def expected_milestones(self) -> dict[str, int]:
        """The number of milestones by tracker name, for the trackers of DEMO_TRACKERS."""
        return {
            f"{tracker['document_type']}-{tracker['track_field']}": sum(
                milestones(steps, tracker["track_field"], tracker.get("values", []))
                for document_type, _, steps in self._plans
                if document_type == tracker["document_type"]
            )
            for tracker in DEMO_TRACKERS
        }

    def records(
        self, topic: str = "document-changes", partitions: int = 4, ends_at_ms: int = ENDS_AT_MS
    ) -> Iterator[CapturedRecord]:
        """Yield all records in the order in which they reach the topic, their offsets counted from 0 by partition."""
        rng = random.Random(f"{self._seed}-records")
        run_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        sent = _transactions(rng, Connector(topic, partitions, run_id), self._plans, WorkingClock(ends_at_ms))
        next_offsets = [0] * partitions
        for record in _redelivered(rng, sent):
            offset = next_offsets[record.partition]
            next_offsets[record.partition] = offset + 1
            yield CapturedRecord(
                record.topic, record.partition, offset, record.key, record.value, record.headers, record.timestamp
            )

    def _plan_type(self, rng: random.Random, document_type: str, count: int) -> None:
        created = sorted(rng.uniform(_OLDEST_H, UNTIL_H) for _ in range(count))
        story_at = min(bisect_left(created, _STORY_BEGINS_H), count - 1) if document_type == "Sales Order" else -1
        for index, created_h in enumerate(created):
            name = document_name(document_type, self._year, index + 1)
            if index == story_at:
                steps = self._plan_story(name, created_h)
            else:
                steps = plan(rng, document_type, created_h, UNTIL_H)
                steps = _renamed(rng, steps, new_name(document_type, name))
            self._plans.append((document_type, name, steps))

    def _plan_story(self, name: str, created_h: float) -> list[Step]:
        self.story = (name, new_name("Sales Order", name))
        begins_h = created_h if _STORY_BEGINS_H <= created_h < UNTIL_H / 2 else _STORY_BEGINS_H
        return plan_story(begins_h, self.story[1])


def _renamed(rng: random.Random, steps: list[Step], name: str) -> list[Step]:
    if len(steps) < 3 or rng.random() >= _RENAMED_SHARE:
        return steps
    at_h = rng.uniform(max(0.0, steps[0].at_h), steps[-1].at_h)
    return sorted([*steps, Step(at_h, "rename", {"name": name})], key=lambda step: step.at_h)


def _transactions(
    rng: random.Random, connector: Connector, plans: list[tuple[str, str, list[Step]]], clock: WorkingClock
) -> Transactions:
    transactions = Transactions(rng, connector)
    happenings: list[tuple[float, int, Document, Step]] = []
    snapshot: list[Document] = []
    for document_type, name, steps in plans:
        created_h = steps[0].at_h
        document = Document(document_type, first_row(rng, document_type, name, clock.at_ms(created_h)))
        if steps[0].kind == "snapshot":
            document.row.update(steps[0].values)
            snapshot.append(document)
        happenings += [
            (step.at_h, len(happenings) + at, document, step)
            for at, step in enumerate(steps)
            if step.kind != "snapshot"
        ]
    transactions.snapshot(snapshot, clock.at_ms(0.0) - 60_000)
    happenings.sort(key=lambda happening: happening[:2])
    poison_at = {len(happenings) // 3: "cut", 2 * len(happenings) // 3: "unknown op"}
    for number, (at_h, _, document, step) in enumerate(happenings):
        transactions.step(document, step, clock.at_ms(at_h))
        if kind := poison_at.get(number):
            transactions.poison(kind)
    return transactions


def _redelivered(rng: random.Random, sent: Transactions) -> Iterator[CapturedRecord]:
    """The records with runs of them once more: at once, as after the connector's restart, or much later."""
    count = len(sent.records)
    run = min(_REDELIVERED_RUN, max(1, count // 50))
    again: dict[int, list[CapturedRecord]] = {}
    for _ in range(max(1, round(count * _REDELIVERED_SHARE / run))):
        begin = rng.randrange(count - run)
        later = rng.choice((0, rng.randrange(50, 5_000)))
        copies = [sent.records[at] for at in range(begin, begin + run) if at not in sent.poison_at]
        again.setdefault(min(begin + run + later, count - 1), []).extend(copies)
    for at, record in enumerate(sent.records):
        yield record
        yield from again.get(at, ())
