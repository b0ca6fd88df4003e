"""What the two halves of a rename do to a document's states, whichever comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consumer.core.events import ChangeEvent
    from consumer.core.matching import Candidate
    from consumer.core.states import DocumentState


def arrive(candidate: Candidate, here: DocumentState, there: DocumentState, *, second: bool) -> None:
    """The new name's half: the document goes on here, with the value that the row shows."""
    if not second:
        _go_on(there, here, candidate.event)
        if not there.is_newer_than(candidate.event):
            there.moved_to = candidate.event.reference_name
    if candidate.change.after_known:
        here.become(candidate.change.after, candidate.event)


def leave(event: ChangeEvent, here: DocumentState, there: DocumentState, *, second: bool) -> None:
    """The old name's half: whatever carries that name from now on is another document.

    Where it comes second and nothing is awaited any more, the document has come back to this name meanwhile.
    """
    if not second:
        _go_on(here, there, event)
        if there.moved_to == event.reference_name:
            there.moved_to = None
    elif here.moved_to != event.other_name:
        return
    if not here.is_newer_than(event):
        here.end(event)
        here.occurrences = {}
    here.moved_to = None


def _go_on(old: DocumentState, new: DocumentState, event: ChangeEvent) -> None:
    """The document's state moves to its new name. A redriven rename may find either name to be at a later time: an old
    name that was given away again tells nothing of this document, and a newer value is not overwritten."""
    if old.is_newer_than(event):
        return
    if new.is_newer_than(event):
        new.inherit(old)
    else:
        new.continue_from(old)
