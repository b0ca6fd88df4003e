"""What config.yaml alone shows of how columns are read, without any server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from consumer.core.conditions import Condition
from consumer.core.trackers import DocumentType, Tracker
from consumer.diagnosis.findings import Finding
from consumer.diagnosis.kinds import finding


def configuration_findings(trackers: Sequence[Tracker], documents: Mapping[str, DocumentType]) -> Iterator[Finding]:
    """Encodings that are said and never used."""
    fields: dict[str, list[str]] = {}
    for tracker in trackers:
        named = Condition(tracker.rule.when, tracker.name).columns if tracker.rule.when else ()
        fields.setdefault(tracker.document_type, []).extend((tracker.track_field, *tracker.rule.filled, *named))
        if tracker.rule.scale is not None and tracker.rule.encoding != "decimal":
            said = f"scale: {tracker.rule.scale} without as: decimal"
            yield finding("scale-unused", f"tracker {tracker.name}", said)
    for name, document in documents.items():
        for column, encoding in document.columns.items():
            place = f"documents.{name}.columns.{column}"
            if encoding.scale is not None and encoding.name != "decimal":
                yield finding("scale-unused", place, f"scale: {encoding.scale} with as: {encoding.name}")
            if name in fields and column not in fields[name]:
                yield _unfollowed(place, column, fields[name])


def _unfollowed(place: str, column: str, fields: Sequence[str]) -> Finding:
    close = get_close_matches(column, fields, n=1)
    advice = f"did you mean {close[0]}?" if close else "remove it, or leave it for a tracker to come"
    return finding(
        "column-unfollowed", place, "no tracker follows this column, and no condition names it", advice=advice
    )
