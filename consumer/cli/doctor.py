"""`milestones doctor`: looks at the servers and at a sample of the stream, and says what to do about what it finds."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumer.app_doctor import examination
from consumer.cli.output import DEFAULT_CONFIG, ConfigOption, console, errors
from consumer.config import load
from consumer.core.printable import printable
from consumer.diagnosis.findings import Finding, Level, counted, worst

_SIGNS = {Level.OK: ("ok", "green"), Level.NOTE: ("note", "cyan"), Level.WARNING: ("warning", "yellow")}
_SIGNS |= {Level.PROBLEM: ("problem", "bold red")}


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("doctor")(doctor)


def doctor(
    config: ConfigOption = DEFAULT_CONFIG,
    sample: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many of the newest records to read.")] = 5_000,
    workers: Annotated[int, typer.Option(min=1, help="How many workers there are to be.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Look at Kafka, PostgreSQL, the registry and a sample of the stream; exit code 3 if something is wrong."""
    with (
        examination(load(config), sample, workers, time.time) as examine,
        errors.status("looking at the servers and a sample of the stream"),
    ):
        findings = examine.run()
    if as_json:
        for one in findings:
            typer.echo(json.dumps(msgspec.to_builtins(one)))
    else:
        show(findings, console)
    if worst(findings) in (Level.WARNING, Level.PROBLEM):
        raise typer.Exit(3)


def show(findings: Sequence[Finding], to: Console) -> None:
    """Findings as people read them: what is wrong last, where the eye is, and each with its fix."""
    order = list(Level)
    by_level = sorted(findings, key=lambda one: order.index(one.level))
    (_print_rows if to.is_terminal else _print_lines)(by_level, to)
    totals = Counter(one.level for one in findings)
    bad = ", ".join(counted(totals[level], level) for level in reversed(order[1:]))
    to.print(Text(f"{bad}, {totals[Level.OK]} ok", style="dim"), soft_wrap=True)


def _print_rows(findings: Sequence[Finding], to: Console) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=max(to.width // 4, 16))
    table.add_column(overflow="fold", ratio=1)
    for one, after in zip_longest(findings, findings[1:]):
        word, style = _SIGNS[one.level]
        told = Text(printable(one.found))
        if one.fix:
            told.append(f"  [{one.code}]", style="dim")
        # What several have in common is said once, under the last of them.
        if one.fix and (after is None or after.fix != one.fix):
            told.append(f"\n→ {printable(one.fix)}", style="dim" if one.level is Level.NOTE else "bold")
        table.add_row(Text(word, style=style), Text(printable(one.place)), told)
    to.print(table)


def _print_lines(findings: Sequence[Finding], to: Console) -> None:
    """One line a finding, for grep."""
    for one in findings:
        fix = f" → {one.fix} [{one.code}]" if one.fix else ""
        to.print(Text(printable(f"{one.level}: {one.place}: {one.found}{fix}")), soft_wrap=True)
