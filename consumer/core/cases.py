"""Cases that are written beside rules: what happens to one document, and which milestones that has to give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from consumer.core.compiled import tables_of
from consumer.core.given import GivenRecord
from consumer.core.trackers import DocumentType
from consumer.errors import ConfigError

FIRST_MS = 1_767_225_600_000
"""2026-01-01 00:00 UTC: when the first change of a case happens, unless it says otherwise; the next a minute later."""

_MINUTE_MS = 60_000
_OPS = ("c", "u", "r", "d")
_CASE = ("name", "document_type", "document", "changes")
_CHANGE = ("after", "op", "before", "actor", "at_ms", "reaches")
_encode = msgspec.json.Encoder(enc_hook=str).encode


class Change(msgspec.Struct, frozen=True):
    """One change: the row before (None: none, or nobody says) and after, and the milestones to expect.

    `reaches`: tracker to value; None stands for any value.
    """

    op: str
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None
    actor: str | None
    at_ms: int
    reaches: Mapping[str, str | None]


class Case(msgspec.Struct, frozen=True):
    """One document's changes, in order."""

    name: str
    document_type: str
    document: str
    changes: tuple[Change, ...]


def cases_from(entries: object, placed: Callable[[int], str]) -> list[Case]:
    """Cases from what a person wrote in YAML; `placed` says where an entry stands.

    Raises:
        ConfigError: naming the case and the key.
    """
    if not isinstance(entries, list):
        raise ConfigError("tests: a list of cases is expected, each with document_type and changes")
    for at, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ConfigError(f"{placed(at)}: a case has keys, document_type and changes; this is {entry!r}")
    return [_case(entry, placed(at)) for at, entry in enumerate(entries)]


def _case(entry: Mapping[str, object], place: str) -> Case:
    _only(entry, _CASE, place)
    document_type, changes = entry.get("document_type"), entry.get("changes")
    if not isinstance(document_type, str) or not document_type:
        raise ConfigError(f"{place}: document_type is missing")
    name = str(entry.get("name") or document_type)
    place = f"{place} ({name})"
    if not isinstance(changes, list) or not changes or not all(isinstance(change, dict) for change in changes):
        raise ConfigError(f"{place}: changes is a list, each with the row `after` it")
    read: list[Change] = []
    for at, change in enumerate(changes):
        read.append(_change(change, read, f"{place}: changes[{at}]"))
    return Case(name, document_type, str(entry.get("document") or "DOC-1"), tuple(read))


def _change(entry: Mapping[str, object], earlier: Sequence[Change], place: str) -> Change:
    """A change; columns that it does not name stay as they were."""
    _only(entry, _CHANGE, place)
    last = earlier[-1] if earlier else None
    row = None if last is None else last.after
    op = str(entry.get("op") or ("u" if row is not None else "c"))
    if op not in _OPS:
        raise ConfigError(f"{place}: op is one of {', '.join(_OPS)}, as Debezium writes it, not {op!r}")
    after = {**(row or {}), **_row(entry, "after", place)} if op != "d" else None
    before = row
    if "before" in entry:
        before = None if entry["before"] is None else _row(entry, "before", place)
    if op in ("c", "r"):
        before = None
    at_ms = entry.get("at_ms", FIRST_MS if last is None else last.at_ms + _MINUTE_MS)
    if isinstance(at_ms, bool) or not isinstance(at_ms, int):
        raise ConfigError(f"{place}: at_ms is a whole number of milliseconds, not {at_ms!r}")
    actor = entry.get("actor")
    return Change(op, before, after, None if actor is None else str(actor), at_ms, _reaches(entry, place))


def _row(entry: Mapping[str, object], key: str, place: str) -> Mapping[str, object]:
    row = entry.get(key, {})
    if not isinstance(row, dict):
        raise ConfigError(f"{place}: {key} is a row, as in {{status: Open}}, not {row!r}")
    return {str(column): value for column, value in row.items()}


def _reaches(entry: Mapping[str, object], place: str) -> Mapping[str, str | None]:
    said = entry.get("reaches") or {}
    if isinstance(said, str):
        return {said: None}
    if isinstance(said, list):
        return {str(tracker): None for tracker in said}
    if isinstance(said, dict):
        return {str(tracker): _value(value) for tracker, value in said.items()}
    raise ConfigError(f"{place}: reaches is a tracker's name, a list of names, or names with values, not {said!r}")


def _value(value: object) -> str | None:
    return None if value is None else ("true" if value else "false") if isinstance(value, bool) else str(value)


def _only(entry: Mapping[str, object], known: Sequence[str], place: str) -> None:
    for key in entry:
        if key not in known:
            raise ConfigError(f"{place}: unknown key {key!r}; known are {', '.join(known)}")


def records_of(case: Case, described: DocumentType) -> Iterator[GivenRecord]:
    """The records that a connector would send of a case."""
    table = tables_of(described)[0]
    key = _encode(dict.fromkeys(described.key or ("name",), case.document))
    for offset, change in enumerate(case.changes):
        source = {"table": table, "ts_ms": change.at_ms}
        rows = {"before": _with(change.before, case, described, None)}
        rows["after"] = _with(change.after, case, described, change.actor)
        value = _encode({**rows, "source": source, "op": change.op, "ts_ms": change.at_ms})
        yield GivenRecord("case", 0, offset, key, value, stamped=change.at_ms)


def _with(
    row: Mapping[str, object] | None, case: Case, described: DocumentType, actor: str | None
) -> Mapping[str, object] | None:
    """The row with the columns that name the document and its actor, where the case leaves them out."""
    if row is None:
        return None
    return {**dict.fromkeys(described.key, case.document), **({described.actor: actor} if actor else {}), **row}
