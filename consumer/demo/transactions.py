"""What the simulated ERP commits: saves with their Version and Comment rows, renames, deletes, and two bad records."""

import random
from typing import Final

import msgspec

from consumer.captured import CapturedRecord
from consumer.demo.documents import PEOPLE, Columns, comment_row, modified, version_row
from consumer.demo.envelope import NEW_KEY, OLD_KEY, Connector, Op, key_header
from consumer.demo.stages import Step

_VERSION_SHARE: Final = 0.45
_COMMENT_SHARE: Final = 0.2


class Document:
    """A document of the simulated ERP as it stands now."""

    def __init__(self, document_type: str, row: Columns) -> None:
        """`row` holds all columns of the document's table; its `name` changes when the document is renamed."""
        self.document_type = document_type
        self.row = row

    @property
    def name(self) -> str:
        """The document's name, the key of its table."""
        return str(self.row["name"])


class Transactions:
    """Commits steps to the simulated database and keeps the connector's `records` of them, in order.

    `poison_at` holds the places in `records` of those that no consumer can evaluate.
    """

    def __init__(self, rng: random.Random, connector: Connector) -> None:
        """Begin with no record."""
        self._rng = rng
        self._connector = connector
        self._last_saved: Document | None = None
        self.records: list[CapturedRecord] = []
        self.poison_at: set[int] = set()

    def snapshot(self, documents: list[Document], at_ms: int) -> None:
        """Read all documents that were there when the connector started, table by table."""
        last = len(documents) - 1
        for at, document in enumerate(documents):
            position = "first" if at == 0 else "last" if at == last else _position(documents, at)
            self.records.append(self._connector.snapshot(document.document_type, document.row, at_ms, position))

    def step(self, document: Document, step: Step, at_ms: int) -> None:
        """Commit one step of a document's plan."""
        self._connector.begin(at_ms)
        if step.kind == "create":
            document.row.update(step.values)
            self._emit("c", document, None, document.row)
        elif step.kind == "save":
            self._save(document, step, at_ms)
        elif step.kind == "rename":
            self._rename(document, str(step.values["name"]))
        elif step.kind == "delete":
            self._delete(document)

    def poison(self, kind: str) -> None:
        """Send a record that nobody can evaluate: JSON `cut` in the middle, or an `unknown op`."""
        document = self._last_saved
        if document is None:
            return
        record = self._connector.change("u", document.document_type, document.row, document.row)
        value = record.value or b""
        bad = value[: len(value) // 2] if kind == "cut" else value.replace(b'"op":"u"', b'"op":"x"')
        self.poison_at.add(len(self.records))
        self.records.append(msgspec.structs.replace(record, value=bad))

    def _save(self, document: Document, step: Step, at_ms: int) -> None:
        actor = self._rng.choice(PEOPLE)
        before = dict(document.row)
        document.row.update(step.values)
        document.row.update(modified(at_ms, actor))
        self._emit("u", document, before, document.row)
        self._last_saved = document
        if self._rng.random() < _VERSION_SHARE:
            version = version_row(self._rng, document.document_type, document.name, at_ms, actor)
            self.records.append(self._connector.change("c", "Version", None, version))
        if self._rng.random() < _COMMENT_SHARE:
            self._connector.begin(at_ms)
            comment = comment_row(self._rng, document.document_type, document.name, at_ms, actor)
            self.records.append(self._connector.change("c", "Comment", None, comment))

    def _rename(self, document: Document, name: str) -> None:
        old_name, before = document.name, dict(document.row)
        document.row["name"] = name
        self._emit("d", document, before, None, key_header(NEW_KEY, name))
        self.records.append(self._connector.tombstone(self.records[-1]))
        self._emit("c", document, None, document.row, key_header(OLD_KEY, old_name))

    def _delete(self, document: Document) -> None:
        self._emit("d", document, document.row, None)
        self.records.append(self._connector.tombstone(self.records[-1]))

    def _emit(
        self, op: Op, document: Document, before: Columns | None, after: Columns | None, *headers: tuple[str, bytes]
    ) -> None:
        self.records.append(self._connector.change(op, document.document_type, before, after, headers))


def _position(documents: list[Document], at: int) -> str:
    """Which row of its table a snapshot read is, as Debezium writes it to source.snapshot."""
    document_type = documents[at].document_type
    if documents[at - 1].document_type != document_type:
        return "first_in_data_collection"
    if documents[at + 1].document_type != document_type:
        return "last_in_data_collection"
    return "true"
