"""`milestones backtest`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from consumer.app_backtest import Request, run_backtest
from consumer.cli.output import DEFAULT_CONFIG, ConfigOption, console
from consumer.cli.progress import records_progress
from consumer.config import load
from consumer.core.backtest import Backtest, Sample
from consumer.core.letters import moment
from consumer.core.printable import printable
from consumer.errors import ConfigError
from consumer.tuning import tune

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STYLES = {"added": "green", "removed": "red", "changed": "yellow"}


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("backtest")(_backtest)


def _backtest(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    trackers: Annotated[
        Path | None, typer.Option(help="The new rules, a YAML list; default: config.yaml's `trackers`.")
    ] = None,
    base: Annotated[
        Path | None, typer.Option(help="The rules to compare with, a YAML list; default: those in force.")
    ] = None,
    against_table: Annotated[bool, typer.Option("--against-table", help="Compare with the stored milestones.")] = False,
    since: Annotated[str | None, typer.Option("--from", help="Records from then on: 7d (ago), or 2026-11-01.")] = None,
    until: Annotated[str | None, typer.Option(help="Records before then.")] = None,
    input_: Annotated[
        Path | None, typer.Option("--input", help="A captured stream (.jsonl, .jsonl.gz), or what `kcat -J` printed.")
    ] = None,
    samples: Annotated[int, typer.Option(min=0, max=1_000, help="How many differences of each kind to show.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Try rules on history, side by side with the rules in force. Writes nothing.

    Exit code 3 if they give different milestones.
    """
    if against_table and (base is not None or input_ is not None):
        raise ConfigError("--against-table compares with what was stored of the topics: leave --base and --input away")
    now = datetime.now(UTC)
    request = Request(
        trackers=trackers,
        base=base,
        input=input_,
        since_ms=None if since is None else _millis(moment(since, "--from", now)),
        until_ms=None if until is None else _millis(moment(until, "--until", now)),
        against_table=against_table,
        shown=samples,
    )
    tune()
    with records_progress() as steps:
        report = run_backtest(load(config), request, steps)
    if as_json:
        told = msgspec.to_builtins(report)
        del told["changed"], told["absent"]
        typer.echo(json.dumps({"differs": report.differs, **told}))
    else:
        _print(report, "in the table" if against_table else "now")
    if report.differs:
        raise typer.Exit(3)


def _millis(time: datetime) -> int:
    return int(time.timestamp() * 1_000)


def _print(report: Backtest, left: str) -> None:
    rate = report.records / report.seconds if report.seconds else 0.0
    read = f"{report.records:,} records in {report.seconds:,.1f} s ({rate:,.0f} a second)"
    if report.unreadable:
        read += f"; {report.unreadable:,} cannot be read: they would be dead letters"
    console.print(read, highlight=False, soft_wrap=True)
    table = Table(box=None, header_style="bold")
    table.add_column("tracker", overflow="fold")
    for name in (left, "new", "added", "removed", "changed"):
        table.add_column(name, justify="right")
    table.add_column("first")
    table.add_column("last")
    for name, line in sorted(report.trackers.items()):
        differences = (line.added, line.removed, line.changed)
        marked = [
            Text(f"{count:,}", style=style if count else "dim")
            for count, style in zip(differences, _STYLES.values(), strict=True)
        ]
        table.add_row(
            Text(printable(name)), f"{line.now:,}", f"{line.new:,}", *marked, _when(line.first), _when(line.last)
        )
    console.print(table)
    for tracker, reasons in sorted(report.unjudged.items()):
        said = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
        console.print(Text(f"could not tell: {tracker}: {said}", style="yellow"), soft_wrap=True)
    for tracker, reason in sorted(report.silent.items()):
        console.print(Text(f"nothing: {printable(tracker)}: {reason}", style="yellow"), soft_wrap=True)
    for kind, some in report.samples.items():
        _print_samples(kind, some, sum(getattr(line, kind) for line in report.trackers.values()))
    if not report.differs:
        console.print("no differences", style="green")


def _print_samples(kind: str, some: list[Sample], total: int) -> None:
    console.print(Text(f"{kind}: {len(some):,} of {total:,}", style=_STYLES[kind]))
    for one in some:
        about = f"{one.document_type} {one.document}: {one.tracker} reached {one.value!r}  {one.detail}".rstrip()
        console.print(Text(printable(f"  {_when(one.at)}  {about}  {one.place}")), soft_wrap=True)


def _when(at: int | None) -> str:
    return "–" if at is None else f"{_EPOCH + timedelta(microseconds=at):%Y-%m-%d %H:%M:%S}"
