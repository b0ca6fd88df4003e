"""Files of captured records give back what was in Kafka, byte for byte; and each capture is whole."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from consumer.captured import CapturedRecord
from tests.debezium.recording import in_base64, read_recording, write_recording
from tests.debezium.schemas import used_ids

_DATA = Path(__file__).parents[1] / "data" / "debezium"
_FILES = sorted(_DATA.glob("*/*.jsonl.gz"))
_VERSIONS = ("-1.50", "1e400", "NaN", '"text"', '{"a":  1}', '{"base64": "AA=="}', '{"base64":"AA==","more":1}')


@pytest.mark.parametrize("value", [None, b"", b"\x00\x01", b"\xff", b"null", b"[1,\n2]", *map(str.encode, _VERSIONS)])
def test_what_was_written_is_read_again(tmp_path: Path, value: bytes | None) -> None:
    headers = (("text", b"c"), ("id", b"\x00\x00\x00\x07"), ("empty", b""), ("quote", b'{"base64": "AA=="}'))
    record = CapturedRecord("topic", 2, 7, value, value, headers, 1_700_000_000_000)
    write_recording(tmp_path / "file.jsonl.gz", [record])
    assert list(read_recording(tmp_path / "file.jsonl.gz")) == [record]


def test_the_same_records_give_the_same_file(tmp_path: Path) -> None:
    for name in ("one.gz", "two.gz"):
        write_recording(tmp_path / name, [CapturedRecord("t", 0, 0, b"1", b'{"a":1}', (), 1)])
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()


@pytest.mark.parametrize("before", [b"", b"1", b"12", b"123"])
def test_a_text_is_found_in_base64_wherever_it_stands(before: bytes) -> None:
    written = b64encode(before + b"so-far-0002-is-sent" + b"after")
    assert any(form in written for form in in_base64(b"so-far-0002-is-sent"))
    assert not any(form in written for form in in_base64(b"so-far-0003-is-sent"))


def test_a_text_that_would_be_found_in_any_base64_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        in_base64(b"sent-2")


@pytest.mark.parametrize("path", _FILES, ids=lambda path: f"{path.parent.name}-{path.name.partition('.')[0]}")
def test_a_captured_stream_is_whole_and_its_schemas_are_there(path: Path) -> None:
    records = list(read_recording(path))
    assert any(record.topic.endswith((".marker", ".all_types")) for record in records)
    confluent = "avro-confluent" in path.name
    used = used_ids(records, confluent=confluent)
    assert bool(used) == ("avro" in path.name and not path.name.startswith("cloud-events"))
    schemas = json.loads((path.parent / "registry.json").read_text())
    assert not {(kind, number) for kind, number in used if str(number) not in schemas[kind]}


@pytest.mark.parametrize("connector", ["mariadb", "postgres"])
def test_each_version_of_a_row_that_was_captured_is_in_the_truth(connector: str) -> None:
    truth: dict[str, Any] = json.loads(gzip.decompress((_DATA / connector / "truth.json.gz").read_bytes()))
    noted = {(table, row["id"], row["rev"]) for table, told in truth.items() for row in told["rows"]}
    seen = set()
    for record in read_recording(_DATA / connector / "default-json.jsonl.gz"):
        table = record.topic.rpartition(".")[2]
        after = json.loads(record.value)["after"] if record.value and table in truth else None
        if after is not None:
            seen.add((table, after["id"], after["rev"]))
    assert seen == noted
