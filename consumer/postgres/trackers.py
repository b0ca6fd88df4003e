"""The table `milestone_tracker`: the truth about which trackers are in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, cast

import msgspec

from consumer.core.trackers import Rule, Tracker, Trackers, check_together, trackers_from_json
from consumer.errors import ConfigError, Fatal
from consumer.postgres.connection import Connection, connect, translated
from consumer.postgres.statements import statements

_SQL = statements("trackers.sql")
_decode_rule = msgspec.json.Decoder(Rule).decode
_encode = msgspec.json.Encoder().encode


class Plan(NamedTuple):
    """What applying a list of trackers changes. Removed are only those that an earlier list had made."""

    added: Sequence[Tracker]
    changed: Sequence[Tracker]
    removed: Sequence[Tracker]
    unchanged: int

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return not (self.added or self.changed or self.removed)


class Revision(NamedTuple):
    """One committed state of all trackers."""

    revision: str
    created_at: datetime
    created_by: str
    trackers: Sequence[Tracker]


def current_trackers(dsn: str) -> Trackers:
    """The trackers in force."""
    with connect(dsn) as connection, translated():
        row = connection.execute(_SQL["current_revision"]).fetchone()
        if row is None:
            raise Fatal("tracker_revision is empty; restore it from a backup, or write any tracker to make a revision")
        return trackers_from_json(str(row[0]), str(row[1]))


def all_trackers(connection: Connection) -> list[Tracker]:
    """The rows of `milestone_tracker`, by name."""
    return [_tracker(cast("tuple[str, ...]", row)) for row in connection.execute(_SQL["all_trackers"]).fetchall()]


def _tracker(row: tuple[str, ...]) -> Tracker:
    name, description, document_type, track_field, rule, disabled, managed_by = row
    return Tracker(
        name=name,
        description=description,
        document_type=document_type,
        track_field=track_field,
        rule=_decode_rule(rule),
        disabled=bool(disabled),
        managed_by=managed_by,
    )


def apply_trackers(dsn: str, wanted: Sequence[Tracker], *, dry_run: bool = False) -> Plan:
    """Makes the table hold `wanted`; trackers made by hand stay.

    Raises:
        ConfigError: two of them contradict each other, or one takes the name of a tracker made by hand.
    """
    check_together(wanted)
    with connect(dsn) as connection, translated():
        connection.execute(_SQL["lock_trackers"])
        plan = _plan(all_trackers(connection), wanted)
        if dry_run or plan.empty:
            connection.rollback()
            return plan
        for tracker in (*plan.added, *plan.changed):
            connection.execute(_SQL["put_tracker"], _row(tracker))
        if plan.removed:
            connection.execute(_SQL["remove_trackers"], {"names": [t.name for t in plan.removed]})
        connection.execute(_SQL["align_followed"])
        return plan


def _plan(present: Sequence[Tracker], wanted: Sequence[Tracker]) -> Plan:
    by_name = {tracker.name: tracker for tracker in present}
    for tracker in wanted:
        if tracker.name in by_name and by_name[tracker.name].managed_by == "hand":
            raise ConfigError(
                f"tracker {tracker.name!r} was made by hand; give this one another `name`, or delete that one"
            )
    names = {tracker.name for tracker in wanted}
    added = [t for t in wanted if t.name not in by_name]
    changed = [t for t in wanted if t.name in by_name and t.differs_from(by_name[t.name])]
    removed = [t for t in present if t.managed_by == "config" and t.name not in names]
    by_hand = [t for t in present if t.managed_by == "hand"]
    check_together([*wanted, *by_hand])
    return Plan(added, changed, removed, len(wanted) - len(added) - len(changed))


def _row(tracker: Tracker) -> dict[str, object]:
    return {
        "name": tracker.name,
        "description": tracker.description,
        "document_type": tracker.document_type,
        "track_field": tracker.track_field,
        "rule": _encode(tracker.rule).decode(),
        "disabled": tracker.disabled,
        "managed_by": tracker.managed_by,
    }


def set_disabled(dsn: str, name: str, *, disabled: bool) -> None:
    """Switches one tracker off or on.

    Raises:
        ConfigError: there is no such tracker.
    """
    with connect(dsn) as connection, translated():
        if connection.execute(_SQL["set_disabled"], {"name": name, "disabled": disabled}).rowcount == 0:
            raise ConfigError(_unknown(name, all_trackers(connection)))


def remove_tracker(dsn: str, name: str) -> None:
    """Removes one tracker; its milestones stay.

    Raises:
        ConfigError: there is no such tracker.
    """
    with connect(dsn) as connection, translated():
        if connection.execute(_SQL["remove_trackers"], {"names": [name]}).rowcount == 0:
            raise ConfigError(_unknown(name, all_trackers(connection)))


def _unknown(name: str, present: Sequence[Tracker]) -> str:
    names = ", ".join(tracker.name for tracker in present) or "none"
    return f"there is no tracker {name!r}; there are: {names}"


def history(dsn: str) -> list[Revision]:
    """All revisions, the oldest first."""
    with connect(dsn) as connection, translated():
        rows = connection.execute(_SQL["history"]).fetchall()
    return [
        Revision(str(revision), cast("datetime", at), str(by), trackers_from_json(str(revision), str(text)).trackers)
        for revision, at, by, text in rows
    ]
