"""Which trackers of a field a value meets: by value, by threshold, by condition. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from consumer.core.conditions import Condition
from consumer.core.events import ChangeEvent, Kind
from consumer.core.trackers import AFTER_RETURN, BASELINE, Rule, Tracker
from consumer.errors import RuleError

Against = tuple[str, str]
"""Why a rule is not met: the reason in a few words, and with the values at hand."""


class Judged(NamedTuple):
    """The trackers of a field whose rules a value meets, and (tracker, reason) of those that cannot tell."""

    met: tuple[Tracker, ...]
    unjudged: tuple[tuple[str, str], ...] = ()


class FieldRules:
    """The trackers that follow one field of one document type, ready to be asked.

    Disabled ones are not, but for those whose next milestone rests on what their condition said meanwhile.

    Args:
        conditions: those of these trackers, by their text.
    """

    def __init__(self, trackers: Sequence[Tracker], conditions: Mapping[str, Condition]) -> None:
        self.trackers = tuple(trackers)
        self._conditions = conditions
        enabled = tuple(tracker for tracker in trackers if not tracker.disabled or _waits(tracker.rule))
        named = {value for tracker in enabled for value in tracker.rule.values}
        self._of_any = tuple(tracker for tracker in enabled if not tracker.rule.values)
        self._of_value = {
            value: tuple(t for t in enabled if not t.rule.values or value in t.rule.values) for value in named
        }
        self.waits_for_return = any(tracker.rule.mode == AFTER_RETURN for tracker in enabled)
        self.is_plain = not self.waits_for_return and all(tracker.rule.is_plain for tracker in enabled)

    def of(self, value: str) -> tuple[Tracker, ...]:
        """The trackers that a value is one of the values of: all that there is to know where all of them are plain."""
        return self._of_value.get(value, self._of_any)

    def judge(self, event: ChangeEvent, value: str) -> Judged:
        """Who is met by a value that an event says."""
        candidates = self.of(value)
        if event.kind is Kind.SNAPSHOT:
            # Of the others nobody asks: a read has no `before`, and they could not tell.
            candidates = tuple(t for t in candidates if t.rule.snapshot != BASELINE or t.rule.mode == AFTER_RETURN)
        met: list[Tracker] = []
        unjudged: list[tuple[str, str]] = []
        for tracker in candidates:
            try:
                if self._is_met(tracker, event, value):
                    met.append(tracker)
            except RuleError as error:
                unjudged.append((tracker.name, error.reason))
        return Judged(tuple(met), tuple(unjudged))

    def against(self, tracker: Tracker, event: ChangeEvent, value: str) -> Against | None:
        """The first reason why a value does not meet a tracker's rule; None if it does."""
        rule = tracker.rule
        if rule.values and value not in rule.values:
            return "not a target", f"{value!r} is not {' or '.join(map(repr, rule.values))}"
        try:
            if not within(rule, value):
                low, high = rule.at_least, rule.at_most
                bounds = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
                return "outside the threshold", f"{value} is not {' and '.join(bounds)}"
            return self._conditions[rule.when].against(event, tracker.track_field) if rule.when else None
        except RuleError as error:
            return error.reason, str(error)

    def _is_met(self, tracker: Tracker, event: ChangeEvent, value: str) -> bool:
        rule = tracker.rule
        if not within(rule, value):
            return False
        return not rule.when or self._conditions[rule.when].holds(event, tracker.track_field)


def _waits(rule: Rule) -> bool:
    return bool(rule.when) and rule.mode == AFTER_RETURN


def within(rule: Rule, value: str) -> bool:
    """Whether a value lies within a rule's threshold.

    Raises:
        RuleError: the threshold is a number, and the value none.
    """
    low, high = rule.at_least, rule.at_most
    return (low is None or _compare(value, low) >= 0) and (high is None or _compare(value, high) <= 0)


def was_within(rule: Rule, before: str | None) -> bool:
    """Whether the value that a field had before met a rule without a condition already."""
    if before is None:
        return False
    try:
        return (not rule.values or before in rule.values) and within(rule, before)
    except RuleError:
        return False


def _compare(value: str, bound: str) -> int:
    """Numbers by value; dates and times, whose texts sort as they do, up to the precision of the bound."""
    limit = number_of(bound)
    if limit is None:
        value = value[: len(bound)]
        return (value > bound) - (value < bound)
    number = number_of(value)
    if number is None:
        raise RuleError("not a number", "the value is no number, and the threshold is one")
    return (number > limit) - (number < limit)


def number_of(text: str) -> Decimal | None:
    """The number that a canonical text is; None if it is none."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
