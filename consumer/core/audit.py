"""What must exist against what does: differences, and what cannot be told."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

import msgspec

from consumer.core.milestones import Milestone


class Kind(StrEnum):
    """How the tables or the output topic differ from what the input gives."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"
    BEYOND = "beyond the watermark"
    NOT_ANNOUNCED = "not announced"
    DOUBLED = "announced twice"
    ANNOUNCED_DIFFERENT = "announced differently"
    NOT_STORED = "announced but not stored"
    OUT_OF_ORDER = "announced out of order"
    DEAD_LETTER_MISSING = "dead letter missing"
    WATERMARK = "watermark"


class Difference(msgspec.Struct, frozen=True):
    """One difference: what it is about, where the record stands (`<topic>/<partition>/<offset>`), and what differs."""

    kind: Kind
    place: str
    about: str
    detail: str = ""
    id: str | None = None


class Span(msgspec.Struct, frozen=True):
    """The offsets of one partition that are audited: `[first, end)`.

    `stored` and `published` are the watermarks: below the second every announcement is out. `whole`: everything that
    this database evaluated is in the spans, so that the state of documents is known at each record.
    """

    topic: str
    topic_id: str
    partition: int
    first: int
    end: int
    stored: int
    published: int
    whole: bool

    def holds(self, offset: int) -> bool:
        """Whether a record is audited."""
        return self.first <= offset < self.end


class RevisionStart(NamedTuple):
    """The first offset of a partition that was evaluated with a revision of the trackers; later ones count higher."""

    topic_id: str
    partition: int
    first_offset: int
    number: int
    revision: str


class SilentRow(NamedTuple):
    """A row that was never announced: of which document and field, by which revision of the trackers, from where."""

    reference_type: str
    reference_name: str
    track_field: str
    revision: str
    topic_id: str
    partition: int
    offset: int


class Expected(msgspec.Struct, frozen=True):
    """A milestone that the input gives.

    `loose`: its document's changes stand in several partitions, whose order nobody recorded, or began before what is
    audited: what rests on the document's state cannot be told. `rests`: whether it is a milestone does.
    """

    milestone: Milestone
    loose: bool
    rests: bool = False


class Announced(NamedTuple):
    """A milestone on the output topic: how often (replays aside), where first, and the digest of its value."""

    times: int
    place: str
    digest: bytes


class Told(NamedTuple):
    """One event on the output topic: of which milestone, where, the digest of its value; and the record it tells of."""

    id: str
    place: str
    digest: bytes
    repaired: bool
    reference_type: str
    reference_name: str
    topic_id: str
    partition: int
    offset: int


class Behind(NamedTuple):
    """An event that came behind one of its document that tells of a later record, of offset `behind`."""

    id: str
    place: str
    reference_type: str
    reference_name: str
    behind: int
    repaired: bool


class Repair(StrEnum):
    """What a repair does to a milestone. Nothing is ever changed or removed."""

    WRITE_AND_ANNOUNCE = "write and announce"
    WRITE = "write"
    ANNOUNCE = "announce"


class Report(msgspec.Struct):
    """What an audit found. `differences` holds the first ones in full; `counts` counts all of them.

    `repairs`: how many differences a repair would mend, and how; `written` and `announced_late`: what it did.
    """

    records: int = 0
    expected: int = 0
    found: int = 0
    announced: int = 0
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    differences: list[Difference] = []
    untold: Counter[str] = msgspec.field(default_factory=Counter)
    repairs: Counter[str] = msgspec.field(default_factory=Counter)
    written: int = 0
    announced_late: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether everything is as the input gives it."""
        return not self.counts

    def add(self, difference: Difference, most: int) -> None:
        """Notes a difference; only so many in full."""
        self.counts[difference.kind.value] += 1
        if len(self.differences) < most:
            self.differences.append(difference)


_COMPARED = (
    "reference_type", "reference_name", "track_field", "value", "milestone_tracker", "reached_at", "actor",
    "source_identity", "source_identity_kind", "labels", "owner",
)  # fmt: skip
_OF_THE_STATE = ("from_value", "from_value_known", "occurrence")
_compared, _of_the_state = attrgetter(*_COMPARED), attrgetter(*_OF_THE_STATE)


def unlike(expected: Expected, found: Milestone) -> list[str]:
    """The columns in which a stored milestone is not what the input gives, as `name: found instead of expected`.

    Not compared: what the program decides when it stores (recorded_at, announce, silent, revision), and the origin,
    because of a change that was delivered twice either record may be the one that made it.
    """
    same = _compared(found) == _compared(expected.milestone)
    if same and (expected.loose or _of_the_state(found) == _of_the_state(expected.milestone)):
        return []
    names = _COMPARED if expected.loose else _COMPARED + _OF_THE_STATE
    return [
        f"{name}: {getattr(found, name)!r} instead of {wanted!r}"
        for name in names
        if getattr(found, name) != (wanted := getattr(expected.milestone, name))
    ]


def is_certain(expected: Expected) -> bool:
    """Whether a milestone must be there: without the document's state only what the record itself says counts."""
    return not expected.loose or (expected.milestone.from_value_known == "observed" and not expected.rests)
