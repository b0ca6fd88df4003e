"""Debezium's envelopes at a glance, in JSON and in Avro, without the interpreter's lock: `_envelopes.c`."""

from consumer.native import AvroProgram, Facts, TableColumns

INTERFACE: int
"""Which version of these functions was compiled: `consumer/native/__init__.py`."""

def make_plan(tables: tuple[TableColumns, ...], /) -> object:
    """A plan for `look`, of tables as records name them: the name, one tracked column or more, and those beside them
    that are told of a usual change (None: nothing is told of this table's), all in UTF-8.

    Raises:
        TypeError: `tables` is of another form.
    """

def make_programs(programs: tuple[AvroProgram, ...], /) -> object:
    """What `look` knows of Avro schemas, in order of their ids.

    A program is: the schema's id; the table that it is used for; types, parts, roles of the envelope's fields, columns
    of a row's fields (32-bit integers, as `avro.h` has them); how many columns are tracked; the places of the rows'
    type, or -1 where nobody tracks the table, and of the type of `source`; which field of the latter is the table.

    Raises:
        TypeError, ValueError: they are of another form, or refer to what they do not have.
    """

def look(
    plan: object, programs: object, values: list[bytes | None], /
) -> tuple[int, int, list[tuple[int, int, Facts | None]]]:
    """How many of some values are changes of untracked tables and how many leave every column as it was.

    Then the others by their place in the list, each with the table's place in the plan whose change it seems to be;
    -1 where nothing can be told at a glance. And what a usual change says; None for one that is not usual.

    Usual is an update with both rows or a create, from a binary log, with texts or nulls for columns. Told are: the
    tracked columns before it (None: it is a create), the columns after it, those beside the tracked ones last (None for
    one that is empty or, of these, absent); the file of the log with its server, and the place in it; `source.gtid`;
    `transaction.total_order`; `source.ts_ms`; `source.ts_us`.

    Raises:
        TypeError: a value is neither bytes nor None.
        ValueError: `plan` or `programs` are none.
    """
