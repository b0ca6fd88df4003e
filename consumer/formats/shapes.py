"""The shapes that change events have, and what is configured of them."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from consumer.core.records import Record
from consumer.core.values import UNAVAILABLE
from consumer.errors import MalformedRecord

NO_SHAPE = (
    "not a change event: no Debezium envelope (it has no `op`), no CloudEvent, and no flattened record that says its "
    "table; for flattened records without metadata set input.format: flattened"
)


class Shape(StrEnum):
    """What `input.format` fixes; JSON or Avro is told by the record itself."""

    AUTO = "auto"
    DEBEZIUM = "debezium"
    FLATTENED = "flattened"
    CLOUDEVENTS = "cloudevents"


class Options(msgspec.Struct, frozen=True):
    """What config.yaml's `input` says of formats.

    `event_id_headers` carry a change's id where its source does not identify it; `unavailable` is the connector's
    `unavailable.value.placeholder`; `prefix` is what flattened metadata begins with (`add.fields.prefix`).
    """

    shape: Shape = Shape.AUTO
    event_id_headers: tuple[str, ...] = ("ce_id", "event-id")
    unavailable: str = UNAVAILABLE
    prefix: str = "__"


DEFAULTS = Options()


def no_table(record: Record, *, said: bool, told: bool, shape: Shape) -> str:
    """What becomes of a flattened record for whose table there is no reader: `untracked`, if it named its table.

    Args:
        said: it has metadata, so it is a flattened record.
        told: metadata or schema told the table.
        shape: what is configured.

    Raises:
        MalformedRecord: nobody knows its table, or it is no change event at all.
    """
    if told:
        return "untracked"
    if said or shape is Shape.FLATTENED:
        # Debezium's topic for each table is <prefix>.<database or schema>.<table>.
        if (record.topic() or "").count(".") >= 2:
            return "untracked"
        raise MalformedRecord("a flattened record that does not say its table: add `table` to add.fields")
    raise MalformedRecord(NO_SHAPE, "op")
