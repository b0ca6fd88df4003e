"""What the doctor sees of a record: shape, table, both whole rows, and what the source block says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

import msgspec

from consumer.core.compiled import DocumentPlan, Rules
from consumer.core.records import Record
from consumer.core.values import Encoding
from consumer.diagnosis.contents import Content, Contents, Defaults, Fields
from consumer.errors import Poison, SchemaPending
from consumer.formats.avro_schemas import Schemas
from consumer.formats.cloudevents import PREFIX, attributes
from consumer.formats.flattened import Metadata, said_in_headers
from consumer.formats.row_change import KINDS
from consumer.formats.row_tables import last_part, table_of_schema
from consumer.formats.shapes import Options
from consumer.formats.source_block import Source, Transaction
from consumer.formats.tables import Tables

ENVELOPE, FLATTENED, CLOUD_EVENT, MINIMAL = "envelopes", "flattened records", "CloudEvents", "minimal change events"

_BINARY_LOG = ("mariadb", "mysql")


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a row. `plan` is None where no tracker follows its table."""

    record: Record
    written: str
    shape: str
    op: str
    table: str
    plan: DocumentPlan | None
    source: Source
    transaction: Transaction | None = None
    before: Fields | None = None
    after: Fields | None = None
    connector: str = ""
    version: str = ""
    encodings: Mapping[str, Encoding] = {}
    defaults: Defaults = {}

    @property
    def row(self) -> Fields:
        """The newest row that it tells, empty where it tells none."""
        return self.after or self.before or {}

    @property
    def from_binary_log(self) -> bool:
        """Whether MariaDB or MySQL sent it."""
        return self.connector in _BINARY_LOG or self.source.file is not None


class Sight:
    """Looks at records one by one."""

    def __init__(self, rules: Rules, options: Options, registry: Schemas | None) -> None:
        self._tables: Tables[DocumentPlan] = Tables(rules.plans, lambda plan: plan)
        self._metadata = Metadata(options.prefix)
        self._contents = Contents(registry)

    def of(self, record: Record) -> Seen | None:
        """The change of a row; None for what is none, or cannot be read: of that the decoder tells why."""
        value = record.value()
        if not value or value == b"null":
            return None
        try:
            content = self._contents.of(record, value)
            if "specversion" in content.fields:
                return self._cloud_event(record, content)
            return self._envelope(record, content) or self._flattened(record, content)
        except (Poison, SchemaPending, msgspec.ValidationError):
            return None

    def _envelope(self, record: Record, content: Content, shape: str = ENVELOPE) -> Seen | None:
        fields = content.fields
        source, op = fields.get("source"), fields.get("op")
        if not isinstance(source, dict) or not isinstance(op, str) or op not in KINDS:
            return None
        block = msgspec.convert(source, Source, strict=False)
        transaction = msgspec.convert(fields.get("transaction"), Transaction | None, strict=False)
        seen = Seen(
            record=record, written=content.written, shape=shape if block.document_type is None else MINIMAL,
            op=op, table=block.table or block.document_type or "", source=block, transaction=transaction,
            plan=self._tables.of_table(block.table) or self._tables.of_type(block),
            before=_row(fields.get("before")), after=_row(fields.get("after")),
            connector=str(source.get("connector") or ""), version=str(source.get("version") or ""),
            encodings=content.encodings, defaults=content.defaults,
        )  # fmt: skip
        return seen if seen.table else None

    def _cloud_event(self, record: Record, content: Content) -> Seen | None:
        said = attributes(content.fields)
        data = self._contents.of_data(content.fields.get("data"))
        if said.op is None:
            return self._envelope(record, data, CLOUD_EVENT)
        if said.op not in KINDS:
            return None
        return Seen(
            record=record, written=content.written, shape=CLOUD_EVENT, op=said.op, table=said.source.table or "",
            plan=self._tables.of_source(said.source), source=said.source, transaction=said.transaction,
            before=_row(data.fields.get("before")), after=_row(data.fields.get("after")),
            connector=str(content.fields.get(f"{PREFIX}connector") or ""),
            version=str(content.fields.get(f"{PREFIX}version") or ""),
            encodings=data.encodings, defaults=data.defaults,
        )  # fmt: skip

    def _flattened(self, record: Record, content: Content) -> Seen | None:
        in_row = {name: content.fields[name] for name in self._metadata.names & content.fields.keys()}
        said = self._metadata.change({**said_in_headers(record, self._metadata), **in_row})
        table, plan = self._table(said.source, content, record)
        op = said.op or "u"
        if not table or op not in KINDS:
            return None
        row = {name: value for name, value in content.fields.items() if name not in in_row}
        before, after = (row, None) if op == "d" else (None, row)
        return Seen(
            record=record, written=content.written, shape=FLATTENED, op=op, table=table, plan=plan, source=said.source,
            transaction=said.transaction, before=before, after=after,
            encodings=content.encodings, defaults=content.defaults,
        )  # fmt: skip

    def _table(self, source: Source, content: Content, record: Record) -> tuple[str, DocumentPlan | None]:
        """By the metadata, else by the name of schema or topic where that is a tracked table's."""
        if source.table is not None:
            return source.table, self._tables.of_table(source.table)
        for name in (table_of_schema(content.schema), last_part(record.topic() or "")):
            plan = self._tables.of_name(name) if name else None
            if plan is not None:
                return name, plan
        return "", None


def _row(row: object) -> Fields | None:
    return cast("Fields", row) if isinstance(row, dict) else None


def release(version: str) -> tuple[int, ...]:
    """A version of Debezium as numbers: `3.2.0.Final` is (3, 2, 0); empty for none."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return () if found is None else tuple(int(part or 0) for part in found.groups())
