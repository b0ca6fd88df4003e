"""What one record says, in full: what an explanation needs beside what evaluation gets."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from consumer.core.events import ChangeEvent


class Told(msgspec.Struct, frozen=True):
    """A record, read.

    `kind` is that of the event, or what the record is instead: `tombstone`, `untracked`, `dead letter`, …
    `at`: when it happened, µs since the epoch. `unchanged`: for each tracked field that the record tells no change
    of, why. `poison`: why it cannot be read.
    """

    kind: str
    document_type: str = ""
    reference_name: str = ""
    event: ChangeEvent | None = None
    at: int | None = None
    actor: str | None = None
    unchanged: Mapping[str, str] = {}
    poison: str = ""

    def is_of(self, document_type: str, name: str) -> bool:
        """Whether it is about a document, under this name or, of a rename, the other one."""
        if self.document_type != document_type:
            return False
        return name == self.reference_name or (self.event is not None and self.event.other_name == name)


DEAD_LETTER = "dead letter"

NO_COLUMN = "column absent"
PLACEHOLDER = "unchanged TOAST"
SAME = "unchanged"
SAME_NORMALISED = "unchanged after normalising"
"""Reasons in `Told.unchanged`."""
