"""Stops a flood of dead letters: where hardly a record can be evaluated, it is not the records that are wrong."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence

import msgspec

from consumer.core.records import Batch, DeadLetter, Partition, offset_of
from consumer.errors import Fatal

Reason = tuple[str, str | None]
"""Error class and field of a dead letter: few, whatever the records hold."""


class DeadLetterLimits(msgspec.Struct, frozen=True):
    """How many dead letters are too many: a share (0 to 1) of the last `window` records, or more than `run` in a row.

    Records that were passed over as they were consumed are records, too.

    A share or a run of 0 is no limit.
    """

    ratio: float = 0.5
    window: int = 1_000
    run: int = 500


class Run(msgspec.Struct, frozen=True):
    """The dead letters in a row that a partition's stored records end with; what comes next is at `next_offset`."""

    next_offset: int
    reasons: Counter[Reason]


class Breaker(msgspec.Struct, frozen=True):
    """One worker's count of dead letters since it began.

    A value: `after` gives the next one, to be kept once its batch is stored. A batch that fails is not counted, and
    counts when it comes again.

    Args:
        seen: how many records were counted.
        recent: the dead letters among the last of them, each with its number.
        runs: for each partition that ends with dead letters.
    """

    limits: DeadLetterLimits = DeadLetterLimits()
    seen: int = 0
    recent: tuple[tuple[int, Reason], ...] = ()
    runs: Mapping[Partition, Run] = {}

    def after(self, batch: Batch, letters: Sequence[DeadLetter]) -> Breaker:
        """The count with a batch whose records without a verdict gave these dead letters.

        Raises:
            Fatal: they are too many. Says where, how many, and why most of them are.
        """
        records = batch.without_verdict()
        counted = _Count(self.limits, self.recent, self._going_on(batch))
        if letters or counted.runs:
            places = {(letter.topic, letter.origin.partition, letter.origin.offset): letter for letter in letters}
            for number, record in enumerate(records, self.seen + 1):
                key = (record.topic() or "", record.partition() or 0)
                passed, passed_of_all = batch.passed_before(record)
                counted.pass_over(key, passed)
                counted.take(number + passed_of_all, key, places.get((*key, offset_of(record))))
            for partition, some in batch.passed.items():
                counted.pass_over(partition, sum(some))
        elsewhere = {key: run for key, run in self.runs.items() if key not in batch.spans}
        runs = {
            key: Run(span.stored_after, counted.runs[key]) for key, span in batch.spans.items() if key in counted.runs
        }
        seen = self.seen + len(records) + sum(map(sum, batch.passed.values()))
        return Breaker(self.limits, seen, tuple(counted.recent), {**elsewhere, **runs})

    def _going_on(self, batch: Batch) -> dict[tuple[str, int], Counter[Reason]]:
        """The runs that this batch goes on with: other workers may have had a partition in between."""
        return {
            key: run.reasons.copy()
            for key, run in self.runs.items()
            if key in batch.spans and batch.spans[key].stored == run.next_offset
        }


class _Count:
    """A count while it goes over the records of a batch."""

    def __init__(
        self,
        limits: DeadLetterLimits,
        recent: Sequence[tuple[int, Reason]],
        runs: dict[tuple[str, int], Counter[Reason]],
    ) -> None:
        self._limits = limits
        self.recent, self.runs = deque(recent), runs
        self._passed: dict[tuple[str, int], int] = {}

    def pass_over(self, key: tuple[str, int], count: int) -> None:
        """So many of a partition were passed over until now: with the first more of them a run ends."""
        if count > self._passed.get(key, 0):
            self._passed[key] = count
            self.runs.pop(key, None)

    def take(self, number: int, key: tuple[str, int], letter: DeadLetter | None) -> None:
        """Counts the next record."""
        if letter is None:
            self.runs.pop(key, None)
            return
        reason = (letter.error_class, letter.field)
        self._take_in_a_row(key, reason, letter)
        self._take_recent(number, reason, letter)

    def _take_in_a_row(self, key: tuple[str, int], reason: Reason, letter: DeadLetter) -> None:
        if not self._limits.run:
            return
        run = self.runs.setdefault(key, Counter())
        run[reason] += 1
        if run.total() > self._limits.run:
            raise _flood(letter, f"{run.total()} records in a row", run, "max_dead_letter_run")

    def _take_recent(self, number: int, reason: Reason, letter: DeadLetter) -> None:
        window, ratio = self._limits.window, self._limits.ratio
        self.recent.append((number, reason))
        while self.recent[0][0] <= number - window:
            self.recent.popleft()
        # The beginning of a topic is no window: a few bad records come first there, and more good ones behind them.
        if ratio and number >= window and len(self.recent) > ratio * window:
            reasons = Counter(reason for _, reason in self.recent)
            raise _flood(letter, f"{len(self.recent)} of the last {window} records", reasons, "max_dead_letter_ratio")


def _flood(letter: DeadLetter, count: str, reasons: Counter[Reason], setting: str) -> Fatal:
    named = [f"{kind}{f' of {field}' if field else ''} ({n})" for (kind, field), n in reasons.most_common(3)]
    return Fatal(
        f"{letter.topic}-{letter.origin.partition}, offset {letter.origin.offset}: {count} could not be evaluated, "
        f"most often {', '.join(named)}; this one: {letter.message}. The batch with it was not stored and is read "
        "again. Ask `milestones doctor` for the cause, see those before with `milestones dead-letters list`; correct "
        f"the source or config.yaml and start again, or raise processing.{setting} (0: no limit)"
    )
