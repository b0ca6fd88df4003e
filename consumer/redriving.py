"""Sending dead letters to their input topics again: which of them, in chunks, each chunk noted once it is delivered.

A crash between delivery and note leaves a dead letter `open` that was sent: sent once more, it is the same change, and
one milestone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Protocol

import msgspec

from consumer.core.dead_letters import Payload
from consumer.core.letters import NotedLetter, Place, Selection, is_of_document
from consumer.core.records import Origin
from consumer.core.redrive import Delivery, Sending, redriven_headers, trace_of
from consumer.errors import ConfigError, Fatal, MilestonesError, Poison
from consumer.faults import fault_point

_CHUNK_RECORDS = 500
_CHUNK_BYTES = 8 << 20


class Notes(Protocol):
    """The verdicts in PostgreSQL."""

    def letters(self, selection: Selection) -> Sequence[NotedLetter]: ...
    def followed_topics(self) -> set[str]: ...
    def note(self, sent: Mapping[Origin, Origin]) -> None: ...


class Reader(Protocol):
    """The records in Kafka."""

    def in_dead_letter_topic(self, wanted: Set[Origin]) -> Iterable[Payload]: ...
    def at_origins(self, wanted: Mapping[Origin, str]) -> Iterable[Payload]: ...


class Sender(Protocol):
    """The input topics."""

    def send(self, records: Sequence[Sending]) -> Mapping[Origin, Delivery]: ...


class Terms(msgspec.Struct, frozen=True):
    """What is sent: nothing that was sent before unless `again`, nothing more than `max_times`; `now_us`: the time."""

    max_times: int
    again: bool
    now_us: int


class Report(msgspec.Struct):
    """What a redrive came to, or without a sender would. `ready`: where each record goes, and for which time."""

    ready: list[tuple[NotedLetter, str, int]] = []
    left_out: Counter[str] = msgspec.field(default_factory=Counter)
    delivered: int = 0
    refused: list[tuple[Place, str]] = []


class Redrive:
    """One redrive.

    Args:
        sender: None for a dry run.
    """

    def __init__(self, notes: Notes, reader: Reader, sender: Sender | None, terms: Terms) -> None:
        self._notes, self._reader, self._sender, self._terms = notes, reader, sender, terms
        self._report = Report()

    def run(self, selection: Selection) -> Report:
        """Sends the dead letters of a selection again.

        Raises:
            ConfigError: it names a dead letter or a topic that there is not.
            Fatal: records were delivered that could not be noted.
        """
        noted, followed = self._notes.letters(selection), self._notes.followed_topics()
        _check(selection, noted, followed)
        letters = {letter.origin: letter for letter in noted if self._may_be_sent(letter)}
        payloads = (
            (letters[payload.origin], payload)
            for payload in payloads_of(letters, self._reader, self._gone)
            if selection.document is None or is_of_document(payload.key, selection.document)
        )
        for chunk in _chunks(self._sendings(payloads, followed)):
            self._send(chunk, letters)
        return self._report

    def _may_be_sent(self, letter: NotedLetter) -> bool:
        if letter.status == "superseded":
            self._report.left_out["failed again: a newer dead letter stands for them"] += 1
        elif letter.status != "open" and not self._terms.again:
            self._report.left_out["sent before; --again sends them once more"] += 1
        else:
            return True
        return False

    def _gone(self, _: NotedLetter) -> None:
        self._report.left_out["the record is gone: neither the dead-letter topic nor the input topic has it"] += 1

    def _sendings(self, found: Iterable[tuple[NotedLetter, Payload]], followed: set[str]) -> Iterator[Sending]:
        for letter, payload in found:
            try:
                trace = trace_of(payload.headers)
            except Poison:
                self._report.left_out["its milestones.redrive headers cannot be read"] += 1
                continue
            times = letter.times + (0 if trace is None else trace.times)
            if times >= self._terms.max_times:
                self._report.left_out[f"sent {self._terms.max_times} times already; see --max-times"] += 1
            elif payload.topic not in followed:
                self._report.left_out[f"this database does not follow the topic {payload.topic}"] += 1
            else:
                self._report.ready.append((letter, payload.topic, times + 1))
                yield Sending(payload, redriven_headers(payload, times + 1, self._terms.now_us))

    def _send(self, chunk: Sequence[Sending], letters: Mapping[Origin, NotedLetter]) -> None:
        if self._sender is None:
            return
        deliveries = self._sender.send(chunk)
        sent = {origin: one.sent_to for origin, one in deliveries.items() if one.sent_to is not None}
        self._report.refused += [(letters[o].place, one.refused) for o, one in deliveries.items() if o not in sent]
        fault_point("redriven")
        try:
            self._notes.note(sent)
        except MilestonesError as error:
            raise Fatal(
                f"{len(sent)} records were sent but not noted: {error}; the next redrive sends them once more, which "
                "is safe: each stays one change"
            ) from error
        self._report.delivered += len(sent)


def _check(selection: Selection, letters: Sequence[NotedLetter], followed: Set[str]) -> None:
    for place in selection.places or ():
        if not any(letter.is_at(place) for letter in letters):
            raise ConfigError(
                f"there is no dead letter {place}; `milestones dead-letters list --all` shows those there are"
            )
    if selection.topic is not None and not letters and selection.topic not in followed:
        there_are = ", ".join(sorted(followed)) or "none"
        raise ConfigError(f"--topic: this database follows no topic {selection.topic}; there are: {there_are}")


def payloads_of(
    letters: Mapping[Origin, NotedLetter], reader: Reader, gone: Callable[[NotedLetter], None]
) -> Iterator[Payload]:
    """The records of dead letters: from the dead-letter topic, else from where they first stood. `gone` is told of
    those that retention has removed from both."""
    missing = dict(letters)
    for payload in reader.in_dead_letter_topic(letters.keys()):
        del missing[payload.origin]
        yield payload
    for payload in reader.at_origins({o: letter.topic for o, letter in missing.items() if letter.topic is not None}):
        del missing[payload.origin]
        yield payload
    for letter in missing.values():
        gone(letter)


def _chunks(sendings: Iterable[Sending]) -> Iterator[list[Sending]]:
    """So many as are delivered and noted at once: after a crash no more than these are sent a second time."""
    chunk: list[Sending] = []
    size = 0
    for sending in sendings:
        chunk.append(sending)
        size += len(sending.payload.value or b"")
        if len(chunk) >= _CHUNK_RECORDS or size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
