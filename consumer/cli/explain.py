"""`milestones explain`."""

from __future__ import annotations

import json
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from consumer.app_explain import explain_document, explain_record
from consumer.cli.output import DEFAULT_CONFIG, ConfigOption, console
from consumer.cli.progress import records_progress
from consumer.config import load
from consumer.core.letters import Place
from consumer.core.printable import printable, shortened
from consumer.errors import ConfigError, MilestonesError
from consumer.explanations import Explained
from consumer.tuning import tune

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("explain")(_explain)


def _explain(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    document: Annotated[str | None, typer.Option(help='A document: "Sales Order/SO-1".')] = None,
    at: Annotated[str | None, typer.Option(help="One record: topic:partition:offset, or as in `audit`.")] = None,
    tracker: Annotated[list[str] | None, typer.Option(help="Only this tracker; may be repeated.")] = None,
    last: Annotated[int, typer.Option(min=1, help="How many records of a document to show, from its end.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a record.")] = False,
) -> None:
    """Say for every tracker why a change was a milestone, or the first reason why not. Reads the input again."""
    if (document is None) == (at is None):
        raise ConfigError('say either --document "Sales Order/SO-1" or --at topic:partition:offset')
    settings, chosen = load(config), frozenset(tracker or ())
    tune()
    earlier = 0
    with records_progress() as steps:
        if at is not None:
            found = [explain_record(settings, _place(at), steps)]
        else:
            newest: deque[Explained] = deque(maxlen=last)
            for one in explain_document(settings, *_document(document or ""), steps):
                earlier += len(newest) == last
                newest.append(one)
            found = list(newest)
    if not found:
        raise MilestonesError(f"no record tells of {document}; is the name written as in the record's key?")
    _check_trackers(chosen, found)
    if earlier and not as_json:
        console.print(Text(f"… {earlier:,} earlier records; --last shows more", style="dim"))
    for one in found:
        _print_json(one, chosen) if as_json else _print(one, chosen)


def _check_trackers(chosen: frozenset[str], found: list[Explained]) -> None:
    """A tracker that says nothing of any record is a slip of the pen."""
    known = {verdict.tracker for one in found for verdict in one.verdicts}
    if known and not chosen <= known:
        unknown = ", ".join(sorted(chosen - known))
        raise ConfigError(f"--tracker: {unknown} is no tracker of these records; there are: {', '.join(sorted(known))}")


def _document(text: str) -> tuple[str, str]:
    document_type, slash, name = text.partition("/")
    if not slash or not document_type or not name:
        raise ConfigError(f'--document {text!r}: write document type and name, as in "Sales Order/SO-1"')
    return document_type, name


def _place(text: str) -> Place:
    topic, colon, rest = text.rpartition(":")
    before, _, partition = topic.rpartition(":")
    try:
        return Place.parse(f"{before}/{partition}/{rest}" if colon else text)
    except ConfigError as error:
        raise ConfigError(f"--at {text!r}: write topic:partition:offset, or topic/partition/offset") from error


def _print_json(one: Explained, chosen: frozenset[str]) -> None:
    facts = msgspec.to_builtins(one)
    facts["verdicts"] = [verdict for verdict in facts["verdicts"] if not chosen or verdict["tracker"] in chosen]
    typer.echo(json.dumps(facts, ensure_ascii=False))


def _print(one: Explained, chosen: frozenset[str]) -> None:
    when = "" if one.at is None else f"  {(_EPOCH + timedelta(microseconds=one.at)):%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"
    about = f"{one.document_type} {one.document}  " if one.document else ""
    by = "" if one.actor is None else f"  by {one.actor}"
    console.print(Text.assemble((printable(f"{about}{one.kind}{when}{by}"), "bold"), f"  {one.place}"), soft_wrap=True)
    for field, change in one.changes.items():
        console.print(Text(printable(shortened(f"  {field}: {change}"))), soft_wrap=True)
    if one.poison:
        console.print(Text(printable(f"  {one.poison}"), style="red"), soft_wrap=True)
    elif not one.verdicts:
        console.print(Text("  no tracker follows what this record is about", style="dim"), soft_wrap=True)
    for verdict in one.verdicts:
        if not chosen or verdict.tracker in chosen:
            sign, style = ("✓", "green") if verdict.reached else ("–", "dim")
            said = f"{verdict.reason}: {verdict.detail}" if verdict.detail else verdict.reason
            console.print(
                Text.assemble((f"  {sign} ", style), (verdict.tracker, "bold"), printable(shortened(f"  {said}"))),
                soft_wrap=True,
            )
    if not one.evaluated:
        console.print(Text("  not evaluated yet: no worker has stored so far", style="yellow"), soft_wrap=True)
    console.print()
