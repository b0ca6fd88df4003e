"""Trackers made ready: for decoding, what to take from each table; for matching, the rules of each field."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from consumer.core.conditions import Condition
from consumer.core.judging import FieldRules
from consumer.core.trackers import DocumentType, Tracker, Trackers, check_together
from consumer.core.values import Encoding
from consumer.errors import ConfigError


class TrackedField(msgspec.Struct, frozen=True):
    """A field that some tracker follows: a column, or a set of columns (`of`) that has a value while all are filled.

    `encoding` None means that the record's own schema may say.
    """

    name: str
    encoding: Encoding | None
    of: tuple[str, ...] = ()


class DocumentPlan(msgspec.Struct, frozen=True):
    """What decoding takes from one table's records, and nothing else. `seen` are the columns that conditions name."""

    document_type: str
    key: tuple[str, ...]
    actor: str
    fields: tuple[TrackedField, ...]
    seen: tuple[str, ...] = ()
    encodings: Mapping[str, Encoding] = {}

    @property
    def columns(self) -> tuple[TrackedField, ...]:
        """The columns whose changes count: those of a set one by one."""
        parts = (TrackedField(column, self.encodings.get(column)) for field in self.fields for column in field.of)
        return (*(field for field in self.fields if not field.of), *parts)


class Rules(msgspec.Struct, frozen=True):
    """Trackers of one revision, ready for decoding (by table) and matching (by document type and field)."""

    revision: str
    plans: Mapping[str, DocumentPlan]
    by_field: Mapping[tuple[str, str], FieldRules]


def compile_rules(
    trackers: Trackers, documents: Mapping[str, DocumentType], beside: Mapping[str, DocumentPlan] | None = None
) -> Rules:
    """Rules by table and by field. Fields of disabled trackers are followed too: switching on finds true states.

    Args:
        beside: plans of tables that are read for other ends.

    Raises:
        ConfigError: trackers or documents contradict each other, or a condition cannot be compiled.
    """
    check_together(trackers.trackers)
    conditions: dict[str, Condition] = {}
    by_type: dict[str, dict[str, list[Tracker]]] = {}
    for tracker in trackers.trackers:
        by_type.setdefault(tracker.document_type, {}).setdefault(tracker.track_field, []).append(tracker)
        if tracker.rule.when and tracker.rule.when not in conditions:
            conditions[tracker.rule.when] = Condition(tracker.rule.when, f"tracker {tracker.name!r}")
    plans = dict(beside or {})
    for name, fields in sorted(by_type.items()):
        described = documents.get(name) or DocumentType(name)
        plan = _plan(described, fields, conditions)
        for table in tables_of(described):
            if plans.setdefault(table, plan) is not plan:
                taken = plans[table].document_type
                raise ConfigError(f"documents: {taken} and {name} both say that table {table} is theirs")
    by_field = {
        (name, field): FieldRules(some, conditions)
        for name, fields in by_type.items()
        for field, some in fields.items()
    }
    return Rules(trackers.revision, plans, by_field)


def _plan(
    described: DocumentType, fields: Mapping[str, list[Tracker]], conditions: Mapping[str, Condition]
) -> DocumentPlan:
    tracked = tuple(
        TrackedField(field, _encoding(some[0], described), some[0].rule.filled)
        for field, some in sorted(fields.items())
    )
    following = [tracker for some in fields.values() for tracker in some if tracker.rule.when]
    named = {column for tracker in following for column in conditions[tracker.rule.when].columns}
    seen = named | {tracker.track_field for tracker in following}
    known = {column: encoding for column, encoding in described.columns.items() if column in seen}
    said = {field.name: field.encoding for field in tracked if field.encoding is not None and field.name in seen}
    return DocumentPlan(described.name, described.key, described.actor, tracked, tuple(sorted(seen)), known | said)


def tables_of(document: DocumentType) -> tuple[str, ...]:
    """The tables that hold a document type: the one configured, else Frappe's and the plain one."""
    if document.table is not None:
        return (document.table,)
    return (f"tab{document.name}", document.name)


def _encoding(tracker: Tracker, document: DocumentType) -> Encoding | None:
    if tracker.rule.encoding is not None:
        return Encoding(tracker.rule.encoding, tracker.rule.scale)
    return document.columns.get(tracker.track_field)
