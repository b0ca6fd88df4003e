"""The schemas that recorded Avro was written with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from consumer.errors import MalformedRecord
from consumer.formats.wire import SchemaId


class Registry:
    """The schemas that the recorded records were written with."""

    def __init__(self, path: Path) -> None:
        self._schemas: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))

    def texts(self, schema: SchemaId) -> Sequence[str]:
        """The schema; raises MalformedRecord if it was not captured."""
        kind = "ccompat" if schema.kind == "id" else str(schema.kind)
        text = self._schemas[kind].get(str(schema.number))
        if text is None:
            raise MalformedRecord(f"no schema {kind} {schema.number} was captured")
        return (text,)
