"""The trackers that one worker matches with, and where each revision of them began."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from consumer.core.compiled import Rules, compile_rules
from consumer.core.followed import FOLLOWED_PLAN, FOLLOWED_TABLE
from consumer.core.records import Origin, Partition, Span
from consumer.core.sight import Sight
from consumer.core.trackers import DocumentType, Trackers, trackers_from_json
from consumer.errors import ConfigError
from consumer.ports import Decoder

log = structlog.get_logger(__name__)

_SETTLED_S = 10.0
"""How long no record is passed over once trackers changed: a batch from which some are missing can only be evaluated
under other trackers if it is read again from Kafka, and changes seldom come alone."""


class Tracking:
    """Rules of the revision in force, and the decoder made for them.

    Args:
        trackers: those in force at the start.
        documents: what config.yaml says of document types.
        decoder_for: makes a decoder for rules.
        follow: whether trackers that arrive in the stream are read.
    """

    def __init__(
        self,
        trackers: Trackers,
        documents: Mapping[str, DocumentType],
        decoder_for: Callable[[Rules], Decoder],
        *,
        follow: bool = False,
    ) -> None:
        self._documents = documents
        self._beside = {FOLLOWED_TABLE: FOLLOWED_PLAN} if follow else {}
        self._make_decoder = decoder_for
        self._began: dict[tuple[str, int], str] = {}
        self._refused = ""
        self._settled_at_s = 0.0
        self._in_force = self._compiled(trackers)

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        return self._in_force[0]

    def decoder_for(self, rules: Rules) -> Decoder:
        """The decoder made for rules, which are those in force or were until just now."""
        known, decoder = self._in_force
        return decoder if rules is known else self._make_decoder(rules)

    def sight(self) -> Sight | None:
        """What records may be looked at with as they are consumed, under the rules in force; None for all of them.

        After a change nothing is passed over until a batch was stored under the new rules, and for some seconds more.
        """
        return self._in_force[1].sight() if time.monotonic() >= self._settled_at_s else None

    def learn(self, revision: str, trackers: str) -> bool:
        """Takes on a revision that the database has now; one that cannot be read leaves the old rules in force."""
        if revision == self.rules.revision:
            return True
        if revision == self._refused:
            return False
        try:
            self._in_force = self._compiled(trackers_from_json(revision, trackers))
        except ConfigError as error:
            self._refused = revision
            log.error("trackers refused, the old ones stay in force", revision=revision, reason=str(error))
            return False
        self._settled_at_s = math.inf
        log.info("trackers changed", revision=revision, fields=len(self.rules.by_field))
        return True

    def _compiled(self, trackers: Trackers) -> tuple[Rules, Decoder]:
        rules = compile_rules(trackers, self._documents, self._beside)
        return rules, self._make_decoder(rules)

    def starts(self, revision: str, spans: Mapping[Partition, Span]) -> Sequence[Origin]:
        """Where partitions are evaluated with this revision for the first time."""
        return [
            Origin(span.topic_id, span.partition, span.stored)
            for span in spans.values()
            if self._began.get((span.topic_id, span.partition)) != revision
        ]

    def began(self, revision: str, starts: Sequence[Origin]) -> None:
        """Notes that a batch was stored, and these starts with it."""
        if self._settled_at_s == math.inf and revision == self.rules.revision:
            self._settled_at_s = time.monotonic() + _SETTLED_S
        for topic_id, partition, _ in starts:
            self._began[topic_id, partition] = revision

    def forget_starts(self) -> None:
        """They are committed again with the next batches: a database that was restored, or a replica that lagged, lacks
        what was noted last, and an audit could not tell under which rules its records were evaluated."""
        self._began.clear()
