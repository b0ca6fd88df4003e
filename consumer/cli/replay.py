"""`milestones replay`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
import typer

from consumer.app_replay import announce as announce_again
from consumer.app_replay import replay
from consumer.cli.output import DEFAULT_CONFIG, ConfigOption, console
from consumer.cli.progress import records_progress
from consumer.config import load
from consumer.core.letters import moment, offset_range
from consumer.core.replay import Replayed, Selection
from consumer.diagnosis.findings import counted
from consumer.errors import ConfigError
from consumer.tuning import tune


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("replay")(_replay)


def _replay(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    tracker: Annotated[list[str] | None, typer.Option(help="Only this tracker; may be repeated.")] = None,
    topic: Annotated[str | None, typer.Option(help="Only records of this topic.")] = None,
    partition: Annotated[int | None, typer.Option("--partition", min=0, help="Only this partition.")] = None,
    offsets: Annotated[str | None, typer.Option(help="5..9, 5.. or ..9, both ends included.")] = None,
    since: Annotated[str | None, typer.Option(help="Reached from then on: 2h (ago), or 2026-11-23T10:00.")] = None,
    until: Annotated[str | None, typer.Option(help="Reached before then.")] = None,
    id_: Annotated[list[str] | None, typer.Option("--id", help="Only this milestone; may be repeated.")] = None,
    announce: Annotated[bool, typer.Option("--announce", help="Announce stored milestones again instead.")] = False,
    execute: Annotated[bool, typer.Option("--execute", help="Do it; without this only say what.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Evaluate the input again, silently, under the trackers in force now; or announce stored milestones again."""
    now = datetime.now(UTC)
    if partition is not None and topic is None:
        raise ConfigError("--partition: say --topic, too")
    first, last = (None, None) if offsets is None else offset_range(offsets)
    selection = Selection(
        trackers=frozenset(tracker) if tracker else None,
        ids=_ids(id_),
        topic=topic,
        partition=partition,
        first_offset=first,
        last_offset=last,
        since=None if since is None else _micros(moment(since, "--since", now)),
        until=None if until is None else _micros(moment(until, "--until", now)),
    )
    if selection.since is not None and selection.until is not None and selection.since >= selection.until:
        raise ConfigError("--since is not before --until: nothing lies between them")
    tune()
    with records_progress("milestones" if announce else "records") as steps:
        done = (announce_again if announce else replay)(load(config), selection, steps, execute=execute)
    if as_json:
        would = sum(done.selected.values()) - (0 if announce else done.present)
        typer.echo(json.dumps({**msgspec.to_builtins(done), "executed": execute, "chosen": would}))
    else:
        _print(done, announce=announce, execute=execute)


def _ids(texts: list[str] | None) -> frozenset[str] | None:
    try:
        return frozenset(str(UUID(text)) for text in texts) if texts else None
    except ValueError as error:
        raise ConfigError("--id: an id is a UUID, as in the column milestone.id") from error


def _micros(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000)


def _print(done: Replayed, *, announce: bool, execute: bool) -> None:
    for name, count in sorted(done.selected.items()):
        console.print(f"{count:>8,}  {name}", highlight=False, markup=False, soft_wrap=True)
    total = sum(done.selected.values())
    if announce:
        text = f"{'announced' if execute else 'would announce'} {counted(total, 'milestone')} again"
    else:
        text = f"{counted(done.records, 'record')} give {counted(total, 'milestone')}, "
        text += f"{done.present:,} of them were there; "
        text += f"wrote {done.written:,}" if execute else f"would write {total - done.present:,}"
    console.print(text, highlight=False, soft_wrap=True)
    if not execute:
        console.print("nothing was changed; say --execute", highlight=False)
