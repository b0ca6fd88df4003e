"""Calls of the client that may never return, whatever time-out they are given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future


def detached(call: Callable[[], object], name: str) -> Future[None]:
    """Runs a call in a thread that nobody has to wait for, not even the end of the process."""
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    threading.Thread(target=run, daemon=True, name=name).start()
    return outcome
