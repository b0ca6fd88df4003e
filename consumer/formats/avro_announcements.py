"""The value of a `milestone-reached` event as Avro in Confluent's wire format: 0x00, the schema's id, and the datum."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import cast

import fastavro
import msgspec

from consumer.core.milestones import Event, Milestone, announced_value, event_of, labels_text
from consumer.errors import MalformedRecord
from consumer.formats.avro_schemas import AvroSchemas
from consumer.formats.wire import magic

AVRO = b"application/avro"

_SAME = (
    "id", "reference_type", "reference_name", "track_field", "value", "from_value", "from_value_known",
    "milestone_tracker", "tracker_revision", "occurrence", "reached_at", "recorded_at", "actor", "source_identity",
    "source_identity_kind",
)  # fmt: skip


class AvroAnnouncer:
    """Makes events with their values in Avro.

    Args:
        schema: the text of `schemas/milestone-reached.avsc`.
        schema_id: what the registry calls it.
    """

    def __init__(self, schema: str, schema_id: int) -> None:
        plain = _without_logical_types(msgspec.json.decode(schema))
        self._schema = fastavro.parse_schema(cast("dict[str, object]", plain))
        self._prefix = b"\x00" + schema_id.to_bytes(4, "big")

    def __call__(self, milestone: Milestone) -> Event:
        """The event of a milestone."""
        return event_of(milestone, self._value(milestone), AVRO)

    def _value(self, milestone: Milestone) -> bytes:
        m = milestone
        datum: dict[str, object] = {name: getattr(m, name) for name in _SAME}
        datum["origin"] = {"topic_id": m.origin_topic_id, "partition": m.origin_partition, "offset": m.origin_offset}
        datum["labels"] = None if m.labels is None else msgspec.json.decode(m.labels)
        datum["owner"] = m.owner
        stream = BytesIO(self._prefix)
        stream.seek(len(self._prefix))
        fastavro.schemaless_writer(stream, self._schema, datum)
        return stream.getvalue()


def announced_in_avro(value: bytes, schemas: AvroSchemas) -> bytes | None:
    """The same announcement in JSON, byte for byte as it would have been announced so; None if the value is no Avro.

    Args:
        schemas: of the registry that the id in the value is known to.

    Raises:
        MalformedRecord: the registry does not know the schema, or it is of something else.
        SchemaPending: the registry does not answer.
    """
    wired = magic(value)
    if wired is None:
        return None
    schema, payload = wired
    datum = cast("Mapping[str, object]", schemas.schema(schema).read(payload))
    try:
        origin = cast("Mapping[str, object]", datum["origin"])
        labels = cast("Mapping[str, str] | None", datum.get("labels"))
        fields = {name: datum[name] for name in _SAME} | {f"origin_{name}": origin[name] for name in origin}
        fields |= {"labels": labels_text(labels or {}), "owner": datum.get("owner"), "announce": True, "silent": False}
        return announced_value(msgspec.convert(fields, Milestone))
    except (LookupError, TypeError, AttributeError, msgspec.ValidationError) as error:
        raise MalformedRecord(f"Avro of schema {schema.number}, which is no milestone") from error


def _without_logical_types(node: object) -> object:
    """The schema for writing what a milestone holds: texts and numbers, no UUIDs and no times."""
    if isinstance(node, list):
        return [_without_logical_types(one) for one in node]
    if isinstance(node, dict):
        return {key: _without_logical_types(one) for key, one in node.items() if key != "logicalType"}
    return node
