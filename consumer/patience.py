"""Waiting for servers that are not there yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from consumer.errors import Transient

log = structlog.get_logger(__name__)

_PAUSE_S = 2.0
_Answer = TypeVar("_Answer")


def patiently(step: Callable[[], _Answer]) -> _Answer:
    """The answer of a step, asked again for as long as a server is away: alive, not ready."""
    while True:
        try:
            return step()
        except Transient as error:
            log.warning("waiting for a server", reason=str(error))
            time.sleep(_PAUSE_S)
