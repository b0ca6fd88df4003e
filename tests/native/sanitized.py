"""The compiled code under the compiler's sanitizers, as a program that ends at the first byte read beside a text."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from consumer import native
from consumer.native import AvroProgram

_DRIVER = Path(__file__).with_name("driver.c")
_WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wvla", "-Wpedantic", "-Werror")
_SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g")


def built_in(folder: Path, *options: str) -> Path:
    """The program, compiled, with more of the compiler's options."""
    built = folder / "driver"
    include = f"-I{Path(native.__file__).parent}"
    command = [os.environ.get("CC", "cc"), "-std=c11", "-O1", *_WARNINGS, *_SANITIZED, *options, include, str(_DRIVER)]
    subprocess.run([*command, "-o", str(built)], check=True)
    return built


def says(driver: Path, program: AvroProgram, texts: Sequence[bytes]) -> list[int]:
    """What it says of each text: see `consumer/native/envelopes.h`."""
    number, table, types, parts, roles, columns, count, row, source, field = program
    arrays = (table, types, parts, roles, columns)
    given = [struct.pack("<Iiiii", number, count, row, source, field)]
    given += [len(some).to_bytes(4, "little") + some for some in (*arrays, *texts)]
    done = subprocess.run([driver], input=b"".join(given), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2_000:]
    return [int(line) for line in done.stdout.split()]


def names_and_hashes(driver: Path, keys: Sequence[bytes]) -> tuple[list[bytes | None], list[bytes]]:
    """The name that it finds in each key, and the key's hash: see `consumer/native/keys.h` and `hashing.h`."""
    given = b"".join(len(key).to_bytes(4, "little") + key for key in keys)
    done = subprocess.run([driver, "keys"], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2_000:]
    lines = [line.split() for line in done.stdout.splitlines()]
    names = [key[int(at) :][: int(length)] or None for key, (at, length, _) in zip(keys, lines, strict=True)]
    return names, [bytes.fromhex(digest.decode()) for *_, digest in lines]
