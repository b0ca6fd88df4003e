"""The envelope's `source` block, and the identity of a change that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from consumer.core.events import SourceIdentity
from consumer.core.records import Origin, Record, headers_of
from consumer.errors import BadValue
from consumer.formats.connect_json import storable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 7_258_118_400_000
"""2200-01-01. Below it, µs are exact in every number on the way to PostgreSQL."""


class Source(msgspec.Struct, gc=False):
    """What is read of `source`: table, time, and the log position of MySQL and MariaDB or of PostgreSQL.

    `document_type`, `id` and `time` are those of the minimal change event (docs/producing.md).
    """

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
    document_type: str | None = None
    id: int | str | None = None
    time: str | None = None


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


def times_of(source: Source, envelope_ms: int | None, record: Record) -> tuple[int, int]:
    """When it happened (µs), and the time inside the milestone's id (ms).

    Both are the source's if it has one, so that they are the same for a change delivered twice.

    Raises:
        BadValue: the time cannot be read, or is too far away.
    """
    if source.time is not None:
        reached_us = _rfc3339_us(source.time)
        return reached_us, checked_time(reached_us // 1_000)
    if source.ts_ms is None:
        reached_ms = envelope_ms if envelope_ms is not None else record.timestamp()[1]
        return checked_time(reached_ms) * 1_000, 0
    reached_ms = checked_time(source.ts_ms)
    if source.ts_us is not None and source.ts_us // 1_000 == reached_ms:
        return source.ts_us, reached_ms
    return reached_ms * 1_000, reached_ms


def _rfc3339_us(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no zone")
        return (moment - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError) as error:
        message = "the time of the change is no date and time with a zone, as in 2026-11-23T10:00:00Z"
        raise BadValue(message, "source.time") from error


def identity_of(
    source: Source, transaction: Transaction | None, record: Record, origin: Origin, id_headers: Sequence[str]
) -> SourceIdentity:
    """What the source calls this change, by the best that the record offers.

    The id of a minimal change event; gtid, if there is one, and place in the binary log;
    PostgreSQL's LSN with its transaction; else an event id header; else where the record stands.
    """
    if source.id is not None:
        text = storable(str(source.id), "source.id") or ""
        return SourceIdentity("event id", text, renaming=text)
    if source.file is not None and source.pos is not None:
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
    # A connector that was killed in the midst of a transaction counts the rest of it from 1 again: the order tells
    # changes apart after a fail-over, where places are others, and is no part of the identity.
    total_order = None if transaction is None else transaction.total_order
    order = "" if total_order is None else f"#{total_order}"
    log = f"{source.server_id}:{source.file}"
    return SourceIdentity("gtid", f"{source.gtid}#{position}", f"{source.gtid}{order}", log, position)


def _event_id(record: Record, id_headers: Sequence[str]) -> str | None:
    for name, value in headers_of(record):
        if name in id_headers and value:
            return storable(value.decode("utf-8", "replace"), name)
    return None
