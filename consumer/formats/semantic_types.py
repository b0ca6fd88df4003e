"""What a schema says of a column: Kafka Connect's and Debezium's semantic types, and the encoding of each.

From Debezium's pages on the MariaDB, MySQL and PostgreSQL connectors ("Data type mappings"). Types that are not listed
are what they look like: enums, sets, XML, ranges and network addresses are texts, geometry is an opaque structure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from consumer.core.values import Encoding

_ENCODINGS: Mapping[str, str] = {
    "org.apache.kafka.connect.data.Decimal": "decimal",
    "io.debezium.data.VariableScaleDecimal": "decimal",
    "org.apache.kafka.connect.data.Date": "date",
    "io.debezium.time.Date": "date",
    "io.debezium.time.IsoDate": "date",
    "org.apache.kafka.connect.data.Time": "time_ms",
    "io.debezium.time.Time": "time_ms",
    "io.debezium.time.MicroTime": "time_us",
    "io.debezium.time.NanoTime": "time_ns",
    "io.debezium.time.IsoTime": "time",
    "io.debezium.time.ZonedTime": "zoned_time",
    "org.apache.kafka.connect.data.Timestamp": "timestamp_ms",
    "io.debezium.time.Timestamp": "timestamp_ms",
    "io.debezium.time.MicroTimestamp": "timestamp_us",
    "io.debezium.time.NanoTimestamp": "timestamp_ns",
    "io.debezium.time.IsoTimestamp": "timestamp",
    "io.debezium.time.ZonedTimestamp": "zoned_timestamp",
    "io.debezium.time.MicroDuration": "duration_us",
    "io.debezium.data.Bits": "bits",
    "io.debezium.data.Json": "json",
    "io.debezium.data.Uuid": "uuid",
}

_SCALE = re.compile(r"-?[0-9]{1,6}")

_UNNAMED: Mapping[str, str] = {"float": "float", "float32": "float", "array": "array"}


def encoding_of(
    type_: str, name: str | None, parameters: Mapping[str, str], items: Encoding | None = None
) -> Encoding | None:
    """The encoding of a column by its Connect type, the name of its semantic type, and that type's parameters.

    None where the value is what it looks like. `items` is the encoding of an array's items.
    """
    encoding = _ENCODINGS.get(name) if name is not None else _UNNAMED.get(type_)
    if encoding is None:
        return None
    scale = parameters.get("scale", "")
    return Encoding(encoding, int(scale) if _SCALE.fullmatch(scale) else None, items)
