"""All that a sample shows."""

from __future__ import annotations

from collections.abc import Iterator

from consumer.diagnosis.columns import column_findings
from consumer.diagnosis.findings import Finding
from consumer.diagnosis.keys import key_findings
from consumer.diagnosis.rows import row_findings
from consumer.diagnosis.sample import Sample
from consumer.diagnosis.stream import stream_findings


def sample_findings(sample: Sample) -> Iterator[Finding]:
    """Every finding about a sample, in the order of docs/doctor.md."""
    yield from stream_findings(sample)
    yield from column_findings(sample)
    yield from row_findings(sample)
    yield from key_findings(sample)
