"""Every column type in every mode, as the real connectors sent it, against the database's own text of the value."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from consumer.core.compiled import compile_rules
from consumer.core.trackers import DocumentType, Tracker, Trackers
from consumer.core.values import Encoding
from consumer.formats.connect_json import SchemaReader
from consumer.formats.decoder import ChangeDecoder
from tests.debezium.canon import expected
from tests.debezium.recording import read_recording
from tests.unit.recorded import Registry
from tests.unit.samples import DATA, REVISION, FakeRecord, batch_of

CAPTURED = DATA / "debezium"


Version = tuple[int, int]


class Truth(NamedTuple):
    """Of one table: declared types by column, and what the database printed by (id, rev) and column."""

    types: dict[str, str]
    rows: dict[Version, dict[str, str | None]]


@cache
def truth(connector: str) -> dict[str, Truth]:
    """By table."""
    with gzip.open(CAPTURED / connector / "truth.json.gz") as packed:
        tables = json.load(packed)
    return {
        name: Truth(
            {column: declared for column, declared in table["types"].items() if column not in ("id", "rev")},
            {(row["id"], row["rev"]): row["values"] for row in table["rows"]},
        )
        for name, table in tables.items()
    }


def decoded(
    connector: str, recording: str, table: str, column: str, encodings: Mapping[str, Encoding]
) -> Iterator[tuple[Version, str | None]]:
    """What was made of a column in each event that has it, by the (id, rev) of the row."""
    trackers = tuple(Tracker(name=name, document_type=table, track_field=name) for name in ("id", "rev", column))
    documents = {table: DocumentType(table, columns=encodings)}
    decoder = ChangeDecoder(compile_rules(Trackers(REVISION, trackers), documents), schemas=registry(connector))
    outcome = decoder.decode(batch_of(*records_of(connector, recording, table)))
    assert not [letter for letter in outcome.poison if letter.field != column]
    for event in outcome.events:
        after = {change.track_field: change.after for change in event.fields}
        if after.get("id") is not None and column in after:
            yield (int(after["id"] or 0), int(after["rev"] or 0)), after[column]


@cache
def registry(connector: str) -> Registry:
    return Registry(CAPTURED / connector / "registry.json")


@cache
def records_of(connector: str, recording: str, table: str) -> list[FakeRecord]:
    """The records of one table."""
    read = read_recording(CAPTURED / connector / f"{recording}.jsonl.gz")
    return [
        FakeRecord(r.topic, 0, at, r.key, r.value, list(r.headers), r.timestamp)
        for at, r in enumerate(read)
        if r.topic.endswith(f".{table}")
    ]


def modes(connector: str) -> dict[str, list[str]]:
    """The recordings that tell types, by mode."""
    found: dict[str, list[str]] = {}
    for path in sorted((CAPTURED / connector).glob("*.jsonl.gz")):
        mode, _, converter = path.name.removesuffix(".jsonl.gz").partition("-")
        if converter in ("json-schema", "avro", "avro-confluent") and mode not in ("documents", "flat", "cloud", "one"):
            found.setdefault(mode, []).append(f"{mode}-{converter}")
    return found


class Otherwise(NamedTuple):
    """Values that a connector is known to send otherwise than the database prints them, so that nobody could tell."""

    connector: str
    columns: str
    modes: str
    why: str


_TEXT_DECIMALS = {"mariadb": ("text", "microseconds"), "postgres": ("text", "isostring")}

SENT_OTHERWISE = (
    Otherwise(
        "mariadb",
        "bigint_u",
        "default|isostring|microseconds",
        "bigint.unsigned.handling.mode=long: negative from 2^63",
    ),
    Otherwise("mariadb", "float_7_3", ".*", "a FLOAT with digits is sent as a double"),
    Otherwise("mariadb", "enum_c", ".*", "a comma in a value is escaped"),
    Otherwise("mariadb", "(int|text|dec)_default", ".*", "replace.null.with.default: NULL looks like the DEFAULT"),
    Otherwise("mariadb", "(geometry|point|polygon)_c", ".*", "opaque: WKB in a structure"),
    Otherwise("mariadb", ".*(binary|blob)_c", "isostring|microseconds", "binary.handling.mode=hex, base64-url-safe"),
    Otherwise("mariadb", "(date|time)(time|stamp)?_[36]", "text", "time.precision.mode=connect has milliseconds"),
    Otherwise("mariadb", "dec(imal)?_.*|numeric_c", "isostring", "decimal.handling.mode=double has 15 digits"),
    Otherwise("mariadb", "datetime_.*", "nanoseconds", "nanoseconds overflow before 1678 and after 2262"),
    Otherwise("postgres", "(int|text|numeric)_default", ".*", "replace.null.with.default: NULL looks like the DEFAULT"),
    Otherwise("postgres", "point_c", ".*", "opaque: WKB in a structure"),
    Otherwise("postgres", "char_c", ".*", "CHAR(n) is sent with the spaces that pad it"),
    Otherwise("postgres", "timetz_c", ".*", "a time with zone is sent in UTC"),
    Otherwise("postgres", "name_c", ".*", "the type NAME is null while streaming"),
    Otherwise("postgres", "money_c", ".*", "a snapshot reads money as a double"),
    Otherwise("postgres", "hstore_c|varbit_c", ".*", "an empty one is {} or zero bits, not empty"),
    Otherwise("postgres", "interval_c", ".*", "ISO 8601, or seconds with a year of 365.25 days"),
    Otherwise("postgres", "tsvector_c", "text|microseconds", "unknown types are sent as bytes"),
    Otherwise("postgres", "timestamp.*", ".*", "a snapshot reads years before 1582 in the Julian calendar"),
    Otherwise("postgres", "numeric(_free)?_a", "text|isostring", "decimals in arrays are texts"),
    Otherwise("postgres", "time.*", "connect", "time.precision.mode=connect has milliseconds"),
    Otherwise("postgres", "numeric_.*", "connect", "decimal.handling.mode=double has 15 digits"),
    Otherwise(
        "mariadb",
        "(date|datetime|timestamp)_zero.*",
        ".*",
        "zero dates are null, or the epoch where NULL is not allowed",
    ),
    Otherwise("mariadb", "time_[06]", ".*", "a mode that has times of day only sends others as null or cut"),
    Otherwise("postgres", "numeric_(c|10_2)", ".*", "NaN and infinite numbers are null"),
    Otherwise("postgres", "infinite.date_c", ".*", "an infinite date is sent as some day millions of years away"),
    Otherwise("postgres", "infinite.time_c", "isostring|connect|nanoseconds", "24:00 is sent as 00:00"),
    Otherwise("postgres", "bytea_c", "connect|isostring", "binary.handling.mode=hex, base64-url-safe"),
)


def known(connector: str, column: str, mode: str) -> Otherwise | None:
    found = (o for o in SENT_OTHERWISE if o.connector == connector and re.fullmatch(rf"(\w+\.)?({o.columns})", column))
    return next((otherwise for otherwise in found if re.fullmatch(otherwise.modes, mode)), None)


Difference = tuple[str, str, str | None, str | None]


@cache
def differences(connector: str, mode: str, recording: str) -> list[Difference]:
    """Column, declared type, what the value should be, and what it was made to be."""
    found = []
    for table, (types, rows) in truth(connector).items():
        decimals = {c: Encoding("decimal") for c, t in types.items() if re.match(r"dec|numeric|money|percentage", t)}
        told = decimals if mode in _TEXT_DECIMALS[connector] else {}
        for column, declared in types.items():
            for row, value in decoded(connector, recording, table, column, told):
                right = expected(connector, declared, rows[row][column])
                if value != right:
                    found.append((f"{table}.{column}", declared, right, value))
    return found


STREAMS = [(c, mode, name) for c in ("mariadb", "postgres") for mode, names in modes(c).items() for name in names]


@pytest.mark.parametrize(("connector", "mode", "recording"), STREAMS)
def test_each_value_is_what_the_database_prints(connector: str, mode: str, recording: str) -> None:
    found = differences(connector, mode, recording)
    unknown = [difference for difference in found if known(connector, difference[0], mode) is None]
    assert not unknown, "\n".join(map(str, unknown))


def test_what_is_sent_otherwise_still_is() -> None:
    met = {known(c, difference[0], mode) for c, mode, name in STREAMS for difference in differences(c, mode, name)}
    assert not [otherwise for otherwise in SENT_OTHERWISE if otherwise not in met]


@pytest.mark.parametrize(("connector", "mode", "recording"), STREAMS)
def test_every_column_was_recorded_in_every_mode(connector: str, mode: str, recording: str) -> None:
    del mode
    for table, (types, rows) in truth(connector).items():
        unread = {
            c
            for c in types
            if not any(decoded(connector, recording, table, c, {})) and any(r[c] for r in rows.values())
        }
        # A negative scale is sent with 16,383 zeros behind the point: a number of more than 1,000 digits.
        # The type TSVECTOR is sent only where unknown types are asked for.
        assert unread <= {"numeric_5_m2", "tsvector_c"}


def schema_encodings(connector: str, recording: str, table: str) -> dict[str, Encoding]:
    """What JsonConverter's schema says of the columns, as `documents.<type>.columns` could say it."""
    reader, wrapped = SchemaReader(), msgspec.json.Decoder(dict[str, msgspec.Raw])
    values = [record.with_value for record in records_of(connector, recording, table) if record.with_value is not None]
    said = reader.schema(wrapped.decode(values[0])["schema"]).encodings
    return {column: encoding for column, encoding in said.items() if encoding.items is None}


