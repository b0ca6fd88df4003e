"""One batch, from top to bottom. The page to read first.

Two watermarks per partition decide everything: below `stored` (PostgreSQL) every record has its verdict, and the
verdict is a row; below `published` (the group's committed offset) every event is visible. A batch moves both:

    records ─ decode ─ match ─┬─ store transaction ──────────────┬─ publish transaction ────────────┐
                              │ compare-and-set `stored`         │ events and dead letters          │
                              │ lock document states, evaluate   │ offsets: `published`             │
                              │ milestones, states, dead letters │                                  │
                              └──────────────────────── COMMIT ──┴───────────────────────── COMMIT ─┘

A crash between the two COMMITs leaves `published` behind `stored`: the rows are then looked up and published as they
were stored. A crash before the first leaves nothing. A worker that was frozen, and whose partitions others have gone on
with meanwhile, stops at the compare-and-set.

Trackers may change at any time. Which revision is in force is read in the store transaction; a batch that was read
under another one is read again, from Kafka if records were passed over for it. Trackers that come with the stream
itself (Frappe's own) are stored like milestones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from consumer.core.dead_letters import dead_letter_event
from consumer.core.evaluation import Context, alias_keys, evaluate
from consumer.core.events import Decoded
from consumer.core.followed import FOLLOWED_TABLE, FollowedTracker, parted
from consumer.core.matching import Candidate, match, state_keys
from consumer.core.milestones import Announce, Event, Milestone, announcement
from consumer.core.records import Batch, DeadLetter
from consumer.core.states import StateKey
from consumer.errors import AlreadyRecorded, DocumentAppeared, Transient
from consumer.ports import Publisher, RulesInForce, Store


class Verdicts(msgspec.Struct):
    """What a batch came to, in order of the records; and what earlier runs stored but did not publish.

    `absent` and `missed` are counted by (document type, field), `unjudged` by (tracker, reason), under the trackers of
    `revision`. `outranked`: trackers of the stream that others of the same name keep out.
    """

    milestones: Sequence[Milestone] = ()
    dead_letters: Sequence[DeadLetter] = ()
    stored_before: tuple[Sequence[Milestone], Sequence[DeadLetter]] = ((), ())
    skipped: Counter[str] = msgspec.field(default_factory=Counter)
    absent: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    missed: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    unjudged: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    revision: str = ""
    outranked: Sequence[str] = ()


class Topics(msgspec.Struct, frozen=True):
    """Where a batch publishes, and how a milestone is announced."""

    reached: str
    dead_letter: str
    announce: Announce = announcement


class Read(msgspec.Struct, frozen=True):
    """A batch, decoded and matched under one revision of the trackers: nothing is decided yet.

    `keys` are the document states that the candidates are decided by, by name: neighbours are asked for together.
    """

    batch: Batch
    revision: str
    decoded: Decoded
    candidates: Sequence[Candidate]
    keys: Sequence[StateKey]
    followed: Sequence[FollowedTracker] = ()

    @property
    def poison(self) -> list[DeadLetter]:
        """The verdicts on records that can never be evaluated."""
        return [*self.decoded.poison, *self.batch.refused]


def read_batch(batch: Batch, force: RulesInForce) -> Read:
    """Decodes and matches the records that have no verdict yet. Needs nobody: it runs while the last batch commits."""
    rules = force.rules
    decoded = force.decoder_for(rules).decode(batch)
    changes, followed = parted(decoded.events) if FOLLOWED_TABLE in rules.plans else (decoded.events, ())
    candidates = match(changes, rules)
    return Read(batch, rules.revision, decoded, candidates, state_keys(candidates), followed)


def read_whole(batch: Batch, force: RulesInForce) -> Read:
    """Reads once more what could be read before.

    Raises:
        Transient: a schema that was known is so no more, or records were passed over under other trackers.
    """
    read = read_batch(batch, force)
    if read.decoded.held:
        raise Transient(read.decoded.held_because)
    return read


def store_batch(read: Read, force: RulesInForce, store: Store) -> Verdicts:
    """Evaluates what was read and stores what it gives, all or nothing.

    Some changes may have been recorded long ago, and be remembered by no document any more: the INSERT finds them, and
    the batch is evaluated once more without them. That ends: each time there are fewer. And a document that is new to
    this batch may be new to another worker's at the same time: who comes second evaluates once more, with its state.
    """
    recorded: frozenset[str] = frozenset()
    while True:
        try:
            verdicts = _store(read, force, store, recorded)
        except AlreadyRecorded as again:
            recorded |= again.ids
        except DocumentAppeared:
            continue
        else:
            verdicts.stored_before = store.stored_verdicts(read.batch.to_publish())
            return verdicts


def _store(read: Read, force: RulesInForce, store: Store, recorded: frozenset[str]) -> Verdicts:
    spans = read.batch.to_store()
    if not spans:
        return Verdicts()
    with store.transaction(spans) as tx:  # compare-and-set first: who was frozen stops here
        trackers = tx.trackers(read.revision)
        if trackers is not None and force.learn(*trackers):  # another revision than the one it was read under
            read = read_whole(read.batch, force)
        starts = force.starts(read.revision, spans)  # partitions that this revision is used for the first time in
        tx.record_revision_starts(read.revision, starts)
        candidates = read.candidates
        states = tx.document_states(read.keys)
        first_halves = tx.first_halves(alias_keys(candidates))  # a rename is two records, in any order
        context = Context(tx.recorded_at, read.revision, read.batch.published_before, recorded)
        reached = evaluate(candidates, states, first_halves, context)
        tx.record(reached, read.poison)
        outranked = tx.follow(read.followed)  # in force from the next batch on
    force.began(read.revision, starts)
    skipped = read.decoded.skipped + reached.skipped
    return Verdicts(
        reached.milestones,
        read.poison,
        skipped=skipped,
        absent=read.decoded.absent,
        missed=reached.missed,
        unjudged=reached.unjudged,
        revision=read.revision,
        outranked=outranked,
    )


def publish_batch(batch: Batch, verdicts: Verdicts, publisher: Publisher, topics: Topics) -> int:
    """Publishes everything in `[published, next_offset)` together with the offsets; returns the number of events."""
    if not batch.to_publish():
        return 0
    earlier_milestones, earlier_letters = verdicts.stored_before
    announced = _to_announce(batch, [*earlier_milestones, *verdicts.milestones])  # the earlier ones lie below `stored`
    letters = _letters(batch, [*earlier_letters, *verdicts.dead_letters])
    with publisher.transaction(batch) as tx:
        tx.publish(topics.reached, (topics.announce(milestone) for milestone in announced))  # each when it is sent
        tx.publish(topics.dead_letter, letters)
    return len(announced) + len(letters)


def _to_announce(batch: Batch, milestones: Sequence[Milestone]) -> list[Milestone]:
    """What subscribers are to see of milestones, which are and stay in order of offset within each partition."""
    first = batch.published_before
    return [
        one
        for one in milestones
        if one.announce and not one.silent and one.origin_offset >= first[one.origin_topic_id, one.origin_partition]
    ]


def _letters(batch: Batch, letters: Sequence[DeadLetter]) -> list[Event]:
    """The records that could not be evaluated, each with its verdict."""
    first = batch.published_before
    records = batch.records_at({letter.origin for letter in letters}) if letters else {}
    return [
        dead_letter_event(letter, records.get(letter.origin))
        for letter in letters
        if letter.origin.offset >= first[letter.origin.topic_id, letter.origin.partition]
    ]
