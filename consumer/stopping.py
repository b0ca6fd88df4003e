"""SIGTERM and SIGINT: the first asks for an orderly end, the second ends the process at once."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """Listens from when it is made. `orderly` is what the first signal does, in the main thread.

    Until something else is said it leaves the program with 0: nothing was begun.
    """

    def __init__(self) -> None:
        self.orderly: Callable[[], None] = leave
        self._asked = False
        self._heard, told = socket.socketpair()
        told.setblocking(False)
        # Python's own handlers wait until the main thread comes back from whatever it called; this does not.
        signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        self._told = told
        threading.Thread(target=self._end_at_the_second, daemon=True, name="signals").start()
        for sign in SIGNALS:
            signal.signal(sign, self._on_signal)

    def ask(self) -> None:
        """As the first signal does; nothing if that has come already."""
        if not self._asked:
            os.kill(os.getpid(), signal.SIGTERM)

    def _on_signal(self, _: int, __: FrameType | None) -> None:
        if not self._asked:
            self._asked = True
            self.orderly()

    def _end_at_the_second(self) -> None:
        seen = 0
        while numbers := self._heard.recv(64):
            for number in numbers:
                seen += number in SIGNALS
                if seen > 1:
                    os._exit(128 + number)


def leave() -> None:
    """Ends a program that waits for its servers."""
    raise SystemExit(0)
