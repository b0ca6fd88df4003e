"""Trackers that arrive in the stream itself: rows of Frappe's `Milestone Tracker`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from consumer.core.compiled import DocumentPlan, TrackedField
from consumer.core.events import WITH_VALUES, ChangeEvent, Kind
from consumer.core.trackers import FOLLOWED_TYPE, LONGEST_NAME, OWN_DOCUMENT_TYPES

FOLLOWED_TABLE: Final = f"tab{FOLLOWED_TYPE}"
_COLUMNS: Final = ("disabled", "document_type", "track_field")
_OFF: Final = (None, 0, "0", "", False, "false")

FOLLOWED_PLAN: Final = DocumentPlan(
    FOLLOWED_TYPE, ("name",), "modified_by", tuple(TrackedField(name, None) for name in _COLUMNS), _COLUMNS
)
"""What is read of that table."""


class FollowedTracker(msgspec.Struct, frozen=True):
    """What a row says: a tracker by its name, or (`document_type` empty) that there is none any more."""

    name: str
    document_type: str = ""
    track_field: str = ""
    disabled: bool = False


def parted(events: Sequence[ChangeEvent]) -> tuple[Sequence[ChangeEvent], Sequence[FollowedTracker]]:
    """Changes of documents, and of trackers: of each name the last one."""
    trackers: dict[str, FollowedTracker] = {}
    documents: list[ChangeEvent] = []
    for event in events:
        if event.document_type != FOLLOWED_TYPE:
            documents.append(event)
            continue
        tracker = _tracker(event)
        if tracker is not None:
            trackers.pop(tracker.name, None)
            trackers[tracker.name] = tracker
    return documents, list(trackers.values())


def _tracker(event: ChangeEvent) -> FollowedTracker | None:
    """The tracker of a row; None for a row that is none: its columns are empty or not there, or it is of own types."""
    name = event.reference_name
    if event.kind in (Kind.DELETE, Kind.RENAMED_AWAY):
        return FollowedTracker(name)
    values: dict[str, object] = {change.track_field: change.after for change in event.fields}
    if event.kind in WITH_VALUES and event.rows is not None:
        values |= event.rows.after
    document_type, track_field = values.get("document_type"), values.get("track_field")
    if not isinstance(document_type, str) or not isinstance(track_field, str):
        return None
    is_short = max(map(len, (name, document_type, track_field))) <= LONGEST_NAME
    if not document_type or not track_field or document_type in OWN_DOCUMENT_TYPES or not is_short:
        return None
    return FollowedTracker(name, document_type, track_field, values.get("disabled") not in _OFF)
