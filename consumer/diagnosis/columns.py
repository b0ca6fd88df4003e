"""Tracked columns: whether they are there, and whether their values can be read as what they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import NamedTuple, cast

from consumer.core.compiled import DocumentPlan, TrackedField
from consumer.diagnosis.findings import Finding
from consumer.diagnosis.guesses import are_unscaled_decimals, time_encoding
from consumer.diagnosis.kinds import finding
from consumer.diagnosis.sample import Sample, share
from consumer.diagnosis.sight import Seen
from consumer.formats.avro_rows import AvroRows


def column_findings(sample: Sample) -> Iterator[Finding]:
    """About every tracked column of every document type that the sample has rows of."""
    for seen in sample.by_type().values():
        rows = [one for one in seen if one.after is not None]
        plan = seen[0].plan
        for field in plan.columns if plan is not None and rows else ():
            yield from _of_column(_Column.of(cast("DocumentPlan", plan), field, rows, sample.options.unavailable))


class _Column(NamedTuple):
    """A tracked column: the rows of its table, and those of them that have a value in it, without its placeholders."""

    type: str
    field: TrackedField
    rows: Sequence[Seen]
    having: Sequence[Seen]
    valued: Sequence[Seen]
    placeholders: int

    @classmethod
    def of(cls, plan: DocumentPlan, field: TrackedField, rows: Sequence[Seen], unavailable: str) -> _Column:
        is_placeholder = AvroRows(plan, unavailable).is_placeholder
        having = [one for one in rows if field.name in one.row]
        there = [one for one in having if one.row[field.name] not in (None, "")]
        valued = [one for one in there if not is_placeholder(one.row[field.name])]
        return cls(plan.document_type, field, rows, having, valued, len(there) - len(valued))

    @property
    def name(self) -> str:
        return self.field.name

    @property
    def place(self) -> str:
        """As trackers are named that have no name of their own."""
        return f"{self.type}.{self.name}"


def _of_column(column: _Column) -> Iterator[Finding]:
    if len(column.having) < len(column.rows):
        yield _absent(column)
    if column.placeholders:
        found = (
            f"{share(column.placeholders, len(column.rows))} rows hold the placeholder of a value that did not change"
        )
        yield finding("toast", column.place, found)
    unsaid = [one for one in column.valued if column.name not in one.encodings]
    if unsaid and _encoding_is_open(column):
        yield from _unread(column, unsaid)


def _encoding_is_open(column: _Column) -> bool:
    """Whether nothing is configured, or of a decimal only that it is one."""
    said = column.field.encoding
    return said is None or (said.name == "decimal" and said.scale is None)


def _absent(column: _Column) -> Finding:
    if column.having:
        found = f"{share(len(column.rows) - len(column.having), len(column.rows))} rows have no column {column.name}"
        return finding("field-partly", column.place, found, column=column.name)
    names = sorted({name for one in column.rows for name in one.row})
    close = get_close_matches(column.name, names, n=3, cutoff=0.6)
    advice = (
        f"did you mean {' or '.join(close)}? Correct track_field"
        if close
        else "correct track_field, or let the connector capture the column (column.include.list)"
    )
    found = f"none of {len(column.rows):,} rows has a column {column.name}"
    return finding("field-unseen", column.place, found, advice=advice)


def _unread(column: _Column, unsaid: Sequence[Seen]) -> Iterator[Finding]:
    values = [one.row[column.name] for one in unsaid]
    said = {"type": column.type, "column": column.name}
    if are_unscaled_decimals(values):
        found = f"{len(values):,} values are base64 of a number without its scale"
        yield finding("decimal-unscaled", column.place, found)
        return
    if column.field.encoding is not None:
        return
    told = Counter(one.encodings[column.name].name for one in column.rows if column.name in one.encodings)
    guess = time_encoding(column.name, values)
    if told:
        encoding = told.most_common(1)[0][0]
        found = f"{share(len(unsaid), len(column.valued))} values have no schema; the others are {encoding}"
        yield finding("as-missing", column.place, found, encoding=encoding, **said)
    elif guess is not None:
        found = f"{len(values):,} values are whole numbers that look like {guess}"
        yield finding("time-as-number", column.place, found, encoding=guess, **said)
