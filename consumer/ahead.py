"""A generator in a process of its own: it works ahead while its items are used here, on another core."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from consumer.errors import MilestonesError

_Item = TypeVar("_Item")


def ahead(make: Callable[..., Generator[_Item, None, None]], *arguments: object) -> Generator[_Item, None, None]:
    """The items of `make(*arguments)`, in order. What does not fit into a pipe is not made yet.

    The process is a new one, not a fork: clients of Kafka and PostgreSQL do not live through that. `make` is a function
    of a module; arguments, items and errors are pickled.

    Raises:
        MilestonesError: the process was killed; and whatever the generator raises.
    """
    # Those who use it need not know; spawned, since a fork would share sockets and locks of other threads.
    context = get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sending, make, arguments), daemon=True, name="reading ahead")
    process.start()
    sending.close()  # Else the end of the process would not be the end of the pipe.
    try:
        while (item := _received(receiving)) is not None:
            yield item[0]
    finally:
        receiving.close()
        process.terminate()
        process.join()


def _received(receiving: Connection) -> tuple[Any] | None:
    """The next item; None behind the last one."""
    try:
        item, error, is_last = receiving.recv()
    except EOFError:
        raise MilestonesError("the process that reads ahead ended early: was it killed, for want of memory?") from None
    if error is not None:
        raise error
    return None if is_last else (item,)


def _send(
    sending: Connection, make: Callable[..., Generator[object, None, None]], arguments: tuple[object, ...]
) -> None:
    # Ctrl-C reaches the whole group of processes: the one that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Nobody reads any more: the other one ended first.
    with suppress(BrokenPipeError):
        try:
            for item in make(*arguments):
                sending.send((item, None, False))
        except MilestonesError as error:
            sending.send((None, error, False))
        else:
            sending.send((None, None, True))
