"""Debezium's JSON envelopes at a glance, without the interpreter's lock: `_envelopes.c`."""

class Plan:
    """Tracked tables and their columns, made once and never changed; in truth a capsule."""

def make_plan(tables: tuple[tuple[bytes, ...], ...], /) -> Plan:
    """Tables as records name them: the name and behind it one column or more, all in UTF-8.

    Raises:
        TypeError, ValueError: `tables` is of another form.
    """

def look(plan: Plan, values: list[bytes | None], /) -> tuple[int, int, list[tuple[int, int]]]:
    """How many of some values are changes of untracked tables and how many leave every column as it was.

    Then the others by their place in the list, each with the table's place in the plan whose change it seems to be;
    -1 where nothing can be told at a glance.

    Raises:
        TypeError: a value is neither bytes nor None.
    """
