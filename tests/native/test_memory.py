"""Whatever bytes come: the compiled code reads none beside them, and says the same under the compiler's sanitizers."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from consumer import native
from tests.native.samples import COLUMNS, envelope

_DRIVER = Path(__file__).with_name("driver.c")
_WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wvla", "-Wpedantic", "-Werror")
_SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g")
_WORDS = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b"-", b"0", b"1e9", b"null", b"true", b"fals",
    b"\\u00e9", b"\\ud83d\\ude00", b"\\ud83d", b"\xc3\xb6", b"\xf0\x9f", b"\xff", b"\x00", b'"table":"',
    b'"table":"tabTask"',
)  # fmt: skip


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code under the compiler's sanitizers, as a program."""
    if native.envelopes is None:
        pytest.skip("no C compiler was found when this was installed")
    built = tmp_path_factory.mktemp("driver") / "driver"
    include = f"-I{Path(native.__file__).parent}"
    command = [
        os.environ.get("CC", "cc"),
        "-std=c11",
        "-O1",
        *_WARNINGS,
        *_SANITIZED,
        include,
        str(_DRIVER),
        "-o",
        str(built),
    ]
    subprocess.run(command, check=True)
    return built


def test_no_byte_beside_a_text_is_read(driver: Path) -> None:
    texts = [*_damaged(seed=1, count=30_000), *_cut()]
    assert native.envelopes is not None
    plan = native.envelopes.make_plan(COLUMNS)
    said = _said(driver, texts)
    assert said == [_verdict(native.envelopes.look(plan, [text])) for text in texts]
    # Where most were nothing, little would have been read.
    assert {-1, -2, -3, 0, 1} <= set(said)
    assert sum(one != -1 for one in said) > len(said) / 20


def _verdict(seen: tuple[int, int, Sequence[tuple[int, int]]]) -> int:
    untracked, unchanged, others = seen
    return -2 if untracked else -3 if unchanged else others[0][1]


def _said(driver: Path, texts: Sequence[bytes]) -> list[int]:
    given = b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    done = subprocess.run([driver], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2_000:]
    return [int(line) for line in done.stdout.split()]


def _whole() -> Iterator[bytes]:
    """Envelopes of tracked tables and of others, in several spellings."""
    for table in ("tabTask", "tabGröße", "tabNote", "t"):
        for before, after in (("Open", "Open"), ("Open", "Done"), ("é" * 20, "é" * 20), (None, 'a "quoted" \\ text')):
            one = envelope(table, before, after)
            for separators in ((",", ":"), (", ", ": ")):
                for escaped in (True, False):
                    yield json.dumps(one, separators=separators, ensure_ascii=escaped).encode()


def _damaged(seed: int, count: int) -> Iterator[bytes]:
    draw = random.Random(seed)
    whole = [*_whole()]
    for _ in range(count):
        text = bytearray(draw.choice(whole))
        for _ in range(draw.randint(0, 3)):
            at = draw.randrange(len(text) + 1)
            text[at : at + draw.choice((0, 0, 1, 2, 9))] = draw.choice(_WORDS)
        yield bytes(text)


def _cut() -> Iterator[bytes]:
    """Every beginning and every end of some."""
    for text in [*_whole()][::9]:
        for at in range(len(text)):
            yield text[:at]
            yield text[at:]
