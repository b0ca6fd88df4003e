"""Lines that cannot be written are dropped and counted, and nobody waits for them."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import TextIO, cast

import pytest
import structlog
from rich.console import Console

from consumer.log_lines import Lines, guard_output

Pipe = tuple[int, int]


class Count:
    """How many lines were dropped."""

    def __init__(self) -> None:
        self.lines = 0

    def add(self, lines: int) -> None:
        self.lines += lines


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reading, writing = os.pipe()
    yield reading, writing
    # The other end stays open: a thread of this test may still write to it, and its number would be another pipe's.
    os.close(reading)


def _took_s(lines: Lines, count: int) -> float:
    began_s = time.monotonic()
    for number in range(count):
        lines.write(f"{'x' * 500} {number}\n")
        lines.flush()
    return time.monotonic() - began_s


def test_lines_arrive_whole_and_in_order(pipe: Pipe) -> None:
    dropped = Count()
    lines = Lines(pipe[1], dropped.add)
    structlog.WriteLogger(cast("TextIO", lines)).msg("one")
    Console(file=cast("TextIO", lines)).print("two")
    lines.write("thrée \ud800\n")
    lines.finish()
    assert os.read(pipe[0], 1_000).decode() == "one\ntwo\nthrée \\ud800\n"
    assert dropped.lines == 0


def test_a_pipe_that_nobody_reads_holds_nobody_up(pipe: Pipe) -> None:
    dropped = Count()
    lines = Lines(pipe[1], dropped.add, waiting=100)
    assert _took_s(lines, 1_000) < 1.0
    assert dropped.lines > 500
    began_s = time.monotonic()
    lines.finish(0.1)
    assert time.monotonic() - began_s < 1.0


def test_once_somebody_reads_again_lines_arrive_again(pipe: Pipe) -> None:
    dropped = Count()
    lines = Lines(pipe[1], dropped.add, waiting=100)
    _took_s(lines, 1_000)
    waiting = 1_000 - dropped.lines
    with closing(os.fdopen(os.dup(pipe[0]), "rb")) as reader:
        seen = [reader.readline() for _ in range(waiting)]
        lines.write("again\n")
        assert reader.readline() == b"again\n"
    assert len(set(seen)) == waiting == 1_000 - dropped.lines


def test_a_closed_pipe_is_no_error() -> None:
    dropped = Count()
    reading, writing = os.pipe()
    os.close(reading)
    lines = Lines(writing, dropped.add)
    lines.write("one\ntwo\n")
    lines.write("three")
    lines.finish()
    assert dropped.lines == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk_is_no_error() -> None:
    dropped = Count()
    with Path("/dev/full").open("wb") as full:
        lines = Lines(full.fileno(), dropped.add)
        _took_s(lines, 10)
        lines.finish()
    assert dropped.lines >= 10


def test_a_descriptor_in_which_nobody_waits_is_waited_for(pipe: Pipe) -> None:
    dropped = Count()
    os.set_blocking(pipe[1], False)
    lines = Lines(pipe[1], dropped.add)
    _took_s(lines, 200)
    read = 0
    while read < 200 * 501:
        read += len(os.read(pipe[0], 10_000))
    lines.finish()
    assert dropped.lines == 0


def test_what_was_closed_leads_nowhere_and_what_is_no_file_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = StringIO()
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", inside)
    guard_output(Count().add)
    with closing(sys.stdout):
        print("nowhere")
    assert sys.stderr is inside