SCHEMALESS = [(c, mode) for c in ("mariadb", "postgres") for mode in modes(c)]


@pytest.mark.parametrize(("connector", "mode"), SCHEMALESS)
def test_without_schemas_the_configuration_tells_the_same_as_a_schema(connector: str, mode: str) -> None:
    for table, (types, _) in truth(connector).items():
        told = schema_encodings(connector, f"{mode}-json-schema", table)
        arrays = {column for column, declared in types.items() if declared.endswith("[]")}
        for column in types.keys() - arrays:
            by_schema = list(decoded(connector, f"{mode}-json-schema", table, column, {}))
            assert list(decoded(connector, f"{mode}-json", table, column, told)) == by_schema, column


def test_the_page_of_types_shows_what_was_recorded() -> None:
    page = (Path(__file__).parents[2] / "docs" / "types.md").read_text(encoding="utf-8")
    for connector in ("mariadb", "postgres"):
        shown = [line for line in page.splitlines() if line.startswith("| `")]
        assert set(types_table(connector)) <= set(shown)
    assert len([line for line in page.splitlines() if line.startswith("| `")]) == sum(
        len(types_table(connector)) for connector in ("mariadb", "postgres")
    )


def types_table(connector: str) -> list[str]:
    """A line for each declared type: what the database prints, and the canonical text of each mode."""
    lines: dict[str, str] = {}
    for table, (types, rows) in truth(connector).items():
        for column, declared in types.items():
            shown = next((version for version, row in sorted(rows.items()) if row[column]), None)
            if shown is None or declared in lines or table != "all_types":
                continue
            texts = {mode: _sample(connector, f"{mode}-json-schema", table, column, shown) for mode in modes(connector)}
            lines[declared] = f"| `{declared}` | {_cell(rows[shown][column] or '')} | {_by_mode(texts)} |"
    return [lines[declared] for declared in sorted(lines)]


def _sample(connector: str, recording: str, table: str, column: str, version: Version) -> str:
    found = dict(decoded(connector, recording, table, column, {}))
    if version in found:
        return _cell(found[version] or "")
    sent = any(
        f'"{column}":'.encode() in (record.with_value or b"") for record in records_of(connector, recording, table)
    )
    return "dead letter" if sent else "not sent"


def _by_mode(texts: Mapping[str, str]) -> str:
    usual = texts["default"]
    other = {mode: text for mode, text in texts.items() if text != usual}
    return " · ".join([usual, *(f"{mode}: {text}" for mode, text in other.items())])


def _cell(text: str) -> str:
    short = text if len(text) <= 60 else f"{text[:57]}…"
    return f"`{short.strip()}`".replace("|", "\\|").replace("\n", "⏎") if short.strip() else "empty"


if __name__ == "__main__":
    for of in ("mariadb", "postgres"):
        print(f"## {of}\n\n| declared | printed | canonical text |\n|---|---|---|")
        print("\n".join(types_table(of)), "\n")
