"""What a batch shows that a person should look at in the source: in the log, and not once per record."""

from __future__ import annotations

import structlog

from consumer.batch import Verdicts

log = structlog.get_logger(__name__)


class Notices:
    """One worker's notices."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()
        self._revision = ""

    def tell(self, verdicts: Verdicts) -> None:
        """Logs what a batch that was stored and published found.

        Columns that its records lacked, and rules that could not tell: once for each and revision of the trackers.
        Changes that a snapshot shows were missed: one line for the batch.
        """
        if (verdicts.absent or verdicts.unjudged) and verdicts.revision != self._revision:
            self._revision = verdicts.revision
            self._told.clear()
        if verdicts.outranked:
            log.warning(
                "trackers of the stream are not followed: config.yaml, or somebody by hand, has others of these names",
                trackers=list(verdicts.outranked),
            )
        self._tell_absent(verdicts)
        self._tell_unjudged(verdicts)
        if verdicts.missed:
            fields = {f"{document_type}.{field}": count for (document_type, field), count in verdicts.missed.items()}
            log.warning("a snapshot shows that changes were missed", fields=fields)

    def _tell_absent(self, verdicts: Verdicts) -> None:
        for document_type, field in sorted(verdicts.absent.keys() - self._told):
            self._told.add((document_type, field))
            log.warning(
                "a tracked column is not in the records, its tracker cannot be evaluated",
                document_type=document_type,
                track_field=field,
                revision=verdicts.revision,
            )

    def _tell_unjudged(self, verdicts: Verdicts) -> None:
        for tracker, reason in sorted(verdicts.unjudged.keys() - self._told):
            self._told.add((tracker, reason))
            log.warning(
                "a tracker's rule cannot tell of some changes, they are no milestones of it",
                tracker=tracker,
                reason=reason,
                revision=verdicts.revision,
            )
