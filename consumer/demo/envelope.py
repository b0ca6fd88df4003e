"""What Debezium's MariaDB connector sends for a changed row, as JSON without schema.

The form is that of the captured streams in `tests/data`: transaction metadata on, `decimal.handling.mode=string`,
`time.precision.mode=connect`, all tables routed to one topic by ByLogicalTableRouter.
https://debezium.io/documentation/reference/3.2/connectors/mariadb.html#mariadb-events
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from consumer.captured import CapturedRecord

Op = Literal["c", "u", "d", "r"]
Row = Mapping[str, object]
Headers = tuple[tuple[str, bytes], ...]

SERVER: Final = "erp"
DATABASE: Final = "erp_acme"
OLD_KEY: Final = "__debezium.oldkey"
NEW_KEY: Final = "__debezium.newkey"
_VERSION: Final = "3.6.2.Final"
_BINLOG_BYTES: Final = 8_388_608
_READ_DELAY_MS: Final = 340
_SEND_DELAY_MS: Final = 120

_encode = msgspec.json.Encoder().encode


class Connector:
    """A simulated connector: knows its place in the binary log and numbers transactions and their rows.

    Records come out with offset -1: who writes them to the log gives the offset.
    """

    def __init__(self, topic: str, partitions: int, run_id: str) -> None:
        """Read from the beginning of the binary log and write to `topic`, the partition chosen by the key."""
        self._topic = topic
        self._partitions = partitions
        self._partition_of: dict[bytes, int] = {}
        self._context: Headers = tuple(
            (f"__debezium.context.{name}", value.encode())
            for name, value in (
                ("connectorLogicalName", SERVER),
                ("taskId", "0"),
                ("connectorName", "mariadb"),
                ("runId", run_id),
            )
        )
        self._at_ms = 0
        self._gtid: str | None = None
        self._sequence = 0
        self._binlog, self._position = 1, 325
        self._rows_of_table: Counter[str] = Counter()

    def begin(self, at_ms: int) -> None:
        """Begin the next transaction, committed at `at_ms`; MariaDB's binary log has whole seconds."""
        self._at_ms = at_ms
        self._sequence += 1
        self._gtid = f"0-1-{self._sequence}"
        self._rows_of_table.clear()

    def snapshot(self, document_type: str, row: Row, at_ms: int, position: str) -> CapturedRecord:
        """A row read by the initial snapshot; `position` is `first`, `first_in_data_collection`, `true`, …"""
        source = self._source(document_type, at_ms, snapshot=position, server_id=0, gtid=None)
        return self._record("r", document_type, str(row["name"]), (None, row), (source, None, at_ms), ())

    def change(
        self, op: Op, document_type: str, before: Row | None, after: Row | None, headers: Headers = ()
    ) -> CapturedRecord:
        """A row created, updated or deleted in the transaction that was begun last."""
        row = before if after is None else after
        if row is None:
            raise ValueError("a change needs a row before or after it")
        self._rows_of_table[document_type] += 1
        source = self._source(document_type, self._at_ms, snapshot=None, server_id=1, gtid=self._gtid)
        transaction: dict[str, object] = {
            "id": self._gtid,
            "total_order": self._rows_of_table.total(),
            "data_collection_order": self._rows_of_table[document_type],
        }
        # Both halves of a changed key come from one event of the binary log, and have its position.
        if all(name != NEW_KEY for name, _ in headers):
            self._advance(400 * (2 if before and after else 1))
        images = (before, after)
        return self._record(op, document_type, str(row["name"]), images, (source, transaction, self._at_ms), headers)

    def tombstone(self, deleted: CapturedRecord) -> CapturedRecord:
        """The null value that follows a delete, under the same key and headers."""
        return msgspec.structs.replace(deleted, value=None)

    def _source(
        self, document_type: str, at_ms: int, snapshot: str | None, server_id: int, gtid: str | None
    ) -> dict[str, object]:
        seconds = at_ms // 1000
        return {
            "version": _VERSION,
            "connector": "mariadb",
            "name": SERVER,
            "ts_ms": seconds * 1000,
            "snapshot": snapshot,
            "db": DATABASE,
            "sequence": None,
            "ts_us": seconds * 1_000_000,
            "ts_ns": seconds * 1_000_000_000,
            "table": f"tab{document_type}",
            "server_id": server_id,
            "gtid": gtid,
            "file": f"binlog.{self._binlog:06d}",
            "pos": self._position,
            "row": 0,
            "thread": None,
            "query": None,
        }

    def _record(
        self,
        op: Op,
        document_type: str,
        name: str,
        images: tuple[Row | None, Row | None],
        where: tuple[dict[str, object], dict[str, object] | None, int],
        headers: Headers,
    ) -> CapturedRecord:
        source, transaction, at_ms = where
        read_at_ms = at_ms + _READ_DELAY_MS
        envelope = {
            "before": images[0],
            "after": images[1],
            "source": source,
            "transaction": transaction,
            "op": op,
            "ts_ms": read_at_ms,
            "ts_us": read_at_ms * 1000 + 73,
            "ts_ns": read_at_ms * 1_000_000 + 73_919,
        }
        key = _encode({"name": name, "__dbz__physicalTableIdentifier": _physical_table(document_type)})
        headers = headers + self._context
        sent_at_ms = read_at_ms + _SEND_DELAY_MS
        return CapturedRecord(self._topic, self._partition(key), -1, key, _encode(envelope), headers, sent_at_ms)

    def _partition(self, key: bytes) -> int:
        partition = self._partition_of.get(key)
        if partition is None:
            partition = self._partition_of[key] = partition_of(key, self._partitions)
        return partition

    def _advance(self, size: int) -> None:
        self._position += size
        if self._position > _BINLOG_BYTES:
            self._binlog, self._position = self._binlog + 1, 325


def key_header(header: str, name: str) -> tuple[str, bytes]:
    """The header of one half of a key change: the other key as JSON, without the router's field."""
    return (header, _encode({"name": name}))


def _physical_table(document_type: str) -> str:
    # Topic names allow no space; source.table keeps it.
    return f"{SERVER}.{DATABASE}.tab{document_type}".replace(" ", "_")


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's Java producer chooses for a key (BuiltInPartitioner: positive murmur2)."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(key: bytes) -> int:
    """Kafka's 32-bit murmur2 (org.apache.kafka.common.utils.Utils), as an unsigned number."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    state = (0x9747B28C ^ len(key)) & mask
    whole = len(key) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * multiplier & mask
        state = state * multiplier & mask ^ ((word ^ word >> 24) * multiplier & mask)
    if rest := key[whole:]:
        state = (state ^ int.from_bytes(rest, "little")) * multiplier & mask
    state = (state ^ state >> 13) * multiplier & mask
    return state ^ state >> 15
