"""`milestones trackers …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from consumer.app_trying import rules_and_cases, tried
from consumer.cli.output import DEFAULT_CONFIG, ConfigOption, console, show_plan
from consumer.config import load, read_trackers
from consumer.core.trackers import EVERY, Rule, Tracker
from consumer.diagnosis.findings import counted
from consumer.errors import ConfigError
from consumer.postgres.trackers import apply_trackers, current_trackers, history, remove_tracker, set_disabled

app = typer.Typer(no_args_is_help=True, help="See and change what is followed.", pretty_exceptions_enable=False)


def add_to(parent: typer.Typer) -> None:
    """Adds the commands."""
    parent.add_typer(app, name="trackers")


Name = Annotated[str, typer.Argument(help="The tracker's name.")]


@app.command("list")
def list_trackers(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """The trackers in force."""
    table = Table("name", "document type", "field", "reached", "made by", "state", box=None, header_style="bold")
    for tracker in current_trackers(load(config).dsn).trackers:
        state = "[yellow]disabled[/]" if tracker.disabled else "[green]enabled[/]"
        written = (tracker.name, tracker.document_type, tracker.track_field, _reached(tracker.rule), tracker.managed_by)
        table.add_row(*map(Text, written), state)
    console.print(table)


@app.command()
def show(name: Name, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """One tracker, whole."""
    trackers = {tracker.name: tracker for tracker in current_trackers(load(config).dsn).trackers}
    if name not in trackers:
        raise ConfigError(f"there is no tracker {name!r}; there are: {', '.join(trackers) or 'none'}")
    for key, value in _facts(trackers[name]).items():
        console.print(Text.assemble((key, "bold"), f": {value}"), soft_wrap=True)


def _reached(rule: Rule) -> str:
    """What of a rule is worth a column: the values or bounds, and whether there is more."""
    said = ", ".join(rule.values)
    if rule.has_threshold:
        low, high = rule.at_least, rule.at_most
        said = f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"
    said = said or ("all filled" if rule.filled else "any value")
    said = f"{said}, when …" if rule.when else said
    return said if rule.mode == EVERY else f"{said}, {rule.mode.replace('_', ' ')}"


def _facts(tracker: Tracker) -> dict[str, object]:
    rule = tracker.rule
    return {
        "name": tracker.name,
        "description": tracker.description or "–",
        "document type": tracker.document_type,
        "field": tracker.track_field,
        "values": ", ".join(rule.values) or "any",
        "from values": ", ".join(rule.from_values) or "any",
        **({"at least": rule.at_least} if rule.at_least is not None else {}),
        **({"at most": rule.at_most} if rule.at_most is not None else {}),
        **({"when": rule.when.strip()} if rule.when else {}),
        "occurrence": rule.mode,
        "as": rule.encoding or "–",
        "snapshot": rule.snapshot,
        "announce": "yes" if rule.announce else "no",
        **({"labels": ", ".join(f"{name}: {text}" for name, text in rule.labels.items())} if rule.labels else {}),
        **({"owner": rule.owner} if rule.owner else {}),
        "disabled": "yes" if tracker.disabled else "no",
        "made by": tracker.managed_by,
    }


@app.command()
def apply(
    config: ConfigOption = DEFAULT_CONFIG,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="A YAML list; default: config.yaml")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the plan.")] = False,
) -> None:
    """Make the database hold the trackers of config.yaml (or a file). Trackers made by hand stay."""
    settings = load(config)
    wanted = settings.tracker_list() if file is None else read_trackers(file)
    if wanted is None:
        raise ConfigError(f"{config.name} has no `trackers:`; add the section, or name a file with --file")
    show_plan(apply_trackers(settings.dsn, wanted, dry_run=dry_run))


@app.command("test")
def run_cases(
    config: ConfigOption = DEFAULT_CONFIG,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="YAML with `tests` and perhaps `trackers`; default: config.yaml")
    ] = None,
) -> None:
    """Run the cases that are written beside the rules; no server is asked. Exit code 3 if one does not hold."""
    settings = load(config)
    trackers, cases = rules_and_cases(settings, config, file)
    failed = 0
    for case, failures in tried(settings, trackers, cases):
        failed += bool(failures)
        sign, style = ("✗", "red") if failures else ("✓", "green")
        console.print(Text.assemble((sign, style), f" {case.name}"), soft_wrap=True)
        for failure in failures:
            console.print(Text(f"    {failure}"), soft_wrap=True)
    console.print(Text(f"{counted(len(cases), 'case')}, {failed} failed"), soft_wrap=True)
    if failed:
        raise typer.Exit(3)


@app.command()
def enable(name: Name, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Switch a tracker on."""
    set_disabled(load(config).dsn, name, disabled=False)
    console.print(Text(f"enabled {name}"), soft_wrap=True)


@app.command()
def disable(name: Name, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Switch a tracker off; its milestones stay."""
    set_disabled(load(config).dsn, name, disabled=True)
    console.print(Text(f"disabled {name}"), soft_wrap=True)


@app.command()
def remove(name: Name, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Remove a tracker; its milestones stay."""
    remove_tracker(load(config).dsn, name)
    console.print(Text(f"removed {name}; its milestones stay"), soft_wrap=True)


@app.command("history")
def show_history(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """All revisions of the trackers."""
    table = Table("revision", "since", "by", "trackers", box=None, header_style="bold")
    for revision in history(load(config).dsn):
        since = revision.created_at.strftime("%Y-%m-%d %H:%M:%S %Z")
        table.add_row(revision.revision[:8], since, revision.created_by, str(len(revision.trackers)))
    console.print(table)
