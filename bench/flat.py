"""The same stream as flattened records: what ExtractNewRecordState makes of the envelopes."""

from __future__ import annotations

from bench.generate import DOCUMENT_TYPES, STATUSES, VARIANTS, Change, Templates, row_template

_STATUSES = [status.encode() for status in STATUSES]


class FlatTemplates(Templates):
    """The new row with the metadata that docs/formats.md asks for; what was there before is not told."""

    def __init__(self, run: int = 0) -> None:
        super().__init__(run)
        self._rows = [
            [_template(document_type, variant) for variant in range(VARIANTS)] for document_type in DOCUMENT_TYPES
        ]

    def value(self, change: Change, at_ms: int) -> bytes:
        """The record's value: an update committed at `at_ms`."""
        return self._rows[change.type_at][change.document % VARIANTS] % (
            self.first_document + change.document,
            at_ms,
            _STATUSES[change.after],
            at_ms,
            self.run + 1,
            change.number * 2_000 + 325,
            self.run,
            change.number,
        )


def _template(document_type: str, variant: int) -> bytes:
    told = (
        f'"__op":"u","__table":"tab{document_type}","__source_ts_ms":%d,"__source_server_id":1,'
        '"__source_file":"binlog.%06d","__source_pos":%d,"__source_row":0,"__source_gtid":"%d-1-%d","__deleted":"false"'
    )
    return f"{row_template(document_type, variant).removesuffix('}')},{told}}}".encode()
