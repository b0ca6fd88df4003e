"""What the database itself says of its rows, in its own text: decoding is checked against this."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from psycopg import Connection as PostgresConnection
from psycopg import sql
from pymysql.connections import Connection as MariaDBConnection

Version = tuple[int, int]
Values = dict[str, str | None]


class Truth:
    """Declared type of each column, and the text of each value for each version (id, rev) of a row."""

    def __init__(self) -> None:
        self.types: dict[str, dict[str, str]] = {}
        self.rows: dict[str, dict[Version, Values]] = {}

    def note(self, table: str, types: Mapping[str, str], rows: Iterable[Mapping[str, str | None]]) -> None:
        """Add the rows as they are now; versions that were noted before stay."""
        self.types[table] = dict(types)
        noted = self.rows.setdefault(table, {})
        for row in rows:
            values = dict(row)
            noted[int(str(values.pop("id"))), int(str(values.pop("rev")))] = values

    def write(self, path: Path) -> None:
        """`{table: {"types": {column: declared}, "rows": [{"id", "rev", "values": {column: text or null}}]}}`."""
        tables = {
            table: {
                "types": self.types[table],
                "rows": [{"id": id_, "rev": rev, "values": values} for (id_, rev), values in sorted(rows.items())],
            }
            for table, rows in self.rows.items()
        }
        text = json.dumps(tables, ensure_ascii=False, separators=(",", ":")).encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text, mtime=0))


def mariadb_rows(connection: MariaDBConnection[Any], table: str) -> tuple[dict[str, str], list[Values]]:
    """Declared types, and every row as `CAST(… AS CHAR)`.

    Bytes as HEX, bits as a number, geometry as WKT; TIMESTAMP in UTC.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(
            "SELECT column_name, column_type FROM information_schema.columns "
            "WHERE table_schema = database() AND table_name = %s ORDER BY ordinal_position",
            (table,),
        )
        types = {str(name): str(declared) for name, declared in cursor.fetchall()}
        texts = ", ".join(_mariadb_text(name, declared) for name, declared in types.items())
        cursor.execute(f"SELECT {texts} FROM `{table}`")  # noqa: S608 (names from the catalogue)
        return types, [dict(zip(types, row, strict=True)) for row in cursor.fetchall()]


def _mariadb_text(name: str, declared: str) -> str:
    kind = declared.split("(", maxsplit=1)[0].split(maxsplit=1)[0]
    if kind.endswith(("blob", "binary")):
        return f"HEX(`{name}`)"
    if kind == "bit":
        return f"CAST(`{name}` + 0 AS CHAR)"
    if kind in {"geometry", "point", "polygon"}:
        return f"ST_AsText(`{name}`)"
    return f"CAST(`{name}` AS CHAR)"


def postgres_rows(connection: PostgresConnection[Any], table: str) -> tuple[dict[str, str], list[Values]]:
    """Declared types, and every row as `::text`, with times in UTC."""
    connection.execute("SET timezone = 'UTC'")
    found = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (table,),
    )
    types = {str(name): str(declared) for name, declared in found.fetchall()}
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in types)
    rows = connection.execute(sql.SQL("SELECT {} FROM {}").format(texts, sql.Identifier(table)))
    return types, [dict(zip(types, row, strict=True)) for row in rows.fetchall()]
