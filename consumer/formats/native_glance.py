"""Debezium's envelopes at a glance in C, where that was compiled: all of a batch in one call, without the lock."""

from __future__ import annotations

from operator import itemgetter

from consumer.formats.avro_programs import AvroPrograms
from consumer.formats.glance import Change, Glance, Glanced, WholeChange
from consumer.formats.rows import JsonRows
from consumer.formats.shapes import Options
from consumer.formats.tables import Tables
from consumer.formats.usual_change import UsualTable
from consumer.native import Envelopes, envelopes


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
        unusual = [place for place, table, _ in others if table < 0]
        glanced = self._others([values[place] for place in unusual])
        seen += [(unusual[at], change) for at, change in glanced.others]
        seen.sort(key=itemgetter(0))
        return Glanced(untracked + glanced.untracked, unchanged + glanced.unchanged, seen)


def glance_of(tables: Tables[JsonRows], programs: AvroPrograms | None, unavailable: str) -> Glance | NativeGlance:
    """The compiled one, where there are programs for it."""
    return Glance(tables) if programs is None else NativeGlance(tables, programs, unavailable)


def native_of(options: Options) -> Envelopes | None:
    """What was compiled, if it is wanted."""
    return envelopes if options.native else None


def first_look(options: Options) -> str:
    """Who looks first, for people."""
    return "python" if native_of(options) is None else "native"
