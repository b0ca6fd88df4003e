"""Which table a row is of that comes without an envelope."""

from __future__ import annotations

import re
from typing import Generic, TypeVar

from consumer.core.records import Record
from consumer.formats.record_keys import RecordKeys
from consumer.formats.shapes import Options, Shape
from consumer.formats.tables import Tables

_Rows = TypeVar("_Rows")

_SUFFIX = re.compile(r"\.(?:Value|Envelope|Key)$")
_NAMELESS = "ConnectDefault"
"""What Confluent's converter calls a schema that has no name."""
_REPLACED = re.compile(r"[^a-zA-Z0-9._]")


class RowTables(Generic[_Rows]):
    """Finds the reader of a row by its metadata, by the names of its schema and topic, and by its key.

    Args:
        tables: the readers of the tracked tables.
        keys: reads what ByLogicalTableRouter adds to keys. It is the last to be asked, and only where rows are
            configured: elsewhere the value may be anything.
        options: the one topic that is read, if it is one, cannot tell tables apart.
    """

    def __init__(self, tables: Tables[_Rows], keys: RecordKeys, options: Options) -> None:
        self._tables = tables
        self._keys = keys if options.shape is Shape.FLATTENED else None
        self._only_topic = options.only_topic

    def of(self, record: Record, table: str | None = None, schema: str = "") -> tuple[_Rows | None, bool]:
        """The reader, None where the table is not tracked, and whether anything tells the table.

        Args:
            table: the table by the row's metadata, which alone counts where it is there.
            schema: the name of the row's schema.
        """
        if table is not None:
            return self._tables.of_table(table), True
        topic = record.topic() or ""
        named = _SUFFIX.sub("", schema)
        reader = self._tables.of_name(named) or self._tables.of_name(topic)
        if reader is not None:
            return reader, True
        in_key = None if self._keys is None else self._keys.table(record)
        if in_key is not None:
            return self._tables.of_identifier(in_key), True
        return None, self._tables.none or self._says_a_table(named, topic)

    def _says_a_table(self, schema: str, topic: str) -> bool:
        """Whether schema or topic are named after a table: Debezium's are called `<prefix>.<database>.<table>`.

        A router that sends all tables to one topic may name their schemas after that topic.
        """
        if schema and last_part(schema) != _NAMELESS and schema != _REPLACED.sub("_", topic) and schema != topic:
            return True
        return topic.count(".") >= 2 and topic != self._only_topic


def last_part(name: str) -> str:
    """The part of a topic's or schema's name that is the table's: of `erp.shop.tabTask` it is `tabTask`."""
    return name.rpartition(".")[2]


def table_of_schema(name: str) -> str:
    """The table's part of the name of a schema: of `erp.shop.tabTask.Value` it is `tabTask`."""
    return last_part(_SUFFIX.sub("", name))
