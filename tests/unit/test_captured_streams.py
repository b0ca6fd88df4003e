"""Every captured record is decoded, with and without schemas alike, and gives what the data's README says."""

from collections import Counter
from collections.abc import Sequence
from functools import cache

import msgspec
import pytest

from consumer.captured import CapturedRecord, read_captured
from consumer.config import read_trackers
from consumer.core.compiled import Rules, compile_rules
from consumer.core.events import ChangeEvent, Decoded, FieldChange, Kind
from consumer.core.records import Origin
from consumer.core.trackers import DocumentType, Tracker, Trackers
from consumer.core.values import Encoding
from consumer.formats.decoder import ChangeDecoder
from tests.unit.samples import DATA, REVISION, FakeRecord, batch_of, tracker

TOPIC = "document-changes"
STRING_MODE = "frappe-events-stringmode"
DEFAULT_MODE = "frappe-events"
POSTGRES = "postgres-events"
MODES = [STRING_MODE, DEFAULT_MODE, POSTGRES]

DECIMAL = Encoding("decimal", 9)
IN_DEFAULT_MODE = {
    "amount": DECIMAL, "qty": DECIMAL, "pct": DECIMAL, "dur": DECIMAL, "due": Encoding("date"),
    "starts": Encoding("timestamp_us"), "at": Encoding("time_us"),
}  # fmt: skip


@cache
def captured(name: str) -> Sequence[CapturedRecord]:
    return list(read_captured(DATA / f"{name}.jsonl.gz"))


@cache
def rules(mode: str) -> Rules:
    """The trackers of the captured Frappe; in the default modes encodings come from `documents`."""
    said = read_trackers(DATA / "trackers.yaml")
    if mode == STRING_MODE:
        return compile_rules(Trackers(REVISION, tuple(said)), {})
    trackers = [tracker(t.document_type, t.track_field) for t in said]
    if mode == POSTGRES:
        fields = ("status", "due", "amount", "n", "notes", "body")
        trackers = [tracker(kind, field) for kind in ("Oracle Default", "Oracle Full") for field in fields]
        trackers += [tracker("Oracle Nokey", "value"), tracker("Oracle Trunc", "status")]
    documents = {name: DocumentType(name, columns=IN_DEFAULT_MODE) for name in {t.document_type for t in trackers}}
    return compile_rules(Trackers(REVISION, tuple(trackers)), documents)


def decode(records: Sequence[CapturedRecord], mode: str) -> Decoded:
    """All records as one batch; offsets of one partition stay apart by what they were captured at."""
    given = [FakeRecord(r.topic, r.partition, r.offset, r.key, r.value, list(r.headers), r.timestamp) for r in records]
    return ChangeDecoder(rules(mode)).decode(batch_of(*given))


@pytest.mark.parametrize("schema", ["", "-with-schema"])
@pytest.mark.parametrize("mode", MODES)
def test_no_captured_record_is_poison_but_those_without_a_key(mode: str, schema: str) -> None:
    decoded = decode(captured(mode + schema), mode)
    assert {letter.error_class for letter in decoded.poison} <= {"MissingKey"}
    keyless = {(r.partition, r.offset) for r in captured(mode + schema) if r.key is None and r.topic == TOPIC}
    assert {letter.origin[1:] for letter in decoded.poison} <= keyless
    assert bool(decoded.poison) is bool(keyless)
    assert decoded.absent == {}
    total = len(decoded.events) + len(decoded.poison) + sum(decoded.skipped.values())
    assert total == len(captured(mode + schema))


@pytest.mark.parametrize(
    ("name", "skipped"),
    [
        (STRING_MODE, {"transaction": 5_504, "tombstone": 243}),
        (DEFAULT_MODE, {"schema change": 52, "heartbeat": 35, "tombstone": 243}),
        (POSTGRES, {"heartbeat": 4, "message": 3, "truncate": 1, "tombstone": 22}),
        (f"{DEFAULT_MODE}-with-schema", {"schema change": 52, "heartbeat": 35, "tombstone": 80}),
    ],
)
def test_what_accompanies_changes_is_counted_by_kind(name: str, skipped: dict[str, int]) -> None:
    found = decode(captured(name), name.removesuffix("-with-schema")).skipped
    assert {kind: found[kind] for kind in skipped} == skipped
    assert set(found) - set(skipped) <= {"untracked", "unchanged"}


def without_schema(record: CapturedRecord) -> CapturedRecord:
    return msgspec.structs.replace(record, key=_payload(record.key), value=_payload(record.value))


class _Wrapped(msgspec.Struct):
    payload: msgspec.Raw


def _payload(text: bytes | None) -> bytes | None:
    return None if text is None else bytes(msgspec.json.decode(text, type=_Wrapped).payload)


def plain(event: ChangeEvent) -> tuple[object, ...]:
    return msgspec.structs.astuple(event)


@pytest.mark.parametrize("mode", MODES)
def test_the_schema_wrapper_changes_no_event(mode: str) -> None:
    wrapped = captured(f"{mode}-with-schema")
    with_schema, bare = decode(wrapped, mode), decode([without_schema(r) for r in wrapped], mode)
    assert [plain(event) for event in with_schema.events] == [plain(event) for event in bare.events]
    assert with_schema.skipped == bare.skipped
    assert [letter.origin for letter in with_schema.poison] == [letter.origin for letter in bare.poison]
    assert len(with_schema.events) > 20


