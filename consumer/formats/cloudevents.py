"""CloudEvents in structured mode, as Debezium's converter writes them.

https://debezium.io/documentation/reference/stable/integrations/cloudevents.html. The id of such an event is not unique
where rows share a log position, so it is not used: the identity is that of the source attributes.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from consumer.errors import MalformedRecord
from consumer.formats.source_block import Source, Transaction

PREFIX = "iodebezium"

_SOURCE_ATTRIBUTES = {
    f"{PREFIX}{name.replace('_', '').lower()}": name
    for name in ("ts_ms", "ts_us", "table", "server_id", "gtid", "file", "pos", "row", "txId", "lsn")
}
_OP, _ORDER, _TRANSACTION = f"{PREFIX}op", f"{PREFIX}txtotalorder", f"{PREFIX}txid"


class Attributes(msgspec.Struct, frozen=True):
    """What a CloudEvent's attributes say of a change; `op` None for one that is not Debezium's."""

    op: str | None
    source: Source
    transaction: Transaction | None


def attributes(event: Mapping[str, object]) -> Attributes:
    """The attributes of a CloudEvent, whose values may all be texts.

    Raises:
        MalformedRecord: one is not of its type.
    """
    lowered = {name.lower(): value for name, value in event.items() if name.startswith(PREFIX)}
    source = {field: lowered[name] for name, field in _SOURCE_ATTRIBUTES.items() if lowered.get(name) is not None}
    transaction = None
    if lowered.get(_ORDER) is not None:
        transaction = {"id": lowered.get(_TRANSACTION), "total_order": lowered[_ORDER]}
    content = {"op": lowered.get(_OP), "source": source, "transaction": transaction}
    try:
        return msgspec.convert(content, Attributes, strict=False)
    except msgspec.ValidationError as error:
        raise MalformedRecord(f"not Debezium's attributes of a CloudEvent: {error}") from error
