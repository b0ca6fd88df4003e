"""Kafka records as captured in a file: one JSON object a line, `.jsonl` or `.jsonl.gz`; also what `kcat -J` prints."""

import gzip
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import Annotated

import msgspec

from consumer.errors import ConfigError

Count = Annotated[int, msgspec.Meta(ge=0)]


class CapturedRecord(msgspec.Struct, frozen=True):
    """One Kafka record, its key, value and headers as the bytes a converter would send; `timestamp` in ms."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    # Raw keeps numbers and escapes as written: decoding and encoding again would rewrite 1.50 or \uD83D\uDE00.
    topic: Annotated[str, msgspec.Meta(min_length=1)]
    partition: Count
    offset: Count
    key: msgspec.Raw
    value: msgspec.Raw
    timestamp: Count
    headers: list[tuple[str, str]] = []  # msgspec copies the empty list for each struct


class _KcatLine(msgspec.Struct, frozen=True):
    # What `kcat -C -J` prints: key and payload are texts, headers are names and values in turn.
    topic: Annotated[str, msgspec.Meta(min_length=1)]
    partition: Count
    offset: Count
    payload: str | None
    key: str | None = None
    ts: int = 0
    headers: list[str | None] | None = None


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_kcat = msgspec.json.Decoder(_KcatLine).decode
_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_captured(path: str | Path) -> Iterator[CapturedRecord]:
    """Yield the records of a captured stream in file order; blank lines are skipped.

    The form is `{"topic","partition","offset","key","value","headers":[[k,v],…],"timestamp"}`; key and value are handed
    on byte for byte, null as None, header values as UTF-8. A line with `payload` is taken for one of `kcat -J`, whose
    texts cannot hold Avro. Raises ConfigError, naming file and line.
    """
    number = 0
    try:
        with _open(Path(path)) as lines:
            for number, line in enumerate(lines, start=1):  # noqa: B007 - the errors below name it
                if line.strip():
                    yield _kcat_record(line) if b'"payload"' in line and _is_of_kcat(line) else _record(line)
    except msgspec.ValidationError as error:
        raise _bad_line(path, number, f"is not a captured record: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _bad_line(path, number, f"is not JSON: {error}") from error
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist; name a captured stream with --input") from error
    except (OSError, EOFError) as error:
        raise ConfigError(
            f"{path}: cannot be read after line {number}: {error}. "
            "Give --input a captured stream, plain (.jsonl) or compressed by gzip (.jsonl.gz)."
        ) from error


def _open(path: Path) -> BufferedIOBase:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")


def _record(line: bytes) -> CapturedRecord:
    captured = _decode_line(line)
    return CapturedRecord(
        topic=captured.topic,
        partition=captured.partition,
        offset=captured.offset,
        key=_text(captured.key),
        value=_text(captured.value),
        headers=tuple((name, value.encode()) for name, value in captured.headers),
        timestamp=captured.timestamp,
    )


def _is_of_kcat(line: bytes) -> bool:
    names = _decode_names(line).keys()
    return "payload" in names and "value" not in names


def _kcat_record(line: bytes) -> CapturedRecord:
    printed = _decode_kcat(line)
    flat = printed.headers or []
    headers = tuple((str(name), (value or "").encode()) for name, value in zip(flat[::2], flat[1::2], strict=False))
    key, value = (None if text is None else text.encode() for text in (printed.key, printed.payload))
    place = printed.topic, printed.partition, printed.offset
    return CapturedRecord(*place, key=key, value=value, headers=headers, timestamp=max(printed.ts, 0))


def _text(raw: msgspec.Raw) -> bytes | None:
    text = bytes(raw)
    return None if text == b"null" else text


def _bad_line(path: str | Path, number: int, wrong: str) -> ConfigError:
    return ConfigError(
        f"{path}, line {number}: {wrong}. Each line holds one JSON object with topic, partition, offset, key, value, "
        "headers ([[name, text], …]) and timestamp (ms); correct or remove this line."
    )
