"""From the bytes of a batch to change events: which format each record has, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import cast

from msgspec.structs import replace

from consumer.core.compiled import Rules
from consumer.core.events import ChangeEvent, Decoded
from consumer.core.records import Batch, DeadLetter, Partition, Record, offset_of, partition_of
from consumer.core.sight import Sight
from consumer.core.told import DEAD_LETTER, Told
from consumer.errors import MalformedRecord, Poison, RulesChanged, SchemaPending
from consumer.formats.avro_programs import AvroPrograms
from consumer.formats.avro_records import AvroRecords
from consumer.formats.avro_rows import AvroRows
from consumer.formats.avro_schemas import AvroSchemas, Schemas
from consumer.formats.glance import Glanced
from consumer.formats.json_records import JsonRecords
from consumer.formats.native_glance import NativeGlance, glance_of, native_of
from consumer.formats.record_keys import RecordKeys
from consumer.formats.row_change import Reading, RowChange
from consumer.formats.rows import JsonRows
from consumer.formats.shapes import DEFAULTS, Options, Shape
from consumer.formats.tables import Tables
from consumer.formats.telling import told_by
from consumer.formats.wire import wired
from consumer.native import LookedAt

_ENVELOPES = (Shape.AUTO, Shape.DEBEZIUM)


class ChangeDecoder:
    """Decodes batches under one revision of the trackers.

    Headers tell first, then the magic byte, then the content: JSON or Avro; envelope, flattened, CloudEvent.

    Args:
        rules: says which tables are tracked, and which of their columns.
        options: what is configured of formats.
        schemas: the schema registry; None where none is configured.
    """

    def __init__(self, rules: Rules, options: Options = DEFAULTS, schemas: Schemas | None = None) -> None:
        avro = AvroSchemas(schemas)
        self._keys = RecordKeys(avro)
        self._options = options
        json_tables = Tables(rules.plans, lambda plan: JsonRows(plan, options.unavailable))
        avro_tables = Tables(rules.plans, lambda plan: AvroRows(plan, options.unavailable))
        native = native_of(options)
        programs = None if native is None else AvroPrograms(native)
        self._avro = AvroRecords(avro_tables, avro, options, self._keys, programs)
        self._json = JsonRecords(json_tables, options, self._keys, self._avro)
        self._json_change = self._json.change
        glance = glance_of(json_tables, programs, options.unavailable)
        self._look = glance.look if options.shape in _ENVELOPES else _see_nothing
        self._native = glance if isinstance(glance, NativeGlance) and options.shape in _ENVELOPES else None

    def sight(self) -> Sight | None:
        """What records may be looked at with as they are consumed; None where nothing was compiled for that."""
        return None if self._native is None else self._native.sight()

    def _glanced(self, batch: Batch, records: Sequence[Record]) -> Glanced:
        if batch.sight is None:
            return self._look([record.value() for record in records])
        if self._native is None or not self._native.made(batch.sight):
            raise RulesChanged("records were passed over under other trackers than those in force now")
        return self._native.seen(cast("Sequence[LookedAt]", records))

    def decode(self, batch: Batch) -> Decoded:
        """What became of each record at or above `stored`: an event, a dead letter, or a count by kind.

        A partition whose next record needs a schema that cannot be had now is held there: `Decoded.held`.

        Raises:
            RulesChanged: the batch has a sight of other rules.
        """
        events: list[ChangeEvent] = []
        poison: list[DeadLetter] = []
        held: dict[Partition, int] = {}
        reason = ""
        absent: Counter[tuple[str, str]] = Counter()
        reading = Reading(self._keys, self._options.event_id_headers, absent)
        records = batch.unevaluated()
        glanced = self._glanced(batch, records)
        skipped = Counter(untracked=glanced.untracked, unchanged=glanced.unchanged)
        for passed in batch.passed.values():
            skipped.update(passed._asdict())
        for place, seen in glanced.others:
            record = records[place]
            if held and partition_of(record) in held:
                continue
            try:
                change = seen or self._closely(record)
                event = change if isinstance(change, str) else change.event(record, batch, reading)
            except Poison as error:
                poison.append(DeadLetter.of(error, batch.origin(record), record.topic() or ""))
            except SchemaPending as error:
                held[partition_of(record)], reason = offset_of(record), str(error)
            else:
                if isinstance(event, str):
                    skipped[event] += 1
                else:
                    events.append(event)
        if held:
            # What a glance counted may stand behind what has to wait.
            before = self.decode(batch.before(held))
            return replace(before, held={**held, **before.held}, held_because=reason)
        return Decoded(events, poison, +skipped, absent)

    def _closely(self, record: Record) -> RowChange | str:
        """The change of a tracked row, `unchanged`, or the kind of record that is none, whatever its format."""
        change = self._change(record, record.value(), briefly=True)
        return "unchanged" if isinstance(change, RowChange) and change.unchanged else change

    def tell(self, record: Record, batch: Batch) -> Told:
        """What a record says, in full: what became of it first, so that both agree.

        Raises:
            SchemaPending: its schema cannot be had now.
        """
        decoded = self.decode(replace(batch, records=[record]))
        if decoded.held:
            raise SchemaPending(decoded.held_because)
        if decoded.poison:
            return Told(DEAD_LETTER, poison=decoded.poison[0].message)
        kind = next(iter(decoded.skipped), "")
        if kind not in ("", "unchanged"):
            return Told(kind)
        reading = Reading(self._keys, self._options.event_id_headers, Counter())
        try:
            change = self._change(record, record.value())
            return Told(change) if isinstance(change, str) else told_by(change, record, batch, reading)
        except (Poison, SchemaPending):
            # Nothing changed, so nobody looked at what is wrong here.
            return Told(kind)

    def _change(self, record: Record, value: bytes | None, *, briefly: bool = False) -> RowChange | str:
        if value is None or value == b"null":
            return self._tombstone(record)
        return self._object(record, value) if value[:1] == b"{" else self._binary(record, value, briefly)

    def _object(self, record: Record, value: bytes) -> RowChange | str:
        """JSON; only where it is none may the same byte be Avro whose schema a header names."""
        try:
            return self._json_change(record, value)
        except MalformedRecord:
            wire = wired(record, value)
            if wire is None:
                raise
            return self._avro.change(record, *wire)

    def _binary(self, record: Record, value: bytes, briefly: bool) -> RowChange | str:
        wire = wired(record, value)
        return self._json.change(record, value) if wire is None else self._avro.change(record, *wire, briefly=briefly)

    def _tombstone(self, record: Record) -> RowChange | str:
        """A delete, where flattened records are configured; behind an envelope that said so, nothing."""
        return self._json.deleted(record) if self._options.shape is Shape.FLATTENED else "tombstone"


def _see_nothing(values: Sequence[bytes | None]) -> Glanced:
    """Where envelopes are not what comes, nothing is one at a glance."""
    return Glanced(0, 0, [(place, None) for place in range(len(values))])
