"""Ends a former owner that froze inside its store transaction and still holds the locks of its partitions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from consumer.errors import MilestonesError
from consumer.postgres.connection import connect

_END = """
select pg_terminate_backend(pid) from pg_stat_activity
where pid = any(pg_blocking_pids(%s)) and usename = current_user
    and application_name = current_setting('application_name')
"""


@contextmanager
def end_blockers(dsn: str, waiting_pid: int) -> Iterator[None]:
    """While the body waits for a lock, ends the sessions of this program (same user) that hold it."""
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(dsn, waiting_pid, done), daemon=True, name="end-blockers")
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _watch(dsn: str, waiting_pid: int, done: threading.Event) -> None:
    try:
        with connect(dsn, autocommit=True) as connection:
            while not done.wait(0.1):
                connection.execute(_END, (waiting_pid,))
    except MilestonesError:
        # The body waits on its own lock_timeout and reports what happened.
        return
