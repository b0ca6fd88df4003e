"""Debezium's envelopes at a glance, in JSON and in Avro, without the interpreter's lock: `_envelopes.c`."""

from consumer.native import AvroProgram

def make_plan(tables: tuple[tuple[bytes, ...], ...], /) -> object:
    """A plan for `look`, of tables as records name them: the name and behind it one column or more, all in UTF-8.

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

def look(plan: object, programs: object, values: list[bytes | None], /) -> tuple[int, int, list[tuple[int, int]]]:
    """How many of some values are changes of untracked tables and how many leave every column as it was.

    Then the others by their place in the list, each with the table's place in the plan whose change it seems to be;
    -1 where nothing can be told at a glance.

    Raises:
        TypeError: a value is neither bytes nor None.
        ValueError: `plan` or `programs` are none.
    """
