"""Rows before and after: what the database or the connector leaves out, and where a DEFAULT stands for NULL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from consumer.core.compiled import DocumentPlan
from consumer.diagnosis.findings import Finding
from consumer.diagnosis.kinds import finding
from consumer.diagnosis.sample import Sample, share
from consumer.diagnosis.sight import FLATTENED, MINIMAL, Seen, release
from consumer.errors import SchemaPending
from consumer.formats.avro_schemas import AvroSchemas
from consumer.formats.keys import ROUTER_FIELDS
from consumer.formats.record_keys import RecordKeys

_MENDED = (3, 6)
"""The first Debezium after the change that lets ByLogicalTableRouter keep NULL."""


def row_findings(sample: Sample) -> Iterator[Finding]:
    """What rows lack."""
    for document_type, seen in sample.by_type().items():
        yield from _before(document_type, seen)
    yield from _router(sample)
    yield from _defaults(sample)


def _before(document_type: str, seen: Sequence[Seen]) -> Iterator[Finding]:
    updates = [one for one in seen if one.op == "u" and one.shape not in (FLATTENED, MINIMAL)]
    from_postgres = [one for one in updates if one.connector == "postgresql"]
    blind = [one for one in from_postgres if one.before is None]
    if blind:
        found = f"{share(len(blind), len(from_postgres))} updates do not tell the row before"
        yield finding("replica-identity", document_type, found, table=f'"{blind[0].table}"')
    from_log = [one for one in updates if one.from_binary_log and one.plan is not None]
    partial = [one for one in from_log if one.plan is not None and _lacks_tracked(one, one.plan)]
    if partial:
        found = f"{share(len(partial), len(from_log))} updates lack tracked columns of the row before"
        yield finding("row-image", document_type, found)


def _lacks_tracked(one: Seen, plan: DocumentPlan) -> bool:
    """Whether the row before lacks what a whole row of this table has."""
    before: Mapping[str, object] = one.before or {}
    whole = one.row.keys() | {field.name for field in plan.columns} if not before else one.row.keys()
    return any(field.name in whole and field.name not in before for field in plan.columns)


def _router(sample: Sample) -> Iterator[Finding]:
    keys = RecordKeys(AvroSchemas(sample.registry))
    old = [one for one in sample.seen if () < release(one.version) < _MENDED and _is_routed(keys, one)]
    if old:
        found = f"{share(len(old), len(sample.seen))} changes went through it, in Debezium {old[-1].version}"
        yield finding("router-defaults", "sample", found)


def _is_routed(keys: RecordKeys, one: Seen) -> bool:
    try:
        fields = keys.fields(one.record)
    except SchemaPending:
        return False
    return isinstance(fields, dict) and not fields.keys().isdisjoint(ROUTER_FIELDS)


def _defaults(sample: Sample) -> Iterator[Finding]:
    """One NULL in a column with a DEFAULT, tracked or not, shows that NULL stays NULL."""
    told = [one for one in sample.seen if one.defaults and one.after is not None]
    if not told or any(one.row.get(column, 0) is None for one in told for column in one.defaults):
        return
    for document_type, seen in sample.by_type().items():
        rows = [one for one in seen if one.defaults and one.after is not None]
        columns = sorted({name for one in rows for name in _defaulted(one)})
        if columns:
            found = f"in {len(rows):,} rows, {', '.join(columns)} may be NULL, never is, and is the DEFAULT in some"
            yield finding("null-as-default", document_type, found)


def _defaulted(one: Seen) -> Iterator[str]:
    """Tracked columns that may be NULL and hold their DEFAULT."""
    for field in one.plan.columns if one.plan is not None else ():
        if field.name in one.defaults and one.row.get(field.name) == one.defaults[field.name]:
            yield field.name
