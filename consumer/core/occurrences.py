"""Of the trackers whose rules a change meets: whether it is time for a milestone, by what the document was before."""

from __future__ import annotations

from consumer.core.judging import was_within
from consumer.core.states import DocumentState
from consumer.core.trackers import AFTER_RETURN, FIRST, Rule, Tracker

CameFrom = tuple[str | None, str]
"""The old value, and how it is known: `observed`, `state` or `unknown`."""


def was_unknown(came_from: CameFrom) -> bool:
    """Whether nobody knows the old value."""
    return came_from[1] == "unknown"


def comes_from(rule: Rule, came_from: CameFrom) -> bool:
    """Whether the old value is one to come from; where nobody knows it, it is none."""
    before, known = came_from
    return not rule.from_values or (known != "unknown" and before in rule.from_values)


def is_due(tracker: Tracker, document: DocumentState, came_from: CameFrom) -> bool:
    """Whether the `occurrence` of a tracker that does not count each change lets this one be a milestone."""
    rule = tracker.rule
    if rule.mode == FIRST:
        return tracker.name not in document.occurrences
    if rule.when or came_from[1] == "unknown":
        return tracker.name not in document.within
    return not was_within(rule, came_from[0])


def tells(rule: Rule, came_from: CameFrom) -> bool:
    """Whether the change itself tells that it is due, whatever else the document did before."""
    return rule.mode == AFTER_RETURN and not rule.when and came_from[1] == "observed"
