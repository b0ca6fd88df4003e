"""Whatever bytes come: the compiled code reads none beside them, and says the same under the compiler's sanitizers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from consumer.native import Envelopes, Facts
from tests.native.avro import NO_PROGRAM, avro_damaged, avro_samples, changed_program
from tests.native.samples import COLUMNS, envelope
from tests.native.sanitized import built_in, says

_WORDS = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b"-", b"0", b"1e9", b"null", b"true", b"fals",
    b"\\u00e9", b"\\ud83d\\ude00", b"\\ud83d", b"\xc3\xb6", b"\xf0\x9f", b"\xff", b"\x00", b'"table":"',
    b'"table":"tabTask"',
)  # fmt: skip


def test_no_byte_beside_a_text_is_read(driver: Path, compiled: Envelopes) -> None:
    texts = [*_damaged(seed=1, count=30_000), *_cut()]
    plan, programs = compiled.make_plan(COLUMNS), compiled.make_programs(())
    said = says(driver, NO_PROGRAM, texts)
    assert said == [_verdict(compiled.look(plan, programs, [text])) for text in texts]
    # Where most were nothing, little would have been read.
    assert {-1, -2, -3, 0, 1} <= set(said)
    assert sum(one != -1 for one in said) > len(said) / 20


def test_processors_without_sse_say_the_same(driver: Path, tmp_path: Path) -> None:
    texts = [*_damaged(seed=4, count=10_000), *_cut()]
    assert says(built_in(tmp_path, "-U__SSE2__"), NO_PROGRAM, texts) == says(driver, NO_PROGRAM, texts)


def test_no_byte_beside_a_record_in_avro_is_read(driver: Path, compiled: Envelopes) -> None:
    for program, whole in avro_samples():
        texts = [*avro_damaged(whole, seed=2, count=6_000)]
        programs = compiled.make_programs((program,))
        said = says(driver, program, texts)
        assert said == [_verdict(compiled.look(compiled.make_plan(()), programs, [text])) for text in texts]
        assert {-1, -2 if program[7] < 0 else -3} <= set(said)


def test_whatever_numbers_a_program_has_nothing_beside_it_is_read(driver: Path, compiled: Envelopes) -> None:
    draw = random.Random(3)
    refused = 0
    for program, whole in avro_samples() * 60:
        wrong = changed_program(program, draw)
        try:
            compiled.make_programs((wrong,))
        except (ValueError, TypeError, OverflowError):
            refused += 1
        says(driver, wrong, [*avro_damaged(whole, seed=draw.randrange(1_000), count=50)])
    assert refused > 30


def _verdict(seen: tuple[int, int, Sequence[tuple[int, int, Facts | None]]]) -> int:
    untracked, unchanged, others = seen
    return -2 if untracked else -3 if unchanged else others[0][1]


def _whole() -> Iterator[bytes]:
    """Envelopes of tracked tables and of others, in several spellings."""
    for table in ("tabTask", "tabGröße", "tabNote", "t"):
        for before, after in (("Open", "Open"), ("Open", "Done"), ("é" * 20, "é" * 20), (None, 'a "quoted" \\ text')):
            one = envelope(table, before, after)
            for separators in ((",", ":"), (", ", ": ")):
                for escaped in (True, False):
                    yield json.dumps(one, separators=separators, ensure_ascii=escaped).encode()
    yield from map(_in_transaction, ("0-1-7", "g" * 1_000), ("binlog.000001", "f" * 1_000), (7, 10**18 - 1))


def _in_transaction(gtid: str, file: str, most: int) -> bytes:
    """A usual change with everything that names it."""
    one = envelope("tabGröße", "Open", "Done")
    one["source"] |= {"gtid": gtid, "file": file, "server_id": most, "pos": most, "row": most, "ts_us": most}
    one["transaction"] = {"id": "x", "total_order": most}
    return json.dumps(one, separators=(",", ":"), ensure_ascii=False).encode()


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
