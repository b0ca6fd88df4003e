"""Where a record says which Avro schema it was written with: Apicurio's headers, or a magic byte and an id.

Confluent: 0x00 and four bytes (https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/).
Apicurio: headers `apicurio.value.globalId` or `…contentId` and bare Avro, which may itself begin with 0x00; or, without
headers, 0x00 and eight bytes, the first four of which are zero.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from consumer.core.records import Record, headers_of
from consumer.errors import MalformedRecord

_MAGIC, _NO_ID = 0, b"\0\0\0\0"
_MOST_CONFLUENT, _MOST_APICURIO = (1 << 31) - 1, (1 << 63) - 1


class IdKind(StrEnum):
    """What a schema id counts: Confluent's ids, or one of Apicurio's two."""

    CONFLUENT = "id"
    GLOBAL = "globalId"
    CONTENT = "contentId"


class SchemaId(NamedTuple):
    """The id of a schema in the registry."""

    kind: IdKind
    number: int


def wired(record: Record, value: bytes) -> tuple[SchemaId, bytes] | None:
    """The schema and the Avro bytes of a record's value; None for what is not Avro."""
    return _wired(record, value, "value")


def wired_key(record: Record, key: bytes) -> tuple[SchemaId, bytes] | None:
    """The schema and the Avro bytes of a record's key; None for what is not Avro."""
    return _wired(record, key, "key")


def _checked(schema: SchemaId) -> SchemaId:
    """The id itself; raises MalformedRecord where no registry can have it."""
    most = _MOST_CONFLUENT if schema.kind is IdKind.CONFLUENT else _MOST_APICURIO
    if schema.number > most:
        raise MalformedRecord(f"no Avro: a schema cannot have {schema.kind} {schema.number}")
    return schema


def _wired(record: Record, payload: bytes, part: str) -> tuple[SchemaId, bytes] | None:
    headers = headers_of(record)
    if not headers:
        return magic(payload)
    prefix = f"apicurio.{part}."
    for name, text in headers:
        if name.startswith(prefix):
            if name in (f"{prefix}globalId", f"{prefix}contentId") and len(text) == 8:
                kind = IdKind.GLOBAL if name.endswith("globalId") else IdKind.CONTENT
                return _checked(SchemaId(kind, int.from_bytes(text, "big"))), payload
            if name == f"{prefix}encoding" and text == b"JSON":
                raise MalformedRecord(f"Apicurio's JSON encoding of Avro is not read: set {prefix}encoding to BINARY")
    return magic(payload)


def magic(payload: bytes) -> tuple[SchemaId, bytes] | None:
    """The schema and the Avro bytes behind a magic byte; None where there is none."""
    if len(payload) < 5 or payload[0] != _MAGIC:
        return None
    number = payload[1:5]
    if number != _NO_ID:
        return _confluent(number), payload[5:]
    # No id of Confluent's is 0; eight bytes may be a number as Kafka's LongSerializer writes it.
    if len(payload) < 9:
        return None
    return _checked(SchemaId(IdKind.GLOBAL, int.from_bytes(payload[1:9], "big"))), payload[9:]


@lru_cache(maxsize=4_096)
def _confluent(number: bytes) -> SchemaId:
    return _checked(SchemaId(IdKind.CONFLUENT, int.from_bytes(number, "big")))
