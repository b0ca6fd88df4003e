"""The shapes that change events have, and what is configured of them."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from consumer.core.values import UNAVAILABLE
from consumer.errors import MalformedRecord

NO_SHAPE = (
    "not a change event: no Debezium envelope (it has no `op`), no CloudEvent, and no flattened record that says its "
    "table; for flattened records without metadata set input.format: flattened"
)
NO_TABLE = (
    "a flattened record that does not say its table: add `table` to add.fields, or read a topic for each table, "
    "called <prefix>.<database or schema>.<table>"
)
NO_SOURCE = "a change that does not say of what: set `source.table`, or `source.document_type` (docs/producing.md)"

_PLACE = re.compile(r"at `\$\.([^`]+)`")


class Shape(StrEnum):
    """What `input.format` fixes; JSON or Avro is told by the record itself."""

    AUTO = "auto"
    DEBEZIUM = "debezium"
    FLATTENED = "flattened"
    CLOUDEVENTS = "cloudevents"


class Options(msgspec.Struct, frozen=True):
    """What config.yaml's `input` says of formats.

    `event_id_headers` carry a change's id where its source does not identify it; `unavailable` is the connector's
    `unavailable.value.placeholder`; `prefix` is what flattened metadata begins with (`add.fields.prefix`);
    `only_topic` is the input where that is one topic, which then cannot be named after each table; `native` says
    whether what was compiled is used.
    """

    shape: Shape = Shape.AUTO
    event_id_headers: tuple[str, ...] = ("ce_id", "event-id")
    unavailable: str = UNAVAILABLE
    prefix: str = "__"
    only_topic: str = ""
    native: bool = True


DEFAULTS = Options()


def not_of_types(what: str, error: msgspec.ValidationError) -> MalformedRecord:
    """The verdict on an object whose fields are not of the types that they have in `what`."""
    place = _PLACE.search(str(error))
    return MalformedRecord(f"{what}: {error}", None if place is None else place[1])
