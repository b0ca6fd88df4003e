"""Lines to stdout and stderr that hold nobody up: the pipe may be full or closed, and so may be the disk."""

from __future__ import annotations

import atexit
import os
import select
import sys
import threading
from collections.abc import Callable
from io import TextIOBase, UnsupportedOperation
from queue import Full, Queue
from typing import TextIO, cast

_LAST_WORDS_S = 1.0


class Lines(TextIOBase):
    """A text stream that neither waits nor raises: a thread writes, and what cannot be written is dropped.

    Args:
        descriptor: where to; it stays open.
        dropped: called with the number of lines that are lost, by whichever thread.
        waiting: how many texts may wait for the thread.
    """

    encoding = "utf-8"

    def __init__(self, descriptor: int, dropped: Callable[[int], object], waiting: int = 1_000) -> None:
        super().__init__()
        self._descriptor, self._dropped = descriptor, dropped
        self._waiting: Queue[bytes | threading.Event] = Queue(waiting)
        # Nobody waits for it: where a write hangs, the process ends nevertheless.
        threading.Thread(target=self._write_all, daemon=True, name="lines").start()

    def writable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """The descriptor behind it."""
        return self._descriptor

    def write(self, text: str, /) -> int:
        """Leaves a text to the thread; it is written whole or not at all, unless the descriptor fails in its middle."""
        content = text.encode("utf-8", "backslashreplace")
        try:
            self._waiting.put_nowait(content)
        except Full:
            self._drop(content)
        return len(text)

    def finish(self, timeout_s: float = _LAST_WORDS_S) -> None:
        """Waits until all is written, but not for ever."""
        written = threading.Event()
        try:
            self._waiting.put(written, timeout=timeout_s)
        except Full:
            return
        written.wait(timeout_s)

    def _write_all(self) -> None:
        while True:
            content = self._waiting.get()
            if isinstance(content, threading.Event):
                content.set()
                continue
            try:
                self._write(content)
            except OSError:
                self._drop(content)

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                # Whoever shares the descriptor said that nobody waits in it.
                select.select([], [self._descriptor], [], 1.0)

    def _drop(self, content: bytes) -> None:
        self._dropped(max(content.count(b"\n"), 1))


def guard_output(dropped: Callable[[int], object]) -> None:
    """Lets stdout and stderr hold nobody up from now on. A terminal stays as it is; what was closed leads nowhere."""
    sys.stdout = _guarded(sys.stdout, dropped)
    sys.stderr = _guarded(sys.stderr, dropped)


def _guarded(stream: TextIO | None, dropped: Callable[[int], object]) -> TextIO:
    try:
        # Not its old number if it was closed: by now that may be a connection.
        descriptor = os.open(os.devnull, os.O_WRONLY) if stream is None else stream.fileno()
    except UnsupportedOperation:
        descriptor = -1
    if stream is not None and (descriptor < 0 or stream.isatty()):
        return stream
    lines = Lines(descriptor, dropped)
    atexit.register(lines.finish)
    return cast("TextIO", lines)
