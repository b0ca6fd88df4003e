"""The envelope's `source` block, and the identity of a change that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from consumer.core.events import SourceIdentity, checked_time
from consumer.core.records import Origin, Record, headers_of
from consumer.errors import BadValue
from consumer.formats.connect_json import storable

_LONGEST_IDENTITY = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def times_of(source: Source, envelope_ms: int | None, record: Record) -> tuple[int, int]:
    """When it happened (µs), and the time inside the milestone's id (ms).

    Both are the source's if it has one, so that they are the same for a change delivered twice.

    Raises:
        BadValue: the time cannot be read, or is too far away.
    """
    if source.time is not None:
        reached_us = _rfc3339_us(source.time)
        return reached_us, checked_time(reached_us // 1_000, "source.time")
    if source.ts_ms is None:
        reached_ms = envelope_ms if envelope_ms is not None else record.timestamp()[1]
        return checked_time(reached_ms, "ts_ms") * 1_000, 0
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
        text = _identifying(str(source.id), "source.id")
        return SourceIdentity("event id", text, renaming=text)
    if source.file and source.pos is not None:
        return _of_binary_log(source, transaction)
    if source.lsn is not None:
        _identifying(str(source.lsn), "source.lsn")
        _identifying(str(source.tx_id), "source.txId")
        text = f"{source.lsn}:{source.tx_id}:{source.ts_ms}"
        return SourceIdentity("lsn", text, renaming=text)
    event_id = _event_id(record, id_headers)
    if event_id is not None:
        return SourceIdentity("event id", event_id, renaming=f"{source.ts_ms}")
    return SourceIdentity("offset", f"{origin.topic_id}:{origin.partition}:{origin.offset}", renaming=f"{source.ts_ms}")


def _of_binary_log(source: Source, transaction: Transaction | None) -> SourceIdentity:
    """Where it stands in the log, behind its gtid if there is one.

    A connector that was killed in the midst of a transaction counts the rest of it from 1 again: the order tells
    changes apart after a fail-over, where places are others, and is no part of the identity.
    """
    log = _log(source.server_id, source.file or "")
    position = f"{log}:{source.pos}:{source.row}:{source.ts_ms}"
    gtid = _identifying(source.gtid, "source.gtid") if source.gtid else None
    if gtid is None:
        return SourceIdentity("binlog", position, renaming=position)
    total_order = None if transaction is None else transaction.total_order
    order = "" if total_order is None else f"#{total_order}"
    return SourceIdentity("gtid", f"{gtid}#{position}", f"{gtid}{order}", log, position)


@lru_cache(maxsize=64)
def _log(server_id: int | None, file: str) -> str:
    """Which file of which server: thousands of changes in a row have the same."""
    return f"{server_id}:{_identifying(file, 'source.file')}"


def _event_id(record: Record, id_headers: Sequence[str]) -> str | None:
    for name, value in headers_of(record):
        if name in id_headers and value:
            return _identifying(value.decode("utf-8", "replace"), name)
    return None


def _identifying(text: str, field: str) -> str:
    """The text itself, if it can tell changes apart and be kept.

    Raises:
        BadValue: it is empty, longer than 1,000 characters, or holds a NUL.
    """
    if not 0 < len(text) <= _LONGEST_IDENTITY:
        raise BadValue(f"what identifies the change is empty or longer than {_LONGEST_IDENTITY:,} characters", field)
    storable(text, field)
    return text
