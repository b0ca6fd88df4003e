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

        Columns that its records lacked: once for each (document type, field) and revision of the trackers. Changes that
        a snapshot shows were missed: one line for the batch.
        """
        self._tell_absent(verdicts)
        if verdicts.missed:
            fields = {f"{document_type}.{field}": count for (document_type, field), count in verdicts.missed.items()}
            log.warning("a snapshot shows that changes were missed", fields=fields)

    def _tell_absent(self, verdicts: Verdicts) -> None:
        if verdicts.absent and verdicts.revision != self._revision:
            self._revision = verdicts.revision
            self._told.clear()
        for document_type, field in sorted(verdicts.absent.keys() - self._told):
            self._told.add((document_type, field))
            log.warning(
                "a tracked column is not in the records, its tracker cannot be evaluated",
                document_type=document_type,
                track_field=field,
                revision=verdicts.revision,
            )
