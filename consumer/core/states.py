"""Where a document stands in one field, and which changes of it were seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from consumer.core.records import Origin

if TYPE_CHECKING:
    from consumer.core.events import ChangeEvent

REMEMBERED = 32
"""Source identities kept of each document and field."""


class StateKey(NamedTuple):
    """The key of a row of document_state."""

    reference_type: str
    reference_name: str
    track_field: str


class DocumentState(msgspec.Struct, gc=False):
    """A row of `document_state`. Times are µs since the epoch. Changed in place while one batch is evaluated.

    `known` false: no change told the value yet. `moved_to`: the name the document goes on under, while only the
    new name's half of a rename was seen. `within`: of the trackers that wait for a return, those whose rules the
    document meets since an earlier change.
    """

    known: bool = False
    value: str | None = None
    since: int | None = None
    ended_at: int | None = None
    occurrences: dict[str, int] = {}
    recent: bytes = b""
    recent_transactions: bytes = b""
    moved_to: str | None = None
    origin: Origin | None = None
    within: tuple[str, ...] = ()

    def has_seen(self, event: ChangeEvent) -> bool:
        """Whether this change moved the state before, or an equal or later record of its partition did."""
        identity, origin = event.identity, self.origin
        if origin is not None and event.origin.offset <= origin.offset and origin[:2] == event.origin[:2]:
            return True
        if self.recent and _holds(self.recent, identity.token, 8):
            return True
        return bool(identity.pair and self.recent_transactions) and self._knows_from_another_log(identity.pair)

    def is_newer_than(self, event: ChangeEvent) -> bool:
        """Whether this state is of a later time than a redriven change; never of any other change.

        Either sign suffices: a record behind the one that became the dead letter moved this state, or the value is
        there since a later time. The first sees what the second does not: a value that was left and came back.
        """
        first = event.first_origin
        if first is None:
            return False
        if self.origin is not None and self.origin[:2] == first[:2] and self.origin.offset > first.offset:
            return True
        return self.known and self.since is not None and self.since > event.reached_at

    def remember(self, event: ChangeEvent) -> None:
        """Keeps the identity of a change, and that it was the last to move this state.

        A redriven change counts as standing where it first stood: what was between there and here came after it.
        """
        identity = event.identity
        self.recent = (identity.token + self.recent)[: 8 * REMEMBERED]
        if identity.pair:
            self.recent_transactions = (identity.pair + self.recent_transactions)[: 16 * REMEMBERED]
        if not self.is_newer_than(event):
            self.origin = event.first_origin or event.origin

    def become(self, value: str | None, event: ChangeEvent) -> None:
        """Takes a value on, unless this state is newer; `since` stays where the value was the same."""
        if self.is_newer_than(event):
            return
        if not self.known or self.value != value or self.ended_at is not None:
            self.since = event.reached_at
        self.known, self.value, self.ended_at = True, value, None

    def end(self, event: ChangeEvent) -> None:
        """The document is gone under this name, unless this state is newer."""
        if self.is_newer_than(event):
            return
        self.known, self.value, self.since, self.ended_at = True, None, event.reached_at, event.reached_at
        self.within = ()

    def continue_from(self, old: DocumentState) -> None:
        """A renamed document goes on here: value, time, counts and what it has seen."""
        self.known, self.value, self.since, self.ended_at = old.known, old.value, old.since, old.ended_at
        self.occurrences, self.within = dict(old.occurrences), old.within
        self._remember_what_it_has_seen(old)

    def inherit(self, old: DocumentState) -> None:
        """A rename is learnt of when this name has gone on already: value and time stay, counts add up."""
        trackers = self.occurrences.keys() | old.occurrences.keys()
        self.occurrences = {t: self.occurrences.get(t, 0) + old.occurrences.get(t, 0) for t in sorted(trackers)}
        self._remember_what_it_has_seen(old)

    def _remember_what_it_has_seen(self, old: DocumentState) -> None:
        self.recent = (self.recent + old.recent)[: 8 * REMEMBERED]
        self.recent_transactions = (self.recent_transactions + old.recent_transactions)[: 16 * REMEMBERED]

    def count(self, tracker: str) -> int:
        """The next occurrence of a tracker for this document: 1, 2, …"""
        self.occurrences = {**self.occurrences, tracker: self.occurrences.get(tracker, 0) + 1}
        return self.occurrences[tracker]

    def stay_within(self, trackers: tuple[str, ...], unjudged: tuple[tuple[str, str], ...], event: ChangeEvent) -> None:
        """Notes whose rules are met now, unless this state is newer. Who could not tell stays what it was."""
        if self.is_newer_than(event):
            return
        untold = {name for name, _ in unjudged}
        self.within = tuple(sorted({*trackers, *(name for name in self.within if name in untold)}))

    def _knows_from_another_log(self, pair: bytes) -> bool:
        pairs, transaction, log = self.recent_transactions, pair[:8], pair[8:]
        if transaction not in pairs:
            return False
        logs = {pairs[at + 8 : at + 16] for at in range(0, len(pairs), 16) if pairs[at : at + 8] == transaction}
        return bool(logs) and log not in logs


def _holds(tokens: bytes, token: bytes, size: int) -> bool:
    at = tokens.find(token)
    while at != -1 and at % size:
        at = tokens.find(token, at + 1)
    return at != -1
