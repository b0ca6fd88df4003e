"""Trackers: which field of which document type is followed, and which of its values are milestones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from consumer.core.values import ENCODINGS, Encoding
from consumer.errors import ConfigError

FOLLOWED_TYPE: Final = "Milestone Tracker"

OWN_DOCUMENT_TYPES = frozenset({"Milestone", FOLLOWED_TYPE})
"""Never evaluated, as in Frappe: a milestone must not make milestones."""

OWN_TABLES = frozenset(
    {"tabMilestone", "tabMilestone Tracker", "milestone", "milestone_tracker", "document_state", "document_alias"}
    | {"stream_position", "dead_letter", "tracker_revision", "tracker_revision_start", "deleted_milestone"}
)
"""This program's own tables, should somebody capture its database."""

LONGEST_NAME = 255

BASELINE, EVERY_NEW_VALUE, RECONCILE = "baseline", "milestone", "reconcile"
SNAPSHOT_MODES = (BASELINE, EVERY_NEW_VALUE, RECONCILE)
"""What a tracker makes of values that a snapshot read: nothing; milestones of those that were not known; milestones
only where another value was known, so that a change was missed."""

EVERY, FIRST, AFTER_RETURN = "every", "first", "after_return"
OCCURRENCES = (EVERY, FIRST, AFTER_RETURN)
"""How often a document reaches a milestone: with every change that meets the rule; once for ever; again only after a
change that did not meet the rule."""

FILLED: Final = "filled"
"""The value of a set of fields that are all filled."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a change of the field is a milestone. All empty is Frappe's rule: the value differs and is not empty.

    `values` are the target values, `from_values` those it must come from; canonical texts. `at_least` and `at_most`
    are thresholds: a number, or a date or time. `when` is a condition in CEL. `filled` are columns that together are
    the field: it has a value while none of them is empty. `occurrence` is one of `OCCURRENCES`; None is `every`, and
    `after_return` for thresholds. `snapshot` is one of `SNAPSHOT_MODES`.

    `encoding` (`as` in YAML) and `scale` say how the column is encoded where schemaless JSON cannot. `announce` false
    writes rows and publishes nothing; `labels` and `owner` go into row and event.
    """

    values: tuple[str, ...] = ()
    from_values: tuple[str, ...] = ()
    encoding: str | None = msgspec.field(default=None, name="as")
    scale: int | None = None
    snapshot: str = BASELINE
    at_least: str | None = None
    at_most: str | None = None
    when: str = ""
    filled: tuple[str, ...] = ()
    occurrence: str | None = None
    announce: bool = True
    labels: Mapping[str, str] = {}
    owner: str = ""

    @property
    def has_threshold(self) -> bool:
        """Whether it compares."""
        return self.at_least is not None or self.at_most is not None

    @property
    def mode(self) -> str:
        """One of `OCCURRENCES`."""
        return self.occurrence or (AFTER_RETURN if self.has_threshold else EVERY)

    @property
    def counts_each(self) -> bool:
        """Whether every change that meets the rule is a milestone."""
        if self.occurrence is None:
            return self.at_least is None and self.at_most is None
        return self.occurrence == EVERY

    @property
    def is_plain(self) -> bool:
        """Whether the value alone tells, by being one of `values`."""
        return not (self.when or self.has_threshold)


class Tracker(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `milestone_tracker`."""

    name: str
    document_type: str
    track_field: str
    description: str = ""
    rule: Rule = Rule()
    disabled: bool = False
    managed_by: str = "config"

    def differs_from(self, other: Tracker) -> bool:
        """Whether applying this over `other` changes anything a person wrote."""
        return msgspec.structs.replace(self, managed_by=other.managed_by) != other


class Trackers(msgspec.Struct, frozen=True):
    """All trackers of one revision (a random id)."""

    revision: str
    trackers: tuple[Tracker, ...]


class DocumentType(msgspec.Struct, frozen=True):
    """What config.yaml's `documents` says of one document type.

    `table` defaults to `tab<document type>`, or the document type itself; `key` are the columns of its name.
    """

    name: str
    table: str | None = None
    key: tuple[str, ...] = ()
    actor: str = "modified_by"
    columns: Mapping[str, Encoding] = {}


_decode_trackers = msgspec.json.Decoder(tuple[Tracker, ...]).decode


def trackers_from_json(revision: str, text: str) -> Trackers:
    """The trackers of a revision, as the database recorded them.

    Raises:
        ConfigError: a rule written by hand cannot be read or followed, or two trackers contradict each other.
    """
    try:
        trackers = _decode_trackers(text)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"milestone_tracker holds a rule that cannot be read: {error}; correct it there") from error
    for tracker in trackers:
        _check_rule(tracker)
    check_together(trackers)
    return Trackers(revision, trackers)


def _check_rule(tracker: Tracker) -> None:
    rule = tracker.rule
    for key, said, known in (
        ("as", rule.encoding, tuple(ENCODINGS)),
        ("snapshot", rule.snapshot, SNAPSHOT_MODES),
        ("occurrence", rule.occurrence, OCCURRENCES),
    ):
        if said is not None and said not in known:
            raise ConfigError(
                f"milestone_tracker: {tracker.name!r} has the rule {key}: {said}, which is not known; "
                f"correct it there to one of {', '.join(known)}"
            )
    if rule.filled and tracker.track_field != field_of_set(rule.filled):
        raise ConfigError(
            f"milestone_tracker: {tracker.name!r} has the rule filled, so its track_field has to be "
            f"{field_of_set(rule.filled)!r}; correct it there"
        )


def field_of_set(columns: Sequence[str]) -> str:
    """What a set of fields is called."""
    return "+".join(columns)


def check_together(trackers: Sequence[Tracker]) -> None:
    """What one tracker alone cannot show: names are unique, and one column has one encoding.

    Raises:
        ConfigError: naming both trackers.
    """
    names: set[str] = set()
    first_of: dict[tuple[str, str], Tracker] = {}
    for tracker in trackers:
        if tracker.name in names:
            raise ConfigError(f"trackers: two are named {tracker.name!r}; give one of them another name")
        names.add(tracker.name)
        first = first_of.setdefault((tracker.document_type, tracker.track_field), tracker)
        if (first.rule.encoding, first.rule.scale) != (tracker.rule.encoding, tracker.rule.scale):
            one, other = (str(t.rule.encoding or "nothing") for t in (first, tracker))
            raise ConfigError(
                f"trackers: {first.name!r} and {tracker.name!r} follow one field but differ in `as` or `scale`: "
                f"{one} and {other}; say the same in both"
            )
        if first.rule.filled != tracker.rule.filled:
            raise ConfigError(
                f"trackers: {first.name!r} and {tracker.name!r} follow {tracker.track_field!r}, "
                "and only one of them says `filled`"
            )