def test_in_default_mode_the_schema_says_what_the_tracker_need_not() -> None:
    untold = compile_rules(Trackers(REVISION, tuple(tracker(t.document_type, t.track_field) for t in _said())), {})
    records = [
        FakeRecord(r.topic, r.partition, r.offset, r.key, r.value, list(r.headers), r.timestamp)
        for r in captured(f"{DEFAULT_MODE}-with-schema")
    ]
    by_schema = ChangeDecoder(untold).decode(batch_of(*records))
    told = decode(captured(f"{DEFAULT_MODE}-with-schema"), DEFAULT_MODE)
    assert [plain(event) for event in by_schema.events] == [plain(event) for event in told.events]


def _said() -> list[Tracker]:
    return read_trackers(DATA / "trackers.yaml")


def reached(events: Sequence[ChangeEvent]) -> Counter[tuple[str, str, str, str | None, str]]:
    """What creates and updates with a known `before` amount to, before any state."""
    return Counter(
        (event.document_type, event.reference_name, field.track_field, field.before, field.after)
        for event in events
        if event.kind in (Kind.CREATE, Kind.UPDATE)
        for field in event.fields
        if field.after is not None
    )


def test_the_stringmode_stream_amounts_to_the_milestones_that_are_right_for_it() -> None:
    right = msgspec.json.decode(_unpacked("expected-milestones.json.gz"))
    columns = ("reference_type", "reference_name", "track_field", "from_value", "value")
    decoded = decode(captured(STRING_MODE), STRING_MODE)
    assert reached(decoded.events) == Counter(tuple(m[column] for column in columns) for m in right)
    assert sum(reached(decoded.events).values()) == 1_698


def _unpacked(name: str) -> bytes:
    import gzip  # noqa: PLC0415 - nothing else here needs it

    return gzip.decompress((DATA / name).read_bytes())


def test_both_modes_tell_the_same_but_for_what_a_mode_hides() -> None:
    """Default modes write NULL as the column's default; string mode has times in milliseconds."""
    told = [
        {key[:3] + key[4:] for key in reached(decode(captured(mode), mode).events) if key[2] not in ("at", "starts")}
        for mode in (STRING_MODE, DEFAULT_MODE)
    ]
    assert len(told[0] & told[1]) > 1_000
    assert {field for _, _, field, _ in told[0] ^ told[1]} == {"stage"}


def test_with_replica_identity_default_nothing_is_known_of_before() -> None:
    events = [e for e in decode(captured(POSTGRES), POSTGRES).events if e.document_type == "Oracle Default"]
    kinds = Counter(event.kind for event in events)
    assert kinds[Kind.UPDATE] > 10
    assert kinds[Kind.DELETE] > 0
    updates = [field for event in events if event.kind is Kind.UPDATE for field in event.fields]
    assert not any(field.before_known for field in updates)
    deletes = [field for event in events if event.kind is Kind.DELETE for field in event.fields]
    assert set(deletes) == {FieldChange(field.track_field, None, False, None) for field in deletes}


def test_with_replica_identity_full_before_is_known_except_for_toast() -> None:
    events = [e for e in decode(captured(POSTGRES), POSTGRES).events if e.document_type == "Oracle Full"]
    updates = [field for event in events if event.kind is Kind.UPDATE for field in event.fields]
    assert all(field.before_known for field in updates)
    assert len(updates) > 10


def test_the_toast_placeholder_is_nobodys_value() -> None:
    decoded = decode(captured(POSTGRES), POSTGRES)
    texts = [text for event in decoded.events for field in event.fields for text in (field.before, field.after)]
    assert not any("__debezium_unavailable_value" in text for text in texts if text)
    assert sum(b"__debezium_unavailable_value" in (r.value or b"") for r in captured(POSTGRES)) > 30


@pytest.mark.parametrize("mode", MODES)
def test_the_halves_of_each_rename_find_each_other(mode: str) -> None:
    halves: dict[tuple[str, str, str, str], set[Kind]] = {}
    for event in decode(captured(mode), mode).events:
        if event.other_name is not None:
            here = event.kind is Kind.RENAMED_HERE
            names = (event.other_name, event.reference_name) if here else (event.reference_name, event.other_name)
            halves.setdefault((event.document_type, *names, event.identity.renaming), set()).add(event.kind)
    assert halves
    assert all(kinds == {Kind.RENAMED_AWAY, Kind.RENAMED_HERE} for kinds in halves.values())


@pytest.mark.parametrize(("mode", "kind"), [(STRING_MODE, "gtid"), (DEFAULT_MODE, "gtid"), (POSTGRES, "lsn")])
def test_no_two_changes_of_one_document_have_one_identity(mode: str, kind: str) -> None:
    events = decode(captured(mode), mode).events
    assert Counter(e.identity.kind for e in events).most_common(1)[0][0] == kind
    seen: dict[tuple[str, str, str], Origin] = {}
    for event in events:
        key = (event.document_type, event.reference_name, event.identity.text)
        assert seen.setdefault(key, event.origin) == event.origin
