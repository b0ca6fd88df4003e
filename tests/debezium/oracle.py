"""The oracle: triggers of the database log each change of a tracked column, and what they log are the milestones."""

# ruff: noqa: S608 - SQL of names of this file.

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from tests.debezium.documents import Dialect
from tests.debezium.sources import Source

LOG = "change_log"

Tracked = Sequence[tuple[str, str]]

TRACKED: Tracked = (
    ("Sales Order", "status"),
    ("Sales Order", "grand_total"),
    ("Sales Order", "terms"),
    ("Task", "status"),
    ("Task", "exp_end_date"),
    ("Task", "description"),
)
# JSON without schemas does not tell numbers and days from texts and counts.
_AS = {"grand_total": "decimal", "exp_end_date": "date"}

_NUMBERS = {"grand_total"}

Document = tuple[str, str, str]


class Reached(NamedTuple):
    """What a milestone is, besides its document and field."""

    from_value: str | None
    value: str


def create(dialect: Dialect) -> Iterator[str]:
    """The log, and a trigger for each tracked column. A snapshot's rows, made before, are no changes."""
    texts = f"was {dialect.long_text}, became {dialect.long_text}"
    document = "document_type varchar(140), name varchar(140), field varchar(140)"
    yield f"CREATE TABLE {LOG} (seq {dialect.counter}, {document}, {texts})"
    if dialect.quote == '"':
        yield _POSTGRES_FUNCTION
    for document_type, field in TRACKED:
        yield from (dialect.sql(one) for one in _triggers(dialect, document_type, field))


def trackers(tracked: Tracked) -> list[dict[str, str]]:
    """As config.yaml lists them."""
    return [
        {"document_type": document_type, "track_field": field, **({"as": _AS[field]} if field in _AS else {})}
        for document_type, field in tracked
    ]


def milestones(source: Source, tracked: Tracked) -> dict[Document, list[Reached]]:
    """By document and field, in the order of the changes. Empty is never reached."""
    found: dict[Document, list[Reached]] = {}
    for document_type, name, field, was, became in source.ask(
        f"SELECT document_type, name, field, was, became FROM {LOG} ORDER BY seq"
    ):
        if became and (document_type, field) in tracked:
            reached = Reached(_canonical(field, was) or None, _canonical(field, became))
            if reached.from_value != reached.value:
                found.setdefault((document_type, name, field), []).append(reached)
    return found


def _canonical(field: str, text: str | None) -> str:
    if field not in _NUMBERS or not text:
        return text or ""
    return format(Decimal(text).normalize() + 0, "f")


def _triggers(dialect: Dialect, document_type: str, field: str) -> Sequence[str]:
    if dialect.quote == '"':
        trigger = f"CREATE TRIGGER «{document_type} {field}» AFTER INSERT OR UPDATE ON «tab{document_type}»"
        return [f"{trigger} FOR EACH ROW EXECUTE FUNCTION log_change('{document_type}', '{field}')"]
    log = f"INSERT INTO {LOG} (document_type, name, field, was, became) SELECT '{document_type}', NEW.name, '{field}'"
    # Bytes are compared: the tables' collation takes Open and open for the same.
    differs = f"NOT (CAST(OLD.{field} AS BINARY) <=> CAST(NEW.{field} AS BINARY))"
    return [
        f"CREATE TRIGGER «{document_type} {field} {event}» AFTER {event} ON «tab{document_type}» "
        f"FOR EACH ROW {log}, {was}, CAST(NEW.{field} AS CHAR) FROM dual WHERE {condition}"
        for event, was, condition in (
            ("INSERT", "NULL", f"NEW.{field} IS NOT NULL"),
            ("UPDATE", f"CAST(OLD.{field} AS CHAR)", differs),
        )
    ]


_POSTGRES_FUNCTION = f"""
CREATE FUNCTION log_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was text;
    became text := to_jsonb(NEW) ->> TG_ARGV[1];
BEGIN
    IF TG_OP = 'UPDATE' THEN
        was := to_jsonb(OLD) ->> TG_ARGV[1];
    END IF;
    IF became IS DISTINCT FROM was THEN
        INSERT INTO {LOG} (document_type, name, field, was, became)
        VALUES (TG_ARGV[0], NEW.name, TG_ARGV[1], was, became);
    END IF;
    RETURN NULL;
END $$"""
