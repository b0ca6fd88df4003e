"""Envelopes for what is compiled, and the tables that are tracked there."""

from __future__ import annotations

from typing import Any

from consumer.native import TableColumns

YEAR_1, YEAR_10000 = -62_135_596_800_000_000, 253_402_300_800_000_000
"""The first µs with four digits for its year, and the first with five."""

COLUMNS: tuple[TableColumns, ...] = (
    (b"tabTask", (b"status", b"priority"), None),
    ("tabGröße".encode(), (b"status",), (b"owner",)),
)


def envelope(table: str, was: object = "Open", now: object = "Open", **more: object) -> dict[str, Any]:
    """An update of a row of a table, in Debezium's order; `more` members come last."""
    same = {"name": "A-1", "priority": 3, "note": None, "tags": [1, {"a": True}]}
    rows = [{"status": status, **same} for status in (was, now)]
    source = {
        "version": "3.6.3.Final", "ts_ms": 1_763_800_000_000, "table": table, "server_id": 1, "gtid": None,
        "file": "binlog.000001", "pos": 325, "row": 0,
    }  # fmt: skip
    return {"before": rows[0], "after": rows[1], "source": source, "transaction": None, "op": "u", "ts_ms": 5, **more}
