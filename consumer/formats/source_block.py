"""The envelope's `source` block, and the identity of a change that it gives."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from consumer.core.events import SourceIdentity
from consumer.core.records import Origin, Record, headers_of
from consumer.errors import BadValue
from consumer.formats.connect_json import storable

_LATEST_MS = 7_258_118_400_000
"""2200-01-01. Below it, µs are exact in every number on the way to PostgreSQL."""


class Source(msgspec.Struct, gc=False):
    """What is read of `source`: table, time, and the log position of MySQL and MariaDB or of PostgreSQL."""

    ts_ms: int | None = None
    ts_us: int | None = None
    table: str | None = None
    server_id: int | None = None
    gtid: str | None = None
    file: str | None = None
    pos: int | None = None
    row: int | None = None
    tx_id: int | str | None = msgspec.field(default=None, name="txId")
    lsn: int | str | None = None


class Transaction(msgspec.Struct, gc=False):
    """The envelope's `transaction` block, where the connector provides transaction metadata."""

    id: str | None = None
    total_order: int | None = None


def checked_time(ms: int) -> int:
    """The time of a change, if PostgreSQL and subscribers can have it exactly.

    Raises:
        BadValue: it is before 1970 or after 2199.
    """
    if not 0 <= ms < _LATEST_MS:
        raise BadValue("the time of the change is before 1970 or after 2199", "source.ts_ms")
    return ms


def identity_of(
    source: Source, transaction: Transaction | None, record: Record, origin: Origin, id_headers: Sequence[str]
) -> SourceIdentity:
    """What the source calls this change, by the best that the record offers.

    gtid with its order in the transaction; else the binary log's position; PostgreSQL's LSN with its transaction;
    else an event id header; else where the record stands.
    """
    if source.file is not None:
        return _of_binary_log(source, transaction)
    if source.lsn is not None:
        text = f"{source.lsn}:{source.tx_id}:{source.ts_ms}"
        return SourceIdentity("lsn", text, renaming=text)
    event_id = _event_id(record, id_headers)
    if event_id is not None:
        return SourceIdentity("event id", event_id, renaming=f"{source.ts_ms}")
    return SourceIdentity("offset", f"{origin.topic_id}:{origin.partition}:{origin.offset}", renaming=f"{source.ts_ms}")


def _of_binary_log(source: Source, transaction: Transaction | None) -> SourceIdentity:
    storable(source.file, "source.file")
    storable(source.gtid, "source.gtid")
    position = f"{source.server_id}:{source.file}:{source.pos}:{source.row}:{source.ts_ms}"
    if source.gtid is None:
        return SourceIdentity("binlog", position, renaming=position)
    if transaction is not None and transaction.total_order is not None:
        return SourceIdentity("gtid", f"{source.gtid}#{transaction.total_order}", renaming=position)
    return SourceIdentity("binlog", position, source.gtid, f"{source.server_id}:{source.file}", position)


def _event_id(record: Record, id_headers: Sequence[str]) -> str | None:
    for name, value in headers_of(record):
        if name in id_headers and value:
            return storable(value.decode("utf-8", "replace"), name)
    return None
