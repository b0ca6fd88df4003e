"""The consumer side: assignment, both watermarks of each partition, and batches of records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial

from confluent_kafka import Consumer, KafkaError, TopicPartition
from msgspec.structs import replace

from consumer.core.inputs import Inputs
from consumer.core.positions import Start
from consumer.core.records import Batch, Partition, Span, partition_of
from consumer.core.sight import Sight
from consumer.errors import PublishDown
from consumer.kafka.consumer_errors import Troubles, broken
from consumer.kafka.detached import detached
from consumer.kafka.holding import Holding, keys_of
from consumer.kafka.intake import Taken, for_intake, reader_of
from consumer.kafka.offsets import CALL_TIMEOUT_S, GroupOffsets
from consumer.kafka.reading import Reading
from consumer.kafka.settings import input_settings
from consumer.kafka.sorting import Sorting
from consumer.kafka.subscription import leave, place_at, subscribe


class Source:
    """One member of the consumer group.

    Partitions that were assigned wait in `waiting` until `start` tells where they go on. Callbacks only take notes:
    one that raised would make the client drop the record it holds. `before_revoke` is called before partitions are
    given away; it must not raise either.
    """

    def __init__(self, kafka: Mapping[str, object], inputs: Inputs, *, native: bool = True) -> None:
        self._reading: dict[Partition, Reading] = {}
        self.waiting: set[Partition] = set()
        self._troubles = Troubles()
        self._sorting = Sorting(self._reading, self._troubles)
        self._revoked = False
        self.before_revoke: Callable[[], None] = lambda: None
        self._settings, self._inputs = for_intake(input_settings(kafka, inputs), native=native), inputs
        self._joined = 0
        self._join()

    def _join(self) -> None:
        """Becomes a member of the group. What an earlier client still says is not heard."""
        joined = self._joined = self._joined + 1
        kept = partial(self._troubles.kept, is_heard=lambda: joined == self._joined)
        self._consumer, self._intake = reader_of(
            self._settings, {"on_commit": kept(self._on_commit)}, kept(self._on_error), self._sorting, self._troubles
        )
        self._offsets = GroupOffsets(self._consumer)
        self._holding = Holding(self._consumer, self._place)
        subscribe(self._consumer, self._inputs, (kept(self._on_assign), kept(self._on_revoke), kept(self._on_lost)))

    def rejoin(self) -> None:
        """Leaves its client behind, whatever that does, and joins the group with a new one."""
        self._intake.close()
        detached(self._consumer.close, "close-left-out")
        self._forget(self.assigned)
        self._join()

    @property
    def assigned(self) -> set[Partition]:
        """All partitions of this member, read or waiting."""
        return self.waiting | self._reading.keys()

    @property
    def confirmed(self) -> dict[Partition, int]:
        """The group's committed offset, as last known, of the partitions that are being read."""
        return {key: reading.confirmed for key, reading in self._reading.items()}

    @property
    def spans(self) -> Mapping[Partition, Span]:
        """Both watermarks of the partitions that are being read; batches in flight count as done."""
        return {key: reading.span for key, reading in self._reading.items()}

    @property
    def member_id(self) -> str:
        """What the group's coordinator calls this consumer; empty before it took it in."""
        return self._consumer.memberid() or ""

    def ends(self) -> dict[Partition, int]:
        """The end of each partition that is being read, as the last fetch told it; asks nobody."""
        told = self._consumer.get_watermark_offsets
        return {key: told(TopicPartition(key.topic, key.partition), cached=True)[1] for key in self._reading}

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            # The lowest number: a place that the client has to look up (END) it may look up again half a second later,
            # and go on there instead of where `start` told it to. What lies below both watermarks is never taken.
            partition.offset = 0
        self._intake.expect(partitions)
        consumer.incremental_assign(partitions)
        consumer.pause(partitions)
        self.waiting |= keys_of(partitions)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """What is in flight is committed, or has failed, before the partitions are given away."""
        try:
            self.before_revoke()
            # What cannot be committed now is announced again by the next owner, which at_least_once allows.
            with suppress(PublishDown):
                self.commit_published()
        finally:
            self._forget(keys_of(partitions))
            consumer.incremental_unassign(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(keys_of(partitions))
        consumer.incremental_unassign(partitions)

    def _on_error(self, error: KafkaError) -> None:
        self._troubles.notice(error)

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        self._offsets.answered(error, partitions)
        if error is None:
            self._confirm({Partition(p.topic, p.partition): p.offset for p in partitions if p.error is None})

    def _forget(self, keys: set[Partition]) -> None:
        self._holding.forget(keys)
        for key in keys:
            self._reading.pop(key, None)
            self.waiting.discard(key)
        self._revoked = True

    def committed(
        self, partitions: Iterable[Partition], timeout_s: float = CALL_TIMEOUT_S
    ) -> dict[Partition, int | None]:
        """The group's committed offsets; None where Kafka has none. Waits for open transactions to end.

        Raises:
            PublishDown: no answer in time.
        """
        return self._offsets.committed(partitions, timeout_s)

    def start(self, start: Start) -> None:
        """Lets a waiting partition go on from where its watermarks say."""
        key = Partition(start.span.topic, start.span.partition)
        if key not in self.waiting:
            return
        self._place(TopicPartition(key.topic, key.partition, start.seek))
        self.waiting.discard(key)
        self._reading[key] = Reading(start)

    def commit(self, offsets: list[TopicPartition]) -> None:
        """Notes offsets to commit as the group's, for at_least_once; within a transaction the publisher does it."""
        self._offsets.note(offsets)

    def commit_published(self) -> None:
        """Has what was noted committed.

        Raises:
            PublishDown: what was noted earlier was not committed.
        """
        self._offsets.commit_noted(self._reading)

    def restart(self) -> None:
        """All partitions wait again: what was read and not committed is read once more."""
        keys = set(self._reading)
        self._consumer.pause([TopicPartition(key.topic, key.partition) for key in keys])
        self._holding.forget(keys)
        self._reading.clear()
        self.waiting |= keys

    def poll(self, max_records: int, max_bytes: int, timeout_s: float, sight: Sight | None = None) -> Batch | None:
        """The next records, up to a number and about a size; of quiet partitions the ends that were reached.

        Args:
            sight: what records may be looked at with as they come, and passed over.

        Raises:
            Transient: the watermarks have to be read again.
            Fatal: Kafka will not let this member go on.
        """
        self.commit_published()
        self._holding.resume()
        removed = self._removed()
        if removed:
            return Batch([], removed, self._consumer.consumer_group_metadata())
        try:
            taken = self._consume(max_records, max_bytes, timeout_s, sight)
        except Exception as error:
            # What it had taken is gone, and the next call would give what comes behind it.
            raise broken("consume", error) from error
        self._troubles.act()
        self._call_back()
        spans = self._spans(time.monotonic())
        if not spans:
            return None
        group = self._consumer.consumer_group_metadata()
        return Batch(taken.records, spans, group, sight=taken.sight, passed=taken.passed, large=taken.large)

    def _consume(self, max_records: int, max_bytes: int, timeout_s: float, sight: Sight | None) -> Taken:
        self._revoked = False
        taken = self._intake.take(max_records, max_bytes, timeout_s, sight)
        if not self._revoked:
            return taken
        # Callbacks ran meanwhile: what was taken before a partition was revoked is dropped.
        records = [r for r in taken.records if partition_of(r) in self._reading]
        passed = {key: some for key, some in taken.passed.items() if key in self._reading}
        return taken._replace(records=records, passed=passed)

    def _place(self, place: TopicPartition, *, paused: bool = False) -> None:
        place_at(self._consumer, place, self._intake.expect, paused=paused)

    def _call_back(self) -> None:
        """Partitions of which something else than their beginning came first are read from there again."""
        for key, begin in self._sorting.strayed().items():
            self._place(TopicPartition(key.topic, key.partition, begin))

    def _spans(self, now_s: float) -> dict[Partition, Span]:
        return {key: span for key, reading in self._reading.items() if (span := reading.taken(now_s)) is not None}

    def _removed(self) -> dict[Partition, Span]:
        """Stored, not yet published, and no longer in the log: moved over in steps."""
        return {key: span for key, reading in self._reading.items() if (span := reading.removed()) is not None}

    def hold(self, batch: Batch, held: Mapping[Partition, int]) -> Batch:
        """What of a batch comes before the offsets at which partitions have to wait; they are read again from there."""
        for key, offset in held.items():
            reading = self._reading.get(key)
            if reading is not None:
                # An end that was seen behind what waits is not reached.
                reading.goes_on_at(offset)
                self._holding.hold(key, offset)
        return batch.before(held)

    def advance(self, batch: Batch) -> None:
        """Moves both watermarks on: the batch is handed over. If it fails, `restart` takes them back."""
        for key, span in batch.spans.items():
            reading = self._reading.get(key)
            if reading is not None:
                moved = {"stored": span.stored_after, "published": span.published_after}
                reading.span = replace(reading.span, **moved)

    def confirm(self, batch: Batch) -> None:
        """Notes, in the thread that publishes, that the batch is published; of offsets only noted the answer tells."""
        if not self._offsets.are_noted:
            self._confirm({key: span.published_after for key, span in batch.spans.items()})

    def _confirm(self, offsets: Mapping[Partition, int]) -> None:
        for key, offset in offsets.items():
            if (reading := self._reading.get(key)) is not None:
                reading.confirmed = max(reading.confirmed, offset)

    def close(self) -> None:
        """Leaves the group."""
        self._intake.close()
        leave(self._consumer)
