"""One worker: poll, batch, commit; and from any failure back to both watermarks.

Three threads, one step each: the loop polls, decodes and matches batch n + 2 while batch n + 1 is stored and batch n is
published. A batch takes a step only when the one before took it well; when one fails, all after it are dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

import msgspec
import structlog

from consumer import metrics
from consumer.assignment import Assignment
from consumer.batch import Read, Topics, Verdicts, publish_batch, read_batch, read_whole, store_batch
from consumer.core.breaker import Breaker, DeadLetterLimits
from consumer.core.movement import Movement
from consumer.core.records import Batch, DeadLetter, Partition
from consumer.errors import Fatal, PublishDown, Refused, RefusedByDatabase, RulesChanged, StoreDown, Transient
from consumer.faults import fault_point
from consumer.fencing import Fencings
from consumer.notices import Notices
from consumer.pacing import Pacing
from consumer.ports import Publisher, RulesInForce, Source, Store
from consumer.tuning import Tidier, computing_first, take_part_in_commits

log = structlog.get_logger(__name__)

_TOPIC_CHECK_S, _MEMBER_CHECK_S = 5.0, 15.0
_POSITIONS_S, _LONGEST_PAUSE_S = 1.0, 2.0
_SMALLEST_BATCH = 100
_COMPLAIN_S, _SPLITTING_S = 30.0, 5.0
_LEADS = 3  # A store step that was waited for is, for so many batches more, what all wait for.


class Limits(msgspec.Struct, frozen=True):
    """How much a batch may hold, how long a poll waits when nothing comes, and how many dead letters are too many."""

    records: int
    bytes: int
    poll_timeout_s: float
    dead_letters: DeadLetterLimits


class Worker:
    """Runs until it is told to stop, or until all partitions reached `targets`.

    Args:
        targets: for `--until-end`, the end of each partition when the run began; None to go on for ever.
        progress: called with the number of records of each batch that is stored and published.
    """

    def __init__(
        self,
        source: Source,
        assignment: Assignment,
        parts: tuple[RulesInForce, Store, Publisher, Topics],
        limits: Limits,
        targets: Mapping[Partition, int] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._source, self._assignment = source, assignment
        self._force, self._store, self._publisher, self._topics = parts
        self._limits = limits
        self._targets, self._progress = targets, progress
        self._batch_records = limits.records
        self._store_thread = _thread_for("store")
        self._publish_thread = _thread_for("publish")
        self._storing: Future[None] | None = None
        self._publishing: Future[None] | None = None
        self._is_storing, self._store_leads = False, 0
        self._observed: set[Partition] = set()
        self._notices, self._movement, self._tidier = Notices(), Movement(), Tidier()
        self._breaker, self._fencings = Breaker(limits.dead_letters), Fencings()
        self._split_until_s = 0.0
        self._failures = 0
        self._resume_at_s = self._check_at_s = self._observe_at_s = self._ask_at_s = self._complain_at_s = 0.0
        self._member_at_s = 0.0
        self._have_waited: set[str] = set()
        self._pacing = Pacing()
        self.stopping = False
        source.before_revoke = self._settle

    def run(self) -> None:
        """The loop.

        Raises:
            Fatal: a person has to decide something; nothing is lost.
        """
        with self._store_thread, self._publish_thread:
            self._guarded(self._take_up)
            while not self.stopping and not self._done():
                metrics.ALIVE.set_to_current_time()
                self._guarded(self._turn)
            self._guarded(self._collect)

    def stop(self) -> None:
        """The batch in hand is finished, and nothing more is begun."""
        self.stopping = True

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Transient as error:
            self._read_again(error)

    def _take_up(self) -> None:
        """Ends what a killed predecessor left open: whoever asks for committed offsets waits for its transaction."""
        self._store.connect()
        self._publisher.prepare()

    def _turn(self) -> None:
        now = time.monotonic()
        for work in (self._storing, self._publishing):
            if work is not None and work.done():
                work.result()
        if self._source.waiting and now >= self._resume_at_s:
            self._resume_at_s = now + _POSITIONS_S
            self._collect()
            self._take_up()
            self._assignment.start_waiting()
            self._failures = 0
        if now >= self._check_at_s:
            self._check_at_s = now + _TOPIC_CHECK_S
            self._assignment.check_topics({key.topic for key in self._source.assigned})
        if now >= self._member_at_s:
            self._member_at_s = now + _MEMBER_CHECK_S
            if self._assignment.is_left_out(self._source.member_id):
                self._join_anew()
        batch = self._poll()
        if batch is not None:
            fault_point("polled")
            topics_are_the_same = self._assignment.ask_topics({key.topic for key in batch.spans})
            with self._pacing.reading(large=batch.large):
                read = self._held_back(read_batch(batch, self._force))
            if read.batch.spans:
                self._hand_over(read, topics_are_the_same)
        self._observe(now)

    def _poll(self) -> Batch | None:
        self._pacing.wait(self._storing, lambda: self._publishing)
        with metrics.timed("consume"):
            limits = self._limits
            return self._source.poll(self._batch_records, limits.bytes, limits.poll_timeout_s, self._force.sight())

    def _held_back(self, read: Read) -> Read:
        """Without the records whose schema cannot be had now: their partitions wait there, the others go on."""
        held = read.decoded.held
        if not held:
            return read
        metrics.SCHEMA_WAITS.inc(len(held))
        self._have_waited.update(f"{key.topic}-{key.partition}" for key in held)
        if (now := time.monotonic()) >= self._complain_at_s:
            self._complain_at_s = now + _COMPLAIN_S
            places = sorted(self._have_waited)
            self._have_waited.clear()
            log.warning("partitions wait for a schema", partitions=places, reason=read.decoded.held_because)
        return msgspec.structs.replace(read, batch=self._source.hold(read.batch, held))

    def _hand_over(self, read: Read, check: Callable[[], object]) -> None:
        """The batch before must be stored: if it failed, this one is dropped with it."""
        if self._storing is not None:
            self._store_leads = _LEADS if self._is_storing else max(self._store_leads - 1, 0)
            self._storing.result()
        self._source.advance(read.batch)
        self._is_storing = True
        self._storing = self._store_thread.submit(self._store_step, read, check)

    def _store_step(self, read: Read, check: Callable[[], object]) -> None:
        check()
        self._split_until_s = 0.0
        self._store_and_publish(read)

    def _store_and_publish(self, read: Read) -> None:
        counted = self._breaker.after(read.batch, read.poison)
        try:
            with metrics.timed("store"), self._pacing.timed("store"), computing_first(awaited=self._store_leads > 0):
                verdicts = store_batch(read, self._force, self._store)
        except Refused as error:
            self._split(read.batch, error)
            return
        self._is_storing, self._breaker = False, counted
        self._split_until_s = self._split_until_s or time.monotonic() + _SPLITTING_S
        if self._publishing is not None:
            self._publishing.result()
        self._pacing.publish_begins()
        self._publishing = self._publish_thread.submit(self._publish_step, read.batch, verdicts)

    def _publish_step(self, batch: Batch, verdicts: Verdicts) -> None:
        with metrics.timed("publish"), self._pacing.timed("publish"):
            published = publish_batch(batch, verdicts, self._publisher, self._topics)
        self._source.confirm(batch)
        self._failures = 0
        self._fencings.published()
        self._batch_records = min(self._batch_records * 2, self._limits.records)
        metrics.READY.set(1)
        metrics.observe_batch(batch, verdicts, published)
        self._notices.tell(verdicts)
        if self._progress is not None:
            self._progress(batch.count)

    def _collect(self) -> None:
        """Waits until nothing is in flight, and raises what went wrong there."""
        try:
            if self._storing is not None:
                self._storing.result()
            if self._publishing is not None:
                self._publishing.result()
            self._source.commit_published()
        finally:
            self._settle()
            self._storing = self._publishing = None

    def _settle(self) -> None:
        """Waits until nothing is in flight, before partitions are given away; what went wrong is raised later."""
        if self._storing is not None:
            wait([self._storing])
        if self._publishing is not None:
            wait([self._publishing])

    def _split(self, batch: Batch, error: Refused) -> None:
        """One record whose rows PostgreSQL refuses must not hold up the others: halves, until it stands alone.

        Where it refuses many, that takes long, and nothing is polled meanwhile: some seconds after the first was
        stored, the rest is left to be read again.
        """
        if len(batch.records) > 1:
            for half in batch.halves():
                if 0.0 < self._split_until_s < time.monotonic():
                    raise Transient("PostgreSQL refuses many of these rows: the rest of the batch waits for a poll")
                self._store_and_publish(read_whole(half, self._force))
            return
        if not batch.records or batch.refused:
            raise Fatal(f"PostgreSQL refuses what is no record's fault: {error}") from error
        record = batch.records[0]
        letter = DeadLetter.of(RefusedByDatabase(str(error)), batch.origin(record), record.topic() or "")
        self._store_and_publish(read_whole(msgspec.structs.replace(batch, refused=(letter,)), self._force))

    def _read_again(self, error: Transient) -> None:
        """Everything in memory is dropped; partitions wait, polling goes on, and both watermarks are read again."""
        self._settle()
        self._storing = self._publishing = None
        tell = log.info if isinstance(error, RulesChanged) else log.warning
        tell("reading both watermarks again", cause=type(error).__name__, reason=str(error))
        metrics.RECOVERIES.labels(type(error).__name__).inc()
        self._force.forget_starts()
        self._source.restart()
        self._tidier.let_go()
        if isinstance(error, PublishDown):
            self._batch_records = max(self._batch_records // 2, min(_SMALLEST_BATCH, self._limits.records))
            self._fencings.count(error)
        if isinstance(error, StoreDown | PublishDown):
            metrics.READY.set(0)
        self._failures += 1
        self._resume_at_s = time.monotonic() + min(0.05 * 2 ** min(self._failures, 10), _LONGEST_PAUSE_S)

    def _join_anew(self) -> None:
        """Nothing that is in flight counts: to the group this worker was not there."""
        self._settle()
        self._storing = self._publishing = None
        log.warning("the group's coordinator knows nothing of this worker, it joins anew with a new client")
        metrics.RECOVERIES.labels("LeftOut").inc()
        self._force.forget_starts()
        self._source.rejoin()

    def _observe(self, now: float) -> None:
        self._tidier.now_and_then(now)
        if now >= self._observe_at_s:
            self._observe_at_s = now + _POSITIONS_S
            assigned, confirmed, ends = self._source.assigned, self._source.confirmed, self._source.ends()
            metrics.observe_lag(confirmed, ends)
            metrics.observe_stuck(self._movement.stuck_s(assigned, confirmed, ends, now))
            metrics.forget(self._observed - assigned)
            self._observed = assigned
            metrics.READY.set(1 if self._source.member_id and not self._source.waiting else 0)

    def _done(self) -> bool:
        """Whether every partition was stored and published up to the end it had at the start, by whichever worker."""
        if self._targets is None or self._source.waiting or time.monotonic() < self._ask_at_s:
            return False
        spans = self._source.spans
        elsewhere = {key: end for key, end in self._targets.items() if key not in spans}
        if any(min(span.stored, span.published) < self._targets.get(key, 0) for key, span in spans.items()):
            return False
        self._guarded(self._collect)
        if self._source.waiting:
            return False
        self._ask_at_s = time.monotonic() + _POSITIONS_S / 2
        try:
            return self._assignment.reached(elsewhere)
        except Transient:
            return False


def _thread_for(step: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=step, initializer=take_part_in_commits)
