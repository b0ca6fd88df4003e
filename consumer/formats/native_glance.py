"""Debezium's envelopes at a glance in C, where that was compiled: all of a batch in one call, without the lock."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from consumer.formats.avro_programs import AvroPrograms
from consumer.formats.glance import Glance, Glanced, WholeChange
from consumer.formats.rows import JsonRows, tracked_columns
from consumer.formats.shapes import Options
from consumer.formats.tables import Tables
from consumer.native import Envelopes, envelopes


class NativeGlance:
    """Says of envelopes what `Glance` says, which is asked about those that are written in an unusual way.

    Args:
        native: what was compiled.
        programs: what is known of Avro schemas; that grows.
    """

    def __init__(self, tables: Tables[JsonRows], native: Envelopes, programs: AvroPrograms | None = None) -> None:
        named = [*tables.items()]
        self._others = Glance(tables).look
        self._wholes = [WholeChange(rows) for _, rows in named]
        self._plan = native.make_plan(tuple((table.encode(), *_columns(rows)) for table, rows in named))
        self._programs = programs or AvroPrograms(native)
        self._look = native.look

    def look(self, values: list[bytes | None]) -> Glanced:
        """What some records say."""
        untracked, unchanged, others = self._look(self._plan, self._programs.all(), values)
        wholes = self._wholes
        # What is seen to be a change of a table has bytes.
        seen = [(place, wholes[table].read(values[place] or b"")) for place, table in others if table >= 0]
        if len(seen) == len(others):
            return Glanced(untracked, unchanged, seen)
        unusual = [place for place, table in others if table < 0]
        glanced = self._others([values[place] for place in unusual])
        seen += [(unusual[at], change) for at, change in glanced.others]
        seen.sort(key=itemgetter(0))
        return Glanced(untracked + glanced.untracked, unchanged + glanced.unchanged, seen)


def glance_of(tables: Tables[JsonRows], options: Options, programs: AvroPrograms | None) -> Glance | NativeGlance:
    """The fastest glance that there is, and that is wanted."""
    return NativeGlance(tables, envelopes, programs) if envelopes is not None and options.native else Glance(tables)


def programs_of(options: Options) -> AvroPrograms | None:
    """What the first look is to know of Avro; None where Python looks."""
    return AvroPrograms(envelopes) if envelopes is not None and options.native else None


def first_look(options: Options) -> str:
    """Which one that is, for people."""
    return "native" if envelopes is not None and options.native else "python"


def _columns(rows: JsonRows) -> Sequence[bytes]:
    return [column.encode() for column in tracked_columns(rows.plan)]
