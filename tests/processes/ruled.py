"""A stream for every kind of rule at once, and the milestones that it means: by `tests/unit/meanings.py`."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count as numbers
from random import Random
from typing import Any, Final
from zlib import crc32

import psycopg

from tests.unit.meanings import KINDS, MODES

DOCUMENT_TYPE: Final = "Sales Order"
TRACKERS: Final[list[dict[str, object]]] = [
    {"document_type": DOCUMENT_TYPE, "name": f"{kind}, {mode}", "occurrence": mode, **said}
    for kind, (said, _) in KINDS.items()
    for mode in MODES
]

_STARTED_AT_MS: Final = 1_795_377_835_000

Row = Mapping[str, Any]
Reached = Counter[tuple[str, str, int]]
"""Tracker, document and number of the change."""


@dataclass(frozen=True, slots=True)
class RuledChange:
    """One change of one document, `number` counted over the stream."""

    number: int
    name: str
    before: Row | None
    after: Row
    headers: list[tuple[str, str | bytes | None]]

    @property
    def key(self) -> bytes:
        """The record's key."""
        return json.dumps({"name": self.name}).encode()

    @property
    def value(self) -> bytes:
        """The record's value: a Debezium envelope of the MariaDB connector."""
        source = {
            "connector": "mariadb", "ts_ms": _STARTED_AT_MS + self.number, "table": f"tab{DOCUMENT_TYPE}",
            "server_id": 1, "gtid": f"0-1-{self.number}", "file": "binlog.000001", "pos": self.number, "row": 0,
        }  # fmt: skip
        op = "c" if self.before is None else "u"
        return json.dumps({"before": self.before, "after": self.after, "source": source, "op": op}).encode()

    def partition(self, partitions: int) -> int:
        """Where the document's changes go."""
        return crc32(self.name.encode()) % partitions


def endless(seed: int, documents: int = 30) -> Iterator[RuledChange]:
    """Changes of documents drawn at random, for as long as they are asked for."""
    draw = Random(seed)
    rows: dict[str, Row] = {}
    for number in numbers(1):
        name = f"SO-{draw.randrange(documents)}"
        before, rows[name] = rows.get(name), _row(draw)
        yield RuledChange(number, name, before, rows[name], [])


def _row(draw: Random) -> Row:
    return {
        "status": draw.choice(["Draft", "Open", "Billed", "Closed", "", None]),
        "amount": draw.choice([None, 0, 5, 99.5, 100, "100.0", 250]),
        "due": draw.choice([None, "2026-01-01", "2026-06-30", "2026-12-31"]),
        "a": draw.choice([None, "", "x"]),
        "b": draw.choice([None, "y"]),
        "docstatus": draw.choice([0, 1, 2]),
    }


def meant(stream: Iterable[RuledChange]) -> Reached:
    """What every kind of rule makes of a stream, counted in each of its ways."""
    changes: defaultdict[str, list[RuledChange]] = defaultdict(list)
    for change in stream:
        changes[change.name].append(change)
    return Counter(
        (f"{kind}, {mode}", name, some[at].number)
        for kind, (_, meaning) in KINDS.items()
        for mode in MODES
        for name, some in changes.items()
        for at in getattr(meaning, mode)([change.after for change in some])
    )


def stored(dsn: str) -> Reached:
    """What is in the table."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "select milestone_tracker, reference_name, (extract(epoch from reached_at) * 1000)::bigint from milestone"
        ).fetchall()
    return Counter((tracker, name, at_ms - _STARTED_AT_MS) for tracker, name, at_ms in rows)
