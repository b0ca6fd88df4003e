"""What came of a demo, read from its servers when everything is done: what `--json` prints and the summary shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, TypeVar

import msgspec

from consumer.demo.broker import Broker, PublishedEvent, count
from consumer.kafka.topics import Topics
from consumer.postgres.connection import Connection, connect, translated
from consumer.postgres.positions import stored_positions
from consumer.postgres.statements import statements

_SHOWN_DEAD_LETTERS = 5

_Fact = TypeVar("_Fact", bound=msgspec.Struct)


class Stage(msgspec.Struct, frozen=True):
    """A value that a document stayed at; `left` is false where it still does."""

    id: str
    value: str
    recorded_as: str
    actor: str | None
    entered_at: datetime
    open: bool
    duration_s: float


class Rename(msgspec.Struct, frozen=True):
    """From when on a document had another name."""

    old_name: str
    new_name: str
    renamed_at: datetime


class Timeline(msgspec.Struct, frozen=True):
    """One document and the stages of one of its fields, in order."""

    reference_type: str
    document_name: str
    milestone_tracker: str
    stages: list[Stage]
    renames: list[Rename]


class Wait(msgspec.Struct, frozen=True):
    """How long documents stayed at a value before they went on, and how many stay there now."""

    reference_type: str
    track_field: str
    value: str
    median_s: float
    left: int
    open: int


class DeadLetterFact(msgspec.Struct, frozen=True):
    """A record that could not be evaluated, and why."""

    error_class: str
    message: str
    field: str | None
    partition: int
    offset: int


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The demo in figures.

    In seconds: `elapsed_s` is all of it, `processing_s` from the first record sent to the last event published.
    `expected` is what the simulated ERP's documents went through, by tracker, counted without looking at records.
    """

    records: int
    milestones: int
    published: int
    dead_letters: int
    elapsed_s: float
    processing_s: float
    records_per_s: int
    documents: int
    by_tracker: dict[str, int]
    expected: dict[str, int] | None
    timeline: Timeline | None
    longest_waits: list[Wait]
    event: PublishedEvent | None
    dead_letter_reasons: list[DeadLetterFact]

    @property
    def as_expected(self) -> bool:
        """Whether rows and events are what the documents went through; true where nobody knows."""
        return self.expected is None or (
            {name: number for name, number in self.expected.items() if number} == self.by_tracker
            and self.published == self.milestones
        )

    def as_json(self) -> bytes:
        """One line."""
        return msgspec.json.encode(self)


class Sources(NamedTuple):
    """Where the facts are read from."""

    dsn: str
    broker: Broker
    topics: Topics
    consumed: str
    published: str
    dead_letter: str


class Timing(NamedTuple):
    """`time.monotonic()` when the command began, when the first record was sent, and when all was published."""

    began_s: float
    fed_s: float
    done_s: float


def read_facts(sources: Sources, timing: Timing, preferred: str, expected: Mapping[str, int] | None) -> Facts:
    """Everything, once the consumer has stopped. `preferred`: the document to show, if it is there."""
    records = sum(position.next_offset for position in stored_positions(sources.dsn, sources.consumed))
    with connect(sources.dsn) as connection, translated():
        by_tracker = {str(name): int(str(number)) for name, number in _rows(connection, "by_tracker")}
        timeline = _timeline(connection, preferred)
        waits = _read(connection, "longest_waits", Wait)
        letters = _read(connection, "dead_letters", DeadLetterFact, limit=_SHOWN_DEAD_LETTERS)
        documents, dead_letters = _number(connection, "documents"), _number(connection, "dead_letter_count")
    processing_s = max(timing.done_s - timing.fed_s, 0.001)
    return Facts(
        records=records,
        milestones=sum(by_tracker.values()),
        published=count(sources.topics, sources.published),
        dead_letters=dead_letters,
        elapsed_s=round(timing.done_s - timing.began_s, 2),
        processing_s=round(processing_s, 2),
        records_per_s=round(records / processing_s),
        documents=documents,
        by_tracker=by_tracker,
        expected=None if expected is None else dict(expected),
        timeline=timeline,
        longest_waits=waits,
        event=sources.broker.event(sources.topics, sources.published, _shown_event(timeline)),
        dead_letter_reasons=letters,
    )


def server_version(dsn: str) -> str:
    """PostgreSQL's version, such as `18.0`."""
    with connect(dsn) as connection, translated():
        return str(_rows(connection, "server_version")[0][0]).split()[0]


def _timeline(connection: Connection, preferred: str) -> Timeline | None:
    found = _rows(connection, "story", preferred=preferred)
    if not found:
        return None
    reference_type, name, tracker = map(str, found[0])
    stages = _read(
        connection, "stages", Stage, reference_type=reference_type, document_name=name, milestone_tracker=tracker
    )
    names = sorted({name, *(stage.recorded_as for stage in stages)})
    renames = _read(connection, "renames", Rename, reference_type=reference_type, names=names)
    return Timeline(reference_type, name, tracker, stages, renames)


def _shown_event(timeline: Timeline | None) -> str | None:
    """The last but one stage's: it came from a value and went on to another."""
    if timeline is None or not timeline.stages:
        return None
    return timeline.stages[-2 if len(timeline.stages) > 1 else -1].id


def _read(connection: Connection, name: str, shape: type[_Fact], **parameters: object) -> list[_Fact]:
    """Rows as structs, by position."""
    fields = shape.__struct_fields__
    rows = _rows(connection, name, **parameters)
    return [msgspec.convert(dict(zip(fields, row, strict=True)), shape) for row in rows]


def _rows(connection: Connection, name: str, **parameters: object) -> list[tuple[object, ...]]:
    return connection.execute(statements("demo.sql")[name], parameters).fetchall()


def _number(connection: Connection, name: str) -> int:
    return int(str(_rows(connection, name)[0][0]))
