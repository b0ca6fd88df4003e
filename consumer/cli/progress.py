"""A bar on the terminal for what reads records; nothing where stderr is no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from consumer.app_audit import Progress as Steps
from consumer.cli.output import errors


@contextmanager
def records_progress(what: str = "records") -> Iterator[Steps]:
    """What to tell of how many there are, and how many were read."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(separator=" of ")
    with Progress(*columns, TimeRemainingColumn(), console=errors, disable=not errors.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield Steps(lambda total: progress.update(task, total=total), lambda count: progress.advance(task, count))
