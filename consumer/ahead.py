"""Generators in processes of their own: they work ahead, on other cores, while their items are used here."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar, cast

from consumer.errors import MilestonesError
from consumer.tuning import tune

_Item = TypeVar("_Item")

Make = Callable[..., Generator[_Item, None, None]]


def ahead(make: Make[_Item], shares: Sequence[tuple[object, ...]]) -> Generator[_Item, None, None]:
    """The items of `make(*share)` of each share, as they come; each share's in order.

    A process makes no more than what fits into a pipe before it is taken. It is a new one, not a fork: clients of
    Kafka and PostgreSQL do not live through that. `make` is a function of a module; what goes to and fro is pickled.

    Raises:
        MilestonesError: a process was killed; and whatever a generator raises.
    """
    context = get_context("spawn")
    pipes = [context.Pipe(duplex=False) for _ in shares]
    processes = [
        context.Process(target=_send, args=(sending, make, share), daemon=True)
        for (_, sending), share in zip(pipes, shares, strict=True)
    ]
    for process, (_, sending) in zip(processes, pipes, strict=True):
        process.start()
        sending.close()  # Else the end of the process would not be the end of the pipe.
    unread = [receiving for receiving, _ in pipes]
    try:
        while unread:
            for receiving in cast("list[Connection]", wait(unread)):
                item = _received(receiving)
                if item is None:
                    unread.remove(receiving)
                else:
                    yield item[0]
    finally:
        for process, (receiving, _) in zip(processes, pipes, strict=True):
            receiving.close()
            process.terminate()
            process.join()


def _received(receiving: Connection) -> tuple[Any] | None:
    """The next item; None behind the last one."""
    try:
        item, error, is_last = receiving.recv()
    except EOFError:
        raise MilestonesError("a process that reads ahead ended early: was it killed, for want of memory?") from None
    if error is not None:
        raise error
    return None if is_last else (item,)


def _send(sending: Connection, make: Make[object], share: tuple[object, ...]) -> None:
    # Ctrl-C reaches the whole group of processes: the one that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tune()
    # A broken pipe: the one that reads it ended first.
    with suppress(BrokenPipeError):
        try:
            for item in make(*share):
                sending.send((item, None, False))
        except MilestonesError as error:
            sending.send((None, error, False))
        else:
            sending.send((None, None, True))
