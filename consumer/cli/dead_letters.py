"""`milestones dead-letters …`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumer.app import dead_letters, record_of, redrive
from consumer.cli.output import DEFAULT_CONFIG, ConfigOption, console, say_error
from consumer.config import load
from consumer.core.dead_letters import Payload
from consumer.core.letters import NotedLetter, Place, Selection, moment, offset_range
from consumer.core.printable import pretty, printable
from consumer.errors import ConfigError, Poison
from consumer.redriving import Report, Terms

app = typer.Typer(
    no_args_is_help=True, help="See what could not be evaluated, and send it again.", pretty_exceptions_enable=False
)


def add_to(parent: typer.Typer) -> None:
    """Adds the commands."""
    parent.add_typer(app, name="dead-letters")


_REASONS = [kind.__name__ for kind in Poison.__subclasses__()]
_LONGEST_LIST = 20

Reasons = Annotated[list[str] | None, typer.Option("--reason", help=f"One of {', '.join(_REASONS)}; may be repeated.")]
Field = Annotated[str | None, typer.Option(help="The column or part at fault.")]
Document = Annotated[str | None, typer.Option(help="The document's name, as it stands in the record key.")]
Since = Annotated[str | None, typer.Option(help="From this time on: 2h or 3d (ago), or 2026-11-23T10:00 (UTC).")]
Until = Annotated[str | None, typer.Option(help="Before this time.")]
Topic = Annotated[str | None, typer.Option(help="The input topic; its id if it was deleted.")]
PartitionOption = Annotated[int | None, typer.Option("--partition", min=0, help="The partition of that topic.")]
Offsets = Annotated[str | None, typer.Option(help="5, 5..9, 5.. or ..9, both ends included.")]
Origins = Annotated[list[str] | None, typer.Argument(help="<topic>/<partition>/<offset>, as `list` prints it.")]


@app.command("list")
def list_letters(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    reason: Reasons = None,
    field: Field = None,
    document: Document = None,
    since: Since = None,
    until: Until = None,
    topic: Topic = None,
    partition: PartitionOption = None,
    offsets: Offsets = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that were redriven and evaluated, too.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="How many; default 20, with --json all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """What still could not be evaluated: counts by reason, then the newest."""
    selection = _selection(reason, field, document, (since, until), (topic, partition, offsets))
    letters = dead_letters(load(config), selection)
    shown = [letter for letter in letters if everything or letter.status in ("open", "sent")]
    if as_json:
        for letter in shown[:limit]:
            typer.echo(json.dumps(_facts(letter)))
        return
    _print_counts(shown, len(letters) - len(shown))
    if shown:
        _print_letters(shown[: limit or _LONGEST_LIST])
        _print_rest(len(shown) - (limit or _LONGEST_LIST), "--limit")


@app.command()
def show(
    origin: Annotated[str, typer.Argument(help="<topic>/<partition>/<offset>, as `list` prints it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    longest: Annotated[int, typer.Option(min=1, help="Characters of key, value and each header at most.")] = 4_000,
) -> None:
    """One dead letter: its reason, and the record with headers, key and value."""
    settings = load(config)
    letters = dead_letters(settings, Selection(places=(Place.parse(origin),)))
    if not letters:
        raise ConfigError(
            f"there is no dead letter {origin}; `milestones dead-letters list --all` shows those there are"
        )
    for name, value in _facts(letters[0]).items():
        if value is not None:
            _print_line(f"{name.replace('_', ' ')}: ", str(value))
    record = record_of(settings, letters[0])
    if record is None:
        console.print(
            "record: removed by retention, from the dead-letter topic and from the input topic", soft_wrap=True
        )
    else:
        _print_record(record, longest)


@app.command("redrive")
def redrive_command(
    *,
    origins: Origins = None,
    config: ConfigOption = DEFAULT_CONFIG,
    reason: Reasons = None,
    field: Field = None,
    document: Document = None,
    since: Since = None,
    until: Until = None,
    topic: Topic = None,
    partition: PartitionOption = None,
    offsets: Offsets = None,
    max_times: Annotated[int, typer.Option(min=1, help="Leave out what was sent again this often.")] = 3,
    again: Annotated[bool, typer.Option("--again", help="Also what was sent again and is no dead letter now.")] = False,
    execute: Annotated[bool, typer.Option("--execute", help="Do it; without this only say what.")] = False,
) -> None:
    """Send dead letters to their input topic again, to be evaluated as docs/dead-letters.md says."""
    selection = _selection(reason, field, document, (since, until), (topic, partition, offsets), origins)
    terms = Terms(max_times, again, int(datetime.now(UTC).timestamp() * 1_000_000))
    report = redrive(load(config), selection, terms, execute=execute)
    _print_report(report, execute=execute)
    if report.refused:
        raise typer.Exit(1)


def _selection(
    reasons: Sequence[str] | None,
    field: str | None,
    document: str | None,
    times: tuple[str | None, str | None],
    place: tuple[str | None, int | None, str | None],
    origins: Sequence[str] | None = None,
) -> Selection:
    for reason in reasons or ():
        if reason not in _REASONS:
            close = get_close_matches(reason, _REASONS, n=1)
            advice = f"did you mean {close[0]}?" if close else f"there are {', '.join(_REASONS)}"
            raise ConfigError(f"--reason: {reason!r} is no reason; {advice}")
    now = datetime.now(UTC)
    since, until = (
        None if text is None else moment(text, option, now)
        for text, option in zip(times, ("--since", "--until"), strict=True)
    )
    if since is not None and until is not None and until <= since:
        raise ConfigError(f"--until: {times[1]} is not after --since {times[0]}")
    topic, partition, offsets = place
    first, last = (None, None) if offsets is None else offset_range(offsets)
    return Selection(
        reasons=tuple(reasons) if reasons else None,
        field=field,
        document=document,
        since=since,
        until=until,
        topic=topic,
        partition=partition,
        first_offset=first,
        last_offset=last,
        places=tuple(map(Place.parse, origins)) if origins else None,
    )


def _facts(letter: NotedLetter) -> dict[str, str | int | None]:
    """A dead letter as `--json` and `show` say it."""
    return {
        "origin": str(letter.place),
        "topic_id": letter.origin.topic_id,
        "status": letter.status,
        "reason": letter.error_class,
        "field": letter.field,
        "message": letter.message,
        "recorded_at": letter.recorded_at.isoformat(),
        "redrive_count": letter.times,
        "redriven_at": None if letter.redriven_at is None else letter.redriven_at.isoformat(),
        "redriven_by": letter.redriven_by,
        "redriven_to": None if letter.redriven_to is None else str(letter.place_of(letter.redriven_to)),
        "redriven_from": None if letter.redriven_from is None else str(letter.place_of(letter.redriven_from)),
    }


def _print_counts(letters: Sequence[NotedLetter], hidden: int) -> None:
    counts = Counter(letter.error_class for letter in letters)
    for reason, count in counts.most_common():
        console.print(Text.assemble((f"{count:>8,}", "bold"), f"  {printable(reason)}"), soft_wrap=True)
    if not letters:
        console.print("no dead letters")
    if hidden:
        console.print(f"{hidden:,} more were redriven and evaluated; --all shows them", style="dim", soft_wrap=True)


def _print_letters(letters: Sequence[NotedLetter]) -> None:
    table = Table(box=None, header_style="bold")
    for name in ("origin", "recorded", "status", "reason", "field"):
        table.add_column(name, no_wrap=True)
    table.add_column("message", overflow="fold")
    for letter in letters:
        at = letter.recorded_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        status = f"{letter.status} again" if letter.redriven_from is not None else letter.status
        cells = (str(letter.place), at, status, letter.error_class, letter.field or "–", letter.message)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    # Where nobody looks at it, no line is broken: `grep` wants one letter a line.
    (console if console.is_terminal else Console(width=2_000)).print(table)


def _print_rest(count: int, option: str) -> None:
    if count > 0:
        console.print(f"… and {count:,} more; {option} shows more", style="dim", soft_wrap=True)


def _print_line(name: str, value: str) -> None:
    console.print(Text.assemble((name, "bold"), printable(value)), soft_wrap=True)


def _print_record(record: Payload, longest: int) -> None:
    _print_line("timestamp: ", datetime.fromtimestamp(record.timestamp / 1000, UTC).isoformat(timespec="milliseconds"))
    for name, value in record.headers:
        shown = "null" if value is None else pretty(value, longest)
        console.print(Text.assemble(("header ", "bold"), printable(name), f": {shown}"), soft_wrap=True)
    for name, content in (("key", record.key), ("value", record.value)):
        shown = "null" if content is None else pretty(content, longest) if content else "(empty)"
        console.print(Text.assemble((name, "bold"), f" ({len(content or b''):,} bytes):"))
        console.print(Text(shown), soft_wrap=True)


def _print_report(report: Report, *, execute: bool) -> None:
    for letter, topic, times in [] if execute else report.ready[:_LONGEST_LIST]:
        _print_line(str(letter.place), f" → {topic}, redrive {times} ({letter.error_class})")
    if not execute:
        _print_rest(len(report.ready) - _LONGEST_LIST, "`list`")
    for reason, count in report.left_out.most_common():
        console.print(Text(printable(f"left out {count:,}: {reason}"), style="yellow"), soft_wrap=True)
    for place, reason in report.refused[:_LONGEST_LIST]:
        say_error("not sent", printable(f"{place}: {reason}"))
    if report.refused:
        say_error("not sent", f"{len(report.refused):,} records; they stay open")
    if execute:
        console.print(f"sent {report.delivered:,} records again", highlight=False)
        return
    console.print(f"would send {len(report.ready):,} records again", highlight=False)
    console.print("nothing was sent; say --execute", highlight=False)
