"""What rules cost: sets of trackers that give the same milestones on one stream, each with more to match.

The stream's first document type gives the milestones of the sets by number; its other types are followed in columns
that never change, so that every record has to be decoded and looked at, and no row is added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bench.generate import DOCUMENT_TYPES, TRACK_FIELD, TRACKED

Trackers = Sequence[Mapping[str, object]]

_TYPES: Final = 50
_CONSTANT: Final = ("company", "currency", "territory", "owner")
_CONDITION: Final = "after.docstatus == 1 && before.status != after.status"


def _many(count: int) -> Trackers:
    """So many trackers over fifty document types; those of the first type's status stand beside one that is met."""
    names = [*DOCUMENT_TYPES, *(f"Other Type {at}" for at in range(_TYPES - len(DOCUMENT_TYPES)))]
    trackers: list[Mapping[str, object]] = [{"document_type": names[0], "track_field": TRACK_FIELD, "name": "met"}]
    for at in range(count - 1):
        document_type = names[at % _TYPES]
        of_status = document_type == names[0]
        field = TRACK_FIELD if of_status else _CONSTANT[at // _TYPES % len(_CONSTANT)]
        said = {"document_type": document_type, "track_field": field, "name": f"tracker {at}"}
        trackers.append({**said, "values": [f"never {at}"]})
    return trackers


def _of_all(**more: object) -> Trackers:
    return [{"document_type": name, "track_field": TRACK_FIELD, **more} for name in TRACKED]


SETS: Final[Mapping[str, tuple[Trackers, int]]] = {
    "trackers_1": (_many(1), 1),
    "trackers_100": (_many(100), 1),
    "trackers_1000": (_many(1_000), 1),
    "plain": (_of_all(), len(TRACKED)),
    "when": (_of_all(when=_CONDITION), len(TRACKED)),
}
"""Trackers, and how many of the stream's document types give milestones with them."""
