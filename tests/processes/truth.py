"""A stream of changes whose milestones are known: `milestones` is a pure, obvious function of what was generated."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count as numbers
from itertools import islice
from random import Random
from typing import Final, NamedTuple
from zlib import crc32

TRACKED: Final = ("Sales Order", "Task", "Issue")
UNTRACKED: Final = "Note"
FIELD: Final = "status"
STAGES: Final = ("Draft", "Open", "Working", "Review", "Completed")
TRACKERS: Final = [{"document_type": name, "track_field": FIELD} for name in TRACKED]

_STARTED_AT_MS: Final = 1_763_800_000_000
_DOCUMENTS_A_TYPE: Final = 25


class Reached(NamedTuple):
    """A milestone, by what makes it the right one."""

    reference_type: str
    reference_name: str
    from_value: str | None
    value: str
    gtid: str
    occurrence: int


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one document, `number` counted over the stream; before and after are its status.

    `other_name`: for a rename, the old name (op c) or the new one (op d); both halves have one number.
    """

    number: int
    op: str
    document_type: str
    name: str
    before: str | None
    after: str | None
    other_name: str | None = None

    @property
    def gtid(self) -> str:
        """The transaction that made it."""
        return f"0-1-{self.number}"

    @property
    def key(self) -> bytes:
        """The record's key, as ByLogicalTableRouter leaves it."""
        return _json({"name": self.name, "__dbz__physicalTableIdentifier": f"erp.erp.tab{self.document_type}"})

    @property
    def value(self) -> bytes:
        """The record's value: a Debezium envelope of the MariaDB connector."""
        at_ms = _STARTED_AT_MS + self.number
        return _json(
            {
                "before": self._row(self.before) if self.op in ("u", "d") else None,
                "after": self._row(self.after) if self.op != "d" else None,
                "source": _source(self.document_type, self.gtid, self.number, at_ms),
                "transaction": {"id": self.gtid, "total_order": 1, "data_collection_order": 1},
                "op": self.op,
                "ts_ms": at_ms + 100,
            }
        )

    @property
    def headers(self) -> list[tuple[str, str | bytes | None]]:
        """Debezium's context, and for a rename the key of the other name."""
        context: list[tuple[str, str | bytes | None]] = [("__debezium.context.connectorName", b"mariadb")]
        if self.other_name is None:
            return context
        header = "__debezium.oldkey" if self.op == "c" else "__debezium.newkey"
        return [*context, (header, _json({"name": self.other_name}))]

    def partition(self, partitions: int) -> int:
        """Where the document's changes go."""
        return crc32(f"{self.document_type}/{self.name}".encode()) % partitions

    def _row(self, status: str | None) -> dict[str, object]:
        return {"name": self.name, "modified_by": "jane@example.com", "docstatus": 0, FIELD: status, "notes": "x" * 200}


def changes(count: int, seed: int = 1) -> list[Change]:
    """Creates, updates with and without a change of the status, emptied ones, deletes, snapshots; a type untracked."""
    return list(islice(endless(seed), count))


def endless(seed: int) -> Iterator[Change]:
    """As `changes`, for as long as they are asked for."""
    draw = Random(seed)
    status: dict[tuple[str, str], str] = {}
    for number in numbers(1):
        yield _change(number, draw, status)


def _change(number: int, draw: Random, status: dict[tuple[str, str], str]) -> Change:
    document_type = draw.choice((*TRACKED, UNTRACKED))
    document = (document_type, f"{document_type[:3].upper()}-{draw.randrange(_DOCUMENTS_A_TYPE):05d}")
    kind = draw.random()
    before = status.get(document)
    if before is None:
        status[document] = STAGES[0]
        return Change(number, "r" if kind < 0.1 else "c", *document, None, STAGES[0])
    if kind < 0.04:
        return Change(number, "d", *document, status.pop(document), None)
    after = before if kind < 0.3 else "" if kind < 0.34 else draw.choice(STAGES)
    status[document] = after
    return Change(number, "u", *document, before, after)


def milestones(stream: Iterable[Change], tracked: Sequence[str] | None = TRACKED) -> list[Reached]:
    """What a stream amounts to: a tracked document, created or updated, whose status is another one and not empty.

    `tracked` None takes all document types.
    """
    occurrences: Counter[tuple[str, str]] = Counter()
    reached = []
    for change in stream:
        differs = change.op in ("c", "u") and change.other_name is None and change.after != change.before
        if (tracked is None or change.document_type in tracked) and differs and change.after:
            document = (change.document_type, change.name)
            occurrences[document] += 1
            reached.append(Reached(*document, change.before or None, change.after, change.gtid, occurrences[document]))
    return reached


def of_each_document(reached: Iterable[Reached]) -> dict[tuple[str, str], Sequence[str]]:
    """The transactions of each document's milestones, in order."""
    documents: dict[tuple[str, str], list[str]] = {}
    for one in reached:
        documents.setdefault((one.reference_type, one.reference_name), []).append(one.gtid)
    return dict(documents)


def _source(document_type: str, gtid: str, number: int, at_ms: int) -> dict[str, object]:
    position = {"server_id": 1, "gtid": gtid, "file": "binlog.000001", "pos": 325 + number * 1_000, "row": 0}
    return {"connector": "mariadb", "db": "erp", "table": f"tab{document_type}", "ts_ms": at_ms, **position}


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
