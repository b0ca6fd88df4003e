"""Samples for the doctor: records in, codes of findings out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from consumer.core.records import Record
from consumer.core.trackers import DocumentType, Tracker, Trackers
from consumer.diagnosis.examination import sample_findings
from consumer.diagnosis.findings import Finding, Level
from consumer.diagnosis.sample import Sample, sample_of
from consumer.formats.avro_schemas import Schemas
from consumer.formats.shapes import DEFAULTS, Options
from tests.unit.samples import REVISION, FakeRecord, envelope, mariadb_source, record, tracker


def sampled(
    records: Sequence[Record],
    *trackers: Tracker,
    documents: Mapping[str, DocumentType] | None = None,
    options: Options = DEFAULTS,
    registry: Schemas | None = None,
) -> Sample:
    """A sample; without trackers, of one Sales Order tracker on `status`."""
    followed = Trackers(REVISION, trackers or (tracker(),))
    return sample_of(records, followed, documents or {}, options, registry)


def examined(sample: Sample) -> dict[str, list[Finding]]:
    """Findings by code, without what is as it should be."""
    found: dict[str, list[Finding]] = {}
    for one in sample_findings(sample):
        if one.level is not Level.OK:
            found.setdefault(one.code, []).append(one)
    return found


def codes(findings: Iterable[Finding]) -> set[str]:
    """The codes of what asks for something."""
    return {one.code for one in findings if one.level is not Level.OK}


def update(
    offset: int,
    after: Mapping[str, object],
    before: Mapping[str, object] | None = None,
    *,
    partition: int = 0,
    key: object = ...,
    **more: object,
) -> FakeRecord:
    """An update of a Sales Order with a whole row before, ordered within its transaction, keyed by its name.

    `more` is the envelope's.
    """
    rows = {"before": dict.fromkeys(after) if before is None else before, "after": after}
    about = {"transaction": {"id": f"0-1-{offset}", "total_order": 1}, "source": mariadb_source(pos=offset)}
    value = {**envelope("u"), **rows, **about, **more}
    return record(value, partition=partition, offset=offset, key={"name": after.get("name")} if key is ... else key)


def connect_schema(*columns: Mapping[str, object]) -> dict[str, object]:
    """JsonConverter's schema of an envelope whose rows have these columns."""
    rows = [
        {"type": "struct", "optional": True, "field": side, "fields": list(columns)} for side in ("before", "after")
    ]
    return {"type": "struct", "optional": False, "name": "erp.Envelope", "fields": rows}


def with_schema(one: FakeRecord, schema: Mapping[str, object]) -> FakeRecord:
    """The record as JsonConverter writes it with `schemas.enable=true`."""
    payload = msgspec.json.decode(one.with_value or b"null")
    value = msgspec.json.encode({"schema": schema, "payload": payload})
    return FakeRecord(one.in_topic, one.in_partition, one.at, one.with_key, value, one.with_headers, one.at_ms)
