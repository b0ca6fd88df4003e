"""A partition that is being read, and how far."""

from __future__ import annotations

from msgspec.structs import replace

from consumer.core.positions import Start, check_proof
from consumer.core.records import LastRecord, Record, Span, fingerprint, next_offset_of, offset_of

_STEP = 20_000
_QUIET_S = 0.5


class Reading:
    """A partition that is being read.

    `proof`: the last stored record, still to be met and compared. `fresh` until that is done and the first record was
    met that is to be gone on with. `last`: the last record taken for the next batch. `begin`: where reading began;
    `expected`: where the client was told to go on last.
    """

    __slots__ = (
        "_seen",
        "_sure",
        "_taken_s",
        "begin",
        "confirmed",
        "end",
        "expected",
        "fresh",
        "last",
        "proof",
        "span",
    )

    def __init__(self, start: Start) -> None:
        self.span = start.span
        self.proof = start.proof
        self.confirmed = start.span.published
        self.begin = self.expected = start.seek
        self.fresh = True
        self.end = 0
        self.last: Record | None = None
        self._seen, self._sure, self._taken_s = -1, False, 0.0

    def begins_at(self, offset: int) -> bool:
        """Whether what comes first is what stands first in the log, and not where the client has strayed to.

        Markers or removed records may stand at the place that was asked for. Then whoever asks again gets the same
        again, since a log does not change; once would be believing that the client does as it is told.
        """
        if not self._sure:
            self._sure = offset <= self.expected or offset == self._seen
            self._seen = offset
        return self._sure

    def goes_on_at(self, offset: int) -> None:
        """The client is told to go on here; whether it does is to be seen by what comes first."""
        self.expected, self.fresh, self.end = offset, True, 0
        self._seen, self._sure = -1, False

    def admits(self, record: Record) -> bool:
        """Whether this record is one to go on with; reading began a little earlier, at the one that proves the log.

        Raises:
            Fatal: it is another log under the same topic id.
        """
        offset = offset_of(record)
        admitted = offset >= min(self.span.stored, self.span.published)
        proof = self.proof
        if proof is not None and offset >= proof.offset:
            self.proof = None
            if offset == proof.offset:
                check_proof(f"{self.span.topic}-{self.span.partition}", proof, fingerprint(record))
        self.fresh = self.proof is not None or not admitted
        return admitted

    def moved(self, next_offset: int, last: LastRecord | None = None) -> Span:
        """What a batch that reads up to `next_offset` does to this partition."""
        return replace(self.span, next_offset=next_offset, last=last, confirmed=self.confirmed)

    def taken(self, now_s: float) -> Span | None:
        """What a batch of the records taken does to this partition; None if there are none.

        Once it is quiet, the position moves to the end that was reached: markers and removed records take offsets.
        """
        if self.last is not None:
            last, self.last, self._taken_s = self.last, None, now_s
            return self.moved(next_offset_of(last), fingerprint(last))
        if self.end > min(self.span.stored, self.span.published) and now_s - self._taken_s > _QUIET_S:
            return self.moved(self.end)
        return None

    def removed(self) -> Span | None:
        """The next step over what is stored, not yet published, and no longer in the log; None if there is nothing.

        A step is bounded: all of it at once could be more than fits into memory.
        """
        gone_until = min(self.begin, self.span.stored)
        if self.span.published >= gone_until:
            return None
        return self.moved(min(self.span.published + _STEP, gone_until))
