"""Debezium's envelopes at a glance in C, where that was compiled: all of a batch in one call, without the lock."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from consumer.core.sight import Sight
from consumer.formats.avro_programs import AvroPrograms
from consumer.formats.glance import Change, Glance, Glanced, WholeChange
from consumer.formats.rows import JsonRows
from consumer.formats.shapes import Options
from consumer.formats.tables import Tables
from consumer.formats.usual_change import UsualTable
from consumer.native import CLOSER, UNTRACKED, Envelopes, LookedAt, envelopes


class NativeGlance:
    """Says of envelopes what `Glance` says, which is asked about those that are written in an unusual way.

    Args:
        programs: what was compiled, and what is known of Avro schemas; that grows.
        unavailable: Debezium's word for a column that it did not see.
    """

    def __init__(self, tables: Tables[JsonRows], programs: AvroPrograms, unavailable: str) -> None:
        named = [*tables.items()]
        self._others = Glance(tables).look
        self._tables = [UsualTable(table, WholeChange(rows), unavailable) for table, rows in named]
        self._plan = programs.native.make_plan(tuple(table.columns for table in self._tables))
        self._programs = programs
        self._look = programs.native.look

    def sight(self) -> Sight:
        """What records may be looked at with as they are consumed."""
        return Sight(self._plan, self._programs.all())

    def made(self, sight: Sight) -> bool:
        """Whether a sight is of these tables."""
        return sight.plan is self._plan

    def look(self, values: list[bytes | None]) -> Glanced:
        """What some records say."""
        untracked, unchanged, others = self._look(self._plan, self._programs.all(), values)
        tables = self._tables
        # What is seen to be a change of a table has bytes.
        seen: list[tuple[int, Change | None]] = [
            (at, tables[table].change(facts, values[at] or b"")) for at, table, facts in others if table >= 0
        ]
        if len(seen) == len(others):
            return Glanced(untracked, unchanged, seen)
        unusual = [(place, values[place]) for place, table, _ in others if table < 0]
        return self._closely(Glanced(untracked, unchanged, seen), unusual)

    def seen(self, records: Sequence[LookedAt]) -> Glanced:
        """What some records say that were looked at as they were consumed."""
        tables = self._tables
        seen: list[tuple[int, Change | None]] = []
        unusual, passed = [], []
        for place, record in enumerate(records):
            table = record.table
            if table >= 0:
                seen.append((place, tables[table].change(record.facts, record.value() or b"", record.name)))
            elif table == CLOSER:
                unusual.append((place, record.value()))
            else:
                passed.append(table)
        untracked = passed.count(UNTRACKED)
        glanced = Glanced(untracked, len(passed) - untracked, seen)
        return self._closely(glanced, unusual) if unusual else glanced

    def _closely(self, glanced: Glanced, unusual: Sequence[tuple[int, bytes | None]]) -> Glanced:
        """With what Python says of those that are written in an unusual way."""
        untracked, unchanged, others = self._others([value for _, value in unusual])
        seen = [*glanced.others, *((unusual[at][0], change) for at, change in others)]
        seen.sort(key=itemgetter(0))
        return Glanced(glanced.untracked + untracked, glanced.unchanged + unchanged, seen)


def glance_of(tables: Tables[JsonRows], programs: AvroPrograms | None, unavailable: str) -> Glance | NativeGlance:
    """The compiled one, where there are programs for it."""
    return Glance(tables) if programs is None else NativeGlance(tables, programs, unavailable)


def native_of(options: Options) -> Envelopes | None:
    """What was compiled, if it is wanted."""
    return envelopes if options.native else None


def first_look(options: Options) -> str:
    """Who looks first, for people."""
    return "python" if native_of(options) is None else "native"
