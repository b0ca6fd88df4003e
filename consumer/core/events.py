"""A change of a document, whatever format it came in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache

import msgspec
from msgspec.structs import force_setattr

from consumer.core.hashing import token_of
from consumer.core.records import DeadLetter, Origin, Partition
from consumer.errors import BadValue

_LATEST_MS = 7_258_118_400_000
"""2200-01-01. Below it, µs are exact in every number on the way to PostgreSQL. Compiled code has it too (`is_near`)."""


token_of_log = lru_cache(maxsize=64)(token_of)
"""Eight bytes for a log's name: thousands of changes in a row have it."""


class Kind(StrEnum):
    """What happened to the document."""

    CREATE = "create"
    UPDATE = "update"
    SNAPSHOT = "snapshot"
    DELETE = "delete"
    RENAMED_AWAY = "renamed away"
    RENAMED_HERE = "renamed here"


WITH_VALUES = (Kind.CREATE, Kind.UPDATE, Kind.SNAPSHOT)
"""What says which value a field has now."""


class FieldChange(msgspec.Struct, frozen=True, gc=False):
    """A tracked field before and after, as canonical text (None: empty).

    `before_known`: the event itself said `before`. `after_known` is false only in a rename that leaves the column out.
    """

    track_field: str
    before: str | None
    before_known: bool
    after: str | None
    after_known: bool = True


class SourceIdentity(msgspec.Struct, frozen=True, gc=False):
    """What the source calls this change: unique together with the document.

    `transaction` and `log` are set for binary logs with gtids: a transaction that a document knows from another
    log is a change seen before (a fail-over). `renaming` is the same for both halves of one rename. `token` and `pair`
    (of transaction and log) are what document states remember of it: made here, while another batch is stored, where
    compiled code has made none yet.
    """

    kind: str
    text: str
    transaction: str | None = None
    log: str | None = None
    renaming: str = ""
    token: bytes = b""
    pair: bytes = b""

    def __post_init__(self) -> None:
        if self.token:
            return
        pair = b"" if self.transaction is None else token_of(self.transaction) + token_of_log(self.log or "")
        force_setattr(self, "token", token_of(self.text))
        force_setattr(self, "pair", pair)

    def called(self, text: str) -> SourceIdentity:
        """The same kind by another text, of no transaction; what is remembered of it is made anew."""
        return SourceIdentity(self.kind, text, renaming=self.renaming)


class Rows(msgspec.Struct, frozen=True, gc=False):
    """What conditions see of a change's rows: the columns that some condition names, typed.

    Values are whole numbers, floats, texts, booleans, or None (empty); what the record does not say is not there.
    `before` is None where the record does not say; of a new document it is all None.
    """

    before: Mapping[str, object] | None
    after: Mapping[str, object]


class ChangeEvent(msgspec.Struct, frozen=True, gc=False):
    """One change of one document of a tracked type, reduced to what trackers need.

    `fields` holds those that changed or may have; for deletes and renames, all tracked fields.
    Times are µs since the epoch (UTC); `identity_ms` is the time inside the milestone's id. `first_origin`: where the
    record of a redriven change stood before it became a dead letter; None for all others. `rows` is there where a
    tracker of the type has a condition.
    """

    kind: Kind
    document_type: str
    reference_name: str
    fields: tuple[FieldChange, ...]
    reached_at: int
    identity_ms: int
    actor: str | None
    identity: SourceIdentity
    origin: Origin
    other_name: str | None = None
    first_origin: Origin | None = None
    rows: Rows | None = None

    @property
    def redriven(self) -> bool:
        """Whether the record was a dead letter and was sent again: later changes may have been evaluated before it."""
        return self.first_origin is not None


class Decoded(msgspec.Struct):
    """What became of the records of a batch: events, poison, and the rest counted by kind."""

    events: Sequence[ChangeEvent]
    poison: Sequence[DeadLetter]
    skipped: Counter[str]
    absent: Counter[tuple[str, str]]
    """Tracked columns that a changed record did not have: (document type, field)."""
    held: Mapping[Partition, int] = {}
    """Where partitions wait for a schema: the offset of the first record that was not decoded."""
    held_because: str = ""


def checked_time(ms: int, field: str = "source.ts_ms") -> int:
    """The time of a change, if PostgreSQL and subscribers can have it exactly.

    Raises:
        BadValue: it is before 1970 or after 2199; names the field.
    """
    if not 0 <= ms < _LATEST_MS:
        raise BadValue("the time of the change is before 1970 or after 2199", field)
    return ms
