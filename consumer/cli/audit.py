"""`milestones audit`."""

from __future__ import annotations

import json
from typing import Annotated

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from consumer.app_audit import Wanted, audit
from consumer.cli.output import DEFAULT_CONFIG, ConfigOption, console
from consumer.cli.progress import records_progress
from consumer.config import load
from consumer.core.audit import Kind, Report
from consumer.core.letters import offset_range
from consumer.core.printable import printable
from consumer.diagnosis.findings import counted
from consumer.errors import ConfigError
from consumer.tuning import tune

_REPAIRABLE = (Kind.MISSING, Kind.NOT_ANNOUNCED)

Topic = Annotated[str | None, typer.Option(help="Only this input topic.")]
PartitionOption = Annotated[int | None, typer.Option("--partition", min=0, help="Only this partition of the topic.")]
Offsets = Annotated[str | None, typer.Option(help="5..9, 5.. or ..9, both ends included; needs a partition.")]


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("audit")(_audit)


def _audit(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    topic: Topic = None,
    partition: PartitionOption = None,
    offsets: Offsets = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Differences to show.")] = 20,
    repair: Annotated[bool, typer.Option("--repair", help="Say what a repair would write and announce.")] = False,
    execute: Annotated[bool, typer.Option("--execute", help="With --repair: do it. Nothing is ever deleted.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Read the input again, and compare what it gives with the tables and with `milestone-reached`.

    Exit code 3 if they differ.
    """
    if partition is not None and topic is None:
        raise ConfigError("--partition: say --topic, too")
    if offsets is not None and partition is None:
        raise ConfigError("--offsets: say --topic and --partition, too")
    if execute and not repair:
        raise ConfigError("--execute: say --repair, too")
    first, last = (None, None) if offsets is None else offset_range(offsets)
    settings = load(config)
    tune()
    with records_progress() as steps:
        report = audit(settings, Wanted(topic, partition, first, last), steps, execute=execute)
    if as_json:
        typer.echo(json.dumps(_facts(report, limit)))
    else:
        _print(report, limit)
    if repair and not as_json:
        _print_repair(report, execute=execute)
    if not report.is_clean:
        raise typer.Exit(3)


def _facts(report: Report, limit: int) -> dict[str, object]:
    return {
        "clean": report.is_clean,
        "records": report.records,
        "expected": report.expected,
        "stored": report.found,
        "announced": report.announced,
        "differences": dict(report.counts),
        "untold": dict(report.untold),
        "repairs": dict(report.repairs),
        "written": report.written,
        "announced_late": report.announced_late,
        "shown": [msgspec.to_builtins(one) for one in report.differences[:limit]],
    }


def _print(report: Report, limit: int) -> None:
    facts = f"{counted(report.records, 'record')} give {counted(report.expected, 'milestone')}; "
    facts += f"{report.found:,} are stored, {counted(report.announced, 'announcement')}"
    console.print(facts, highlight=False, soft_wrap=True)
    for reason, count in report.untold.most_common():
        console.print(Text(f"cannot be told {count:,}: {reason}", style="dim"), soft_wrap=True)
    if report.is_clean:
        console.print("no differences", style="green")
        return
    for kind, count in report.counts.most_common():
        console.print(Text.assemble((f"{count:>8,}", "bold red"), f"  {kind}"), soft_wrap=True)
    table = Table(box=None, header_style="bold")
    for name in ("what", "place", "about"):
        table.add_column(name, overflow="fold")
    for one in report.differences[:limit]:
        table.add_row(one.kind.value, printable(one.place), Text(printable(f"{one.about}  {one.detail}".strip())))
    console.print(table)
    rest = sum(report.counts.values()) - min(limit, len(report.differences))
    if rest > 0:
        console.print(f"… and {rest:,} more; --limit shows more", style="dim")


def _print_repair(report: Report, *, execute: bool) -> None:
    for what, count in report.repairs.most_common():
        console.print(f"{'to' if execute else 'would'} {what}: {count:,}", highlight=False)
    if execute:
        done = f"wrote {counted(report.written, 'row')}, announced {counted(report.announced_late, 'event')}"
        console.print(done, highlight=False)
    elif report.repairs:
        console.print("nothing was changed; say --execute", highlight=False)
    else:
        console.print("there is nothing that a repair would mend", highlight=False)
    left = {kind: count for kind, count in report.counts.items() if kind not in _REPAIRABLE}
    if left:
        said = ", ".join(f"{count:,} {kind}" for kind, count in left.items())
        console.print(f"left to a person: {said} (docs/audit.md#repairs)", highlight=False, soft_wrap=True)
