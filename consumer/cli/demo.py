"""`milestones demo`: the consumer at work, without a server of your own."""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from consumer.captured import read_captured
from consumer.cli.output import console, errors, set_up_logging
from consumer.config import read_trackers, trackers_from_list
from consumer.demo.erp import DEMO_TRACKERS, Simulation
from consumer.demo.facts import Facts
from consumer.demo.feed import count_records
from consumer.demo.picture import save_picture
from consumer.demo.progress import Progress
from consumer.demo.run import Play, Servers, play, servers
from consumer.demo.summary import WIDTH, still_up, summary
from consumer.demo.words import has_blocks
from consumer.errors import Fatal

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_INTERRUPTED = 130


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("demo")(demo)


def demo(
    as_json: Annotated[bool, typer.Option("--json", help="The facts as one JSON object on the last line.")] = False,
    captured: Annotated[
        Path | None, typer.Option("--input", help="Captured records (.jsonl, .jsonl.gz) instead of the simulated ERP.")
    ] = None,
    trackers: Annotated[Path | None, typer.Option("--trackers", help="A YAML list of trackers for them.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the servers up until Ctrl-C; say how to reach them.")
    ] = False,
    svg: Annotated[Path | None, typer.Option("--svg", hidden=True, help="Save the output as a picture.")] = None,
) -> None:
    """See it work: a PostgreSQL and a Kafka broker of its own, a simulated ERP, and the real consumer on them."""
    began_s = time.monotonic()
    set_up_logging()
    _never_fail_on_a_letter()
    out = errors if as_json else console
    _catch_signals()
    try:
        what = _play(captured, trackers)
        with Progress(out) as progress, servers(progress) as running:
            try:
                facts = play(running, what, progress, began_s)
                progress.close()
                _tell(facts, out, as_json=as_json)
                if svg is not None:
                    save_picture([*progress.steps, summary(facts)], svg, WIDTH)
                _check(facts)
                if keep:
                    _keep(running, out)
            finally:
                _ignore_signals()
    except KeyboardInterrupt:
        errors.print("interrupted: the servers are stopped and their data is removed", highlight=False)
        raise typer.Exit(_INTERRUPTED) from None


def _play(captured: Path | None, trackers: Path | None) -> Play:
    wanted = trackers_from_list(DEMO_TRACKERS, "demo") if trackers is None else read_trackers(trackers)
    if captured is not None:
        captured_again = partial(read_captured, captured)
        return Play(captured_again, count_records(captured_again), wanted, captured.name)
    simulation = Simulation()
    records = list(simulation.records(ends_at_ms=int(time.time() * 1000)))
    expected = simulation.expected_milestones() if trackers is None else None
    counts = count_records(lambda: records)
    return Play(lambda: records, counts, wanted, "a simulated ERP", simulation.story[1], expected)


def _tell(facts: Facts, out: Console, *, as_json: bool) -> None:
    if as_json:
        typer.echo(facts.as_json())
    else:
        out.print(summary(facts, blocks=has_blocks(out)))


def _check(facts: Facts) -> None:
    if not facts.as_expected:
        raise Fatal(
            f"stored {facts.by_tracker} and announced {facts.published}, but what the simulated documents went through "
            f"is {facts.expected}: this is a bug; please report it with the output of `milestones demo --json`"
        )


def _keep(running: Servers, out: Console) -> None:
    for line in still_up(running):
        out.print(line, soft_wrap=True, highlight=False)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


def _never_fail_on_a_letter() -> None:
    """A terminal without Unicode shows `?`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _catch_signals() -> None:
    def on_signal(*_: object) -> None:
        _ignore_signals()
        raise KeyboardInterrupt

    for sign in _SIGNALS:
        signal.signal(sign, on_signal)


def _ignore_signals() -> None:
    """What was begun is cleared away in a second or two: a second Ctrl-C must not leave half of it behind."""
    for sign in _SIGNALS:
        signal.signal(sign, signal.SIG_IGN)
