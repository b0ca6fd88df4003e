"""A stream that costs its source little: for a soak, where the source shares two cores with everything else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Final
from zlib import crc32

_TYPES: Final = ("Task", "Task", "Note", "Note", "Note", "Note")
_STAGES: Final = (b"Draft", b"Open", b"Working", b"Review", b"Completed")
_DOCUMENTS: Final = 20_000
_ROW: Final = (
    b'{"name":"%s","modified_by":"jane@example.com","docstatus":0,"status":"%s","notes":"' + b"x" * 200 + b'"}'
)
_VALUE: Final = (
    b'{"before":%s,"after":%s,"source":{"connector":"mariadb","db":"erp","table":"tab%s","ts_ms":%d,"server_id":1,'
    b'"gtid":"0-1-%d","file":"binlog.000001","pos":%d,"row":0},"op":"%s","ts_ms":%d}'
)
_KEY: Final = b'{"name":"%s","__dbz__physicalTableIdentifier":"erp.erp.tab%s"}'
_STARTED_AT_MS: Final = 1_763_800_000_000


@dataclass(slots=True)
class Load:
    """One change, as bytes. `op` is c or u."""

    document: bytes
    key: bytes
    value: bytes
    headers: list[tuple[str, str | bytes | None]]

    def partition(self, partitions: int) -> int:
        """Where the document's changes go."""
        return crc32(self.document) % partitions


def load(seed: int) -> Iterator[Load]:
    """Tasks (tracked) and notes (not), a third and two thirds; every second change of a task is one of its status."""
    draw = Random(seed)
    stages: dict[int, int] = {}
    for number in count(1):
        at = int(draw.random() * _DOCUMENTS)
        kind = _TYPES[at % len(_TYPES)]
        name = b"%s-%05d" % (kind[:3].upper().encode(), at)
        before = stages.get(at)
        after = 0 if before is None else before if number % 2 else (before + 1 + number % 3) % len(_STAGES)
        stages[at] = after
        at_ms, table = _STARTED_AT_MS + number // 10, kind.encode()
        old = b"null" if before is None else _ROW % (name, _STAGES[before])
        op = b"c" if before is None else b"u"
        new = _ROW % (name, _STAGES[after])
        value = _VALUE % (old, new, table, at_ms, number, 325 + number * 1_000, op, at_ms)
        yield Load(name, _KEY % (name, table), value, [])
