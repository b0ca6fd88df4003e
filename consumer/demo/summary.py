"""The demo's last page: what was counted, one document's story, one event as published, what could not be read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec
from rich.console import Group, RenderableType
from rich.highlighter import JSONHighlighter
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from consumer.demo.broker import PublishedEvent
from consumer.demo.facts import DeadLetterFact, Facts, Rename, Stage, Timeline, Wait
from consumer.demo.progress import ACCENT, tracker_bars
from consumer.demo.run import Servers
from consumer.demo.words import bar, counted, duration

WIDTH: Final = 80
_BAR: Final = 34
_STAGE_BAR: Final = 20
_MOST_TRACKERS: Final = 12
_MOST_STAGES: Final = 12
_DAY_S: Final = 86_400
_EVENT_WIDTH: Final = WIDTH - 4
_NEXT: Final = (
    ("milestones demo --keep", "leaves both servers up"),
    ("milestones demo --json", "the same facts for a program"),
    ("milestones demo --input FILE --trackers FILE", "your captured records"),
    ("milestones check", "is config.yaml right?"),
    ("milestones migrate && milestones run", "on your Kafka and PostgreSQL"),
)


def summary(facts: Facts, *, blocks: bool = True) -> RenderableType:
    """The whole page, 80 columns wide at most."""
    return Group(*_parts(facts, blocks=blocks), Text())


def _parts(facts: Facts, *, blocks: bool) -> Iterator[RenderableType]:
    yield _headline(facts)
    yield from _section("Milestones by tracker", "", _trackers(facts, blocks=blocks))
    if facts.timeline is not None:
        yield from _section("One document", _whose(facts.timeline), _stages(facts.timeline, blocks=blocks))
    if facts.longest_waits:
        yield from _section(
            "Where documents wait longest", "median of stays that are over", _waits(facts.longest_waits)
        )
    if facts.event is not None:
        where = f"{facts.event.topic}, partition {facts.event.partition}, offset {facts.event.offset}"
        yield from _section("One event as published", where, _event(facts.event))
    if facts.dead_letter_reasons:
        yield from _section("Dead letters", "cannot be evaluated; with partition and offset", _dead_letters(facts))
    yield from _section("What to try next", "", _next())


def _section(title: str, note: str, content: RenderableType) -> Iterator[RenderableType]:
    yield Text()
    yield Text.assemble("  ", (title, "bold"), (f"   {note}" if note else "", "dim"), no_wrap=True, overflow="ellipsis")
    yield Padding(content, (0, 0, 0, 4), expand=False)


def _headline(facts: Facts) -> RenderableType:
    figures = Text.assemble(
        "  ", (f"{facts.records:,}", "bold"), " records  →  ", (f"{facts.milestones:,}", f"bold {ACCENT}"),
        " milestones stored  →  ", (f"{facts.published:,}", f"bold {ACCENT}"), " announced",
    )  # fmt: skip
    speed = (
        f"  {counted(facts.documents, 'document')}, {counted(facts.dead_letters, 'dead letter')}, "
        f"{facts.records_per_s:,} records/s, {facts.elapsed_s:.1f} s in all"
    )
    return Group(Text(), figures, Text(speed, style="dim"), *_verdict(facts))


def _verdict(facts: Facts) -> Iterator[Text]:
    if facts.expected is None:
        return
    if facts.as_expected:
        yield Text.assemble(("  ✓ ", "green"), ("exactly the stages that the simulated documents went through", "dim"))
    else:
        yield Text.assemble(("  ✗ ", "red"), f"expected were {sum(facts.expected.values()):,}")


def _trackers(facts: Facts, *, blocks: bool) -> RenderableType:
    if not facts.by_tracker:
        return Text("none: no tracker matches; name yours with --trackers FILE", style="yellow")
    shown = dict(list(facts.by_tracker.items())[:_MOST_TRACKERS])
    rest = len(facts.by_tracker) - len(shown)
    more = [Text(f"and {counted(rest, 'tracker')} more", style="dim")] if rest else []
    return Group(tracker_bars(shown, _BAR, blocks=blocks), *more)


def _whose(timeline: Timeline) -> str:
    return f"{timeline.reference_type} {timeline.document_name}, times in UTC"


def _stages(timeline: Timeline, *, blocks: bool) -> RenderableType:
    """Stages and renames by time; a bar is as long as the stage was, beside the longest that is over."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True, max_width=22, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    stages = timeline.stages[-_MOST_STAGES:]
    pattern = _time_pattern(stages)
    longest_s = max((stage.duration_s for stage in stages if not stage.open), default=0.0) or 1.0
    for at, happened in _by_time(stages, timeline.renames):
        when = at.strftime(pattern)
        if isinstance(happened, Rename):
            table.add_row(when, Text("renamed", style="italic dim"), "", Text(f"was {happened.old_name}", style="dim"))
        elif happened.open:
            table.add_row(when, Text(happened.value, style="bold"), "", Text("and there it is now", style="dim"))
        else:
            length = bar(happened.duration_s / longest_s, _STAGE_BAR, ACCENT, blocks=blocks)
            table.add_row(when, Text(happened.value, style="bold"), duration(happened.duration_s), length)
    return table


def _time_pattern(stages: Sequence[Stage]) -> str:
    span_s = (stages[-1].entered_at - stages[0].entered_at).total_seconds() if stages else 0.0
    return "%a %d %b %H:%M" if span_s >= _DAY_S else "%H:%M:%S"


def _by_time(stages: Sequence[Stage], renames: Sequence[Rename]) -> list[tuple[datetime, Stage | Rename]]:
    since = stages[0].entered_at if stages else None
    happened: list[tuple[datetime, Stage | Rename]] = [(stage.entered_at, stage) for stage in stages]
    happened += [(rename.renamed_at, rename) for rename in renames if since is not None and rename.renamed_at >= since]
    return sorted(happened, key=lambda pair: pair[0])


def _waits(waits: Sequence[Wait]) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, max_width=40, overflow="ellipsis")
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    for wait in waits:
        stage = f"{wait.reference_type} · {wait.value}"
        table.add_row(stage, duration(wait.median_s), f"{counted(wait.left, 'stay')}, {wait.open:,} there now")
    return table


def _event(event: PublishedEvent) -> RenderableType:
    names = Table.grid(padding=(0, 2, 0, 0))
    names.add_column(style="dim", no_wrap=True)
    names.add_column(no_wrap=True, overflow="ellipsis")
    names.add_row("key", event.key)
    for name in ("ce_type", "ce_id"):
        names.add_row(name, event.headers.get(name, ""))
    return Group(names, *_json_lines(event.value, _EVENT_WIDTH))


def _json_lines(value: msgspec.Raw, width: int) -> Iterator[Text]:
    """A JSON object with as many members on a line as it holds."""
    content = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    members = [
        f'"{name}": {msgspec.json.format(bytes(member), indent=-1).decode()}' for name, member in content.items()
    ]
    highlight = JSONHighlighter()
    line = "{"
    for at, member in enumerate(members):
        piece = f"{member}{',' if at < len(members) - 1 else '}'}"
        if len(line) + len(piece) + 1 > width:
            yield highlight(Text(line, no_wrap=True, overflow="ellipsis"))
            line = " "
        line = f"{line}{'' if line == '{' else ' ' if line != ' ' else ''}{piece}"
    yield highlight(Text(line, no_wrap=True, overflow="ellipsis"))


def _dead_letters(facts: Facts) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="yellow", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_column(style="dim", no_wrap=True)
    for letter in facts.dead_letter_reasons:
        table.add_row(letter.error_class, letter.message, _where(letter))
    rest = facts.dead_letters - len(facts.dead_letter_reasons)
    return Group(table, Text(f"and {rest:,} more", style="dim")) if rest else table


def _where(letter: DeadLetterFact) -> str:
    return f"{letter.partition} @ {letter.offset:,}"


def _next() -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style=ACCENT, no_wrap=True)
    table.add_column(style="dim", no_wrap=True, overflow="ellipsis")
    for command, what in _NEXT:
        table.add_row(command, what)
    return table


def still_up(running: Servers) -> Iterator[Text]:
    """How the servers are reached, for `--keep`."""
    settings, address = running.settings, running.broker.address
    psql = shutil.which("psql") or running.postgres.psql
    topics = f"{settings.input.topic}, {settings.output.topic}, {settings.dead_letter_topic}"
    yield Text.assemble("  ", ("Both servers are up until Ctrl-C", "bold"))
    for name, lines in (
        ("PostgreSQL", (f"{psql} '{running.postgres.dsn}'", "select * from milestone_timeline limit 20;")),
        ("Kafka", (address, topics, f"kcat -b {address} -C -e -t {settings.output.topic}")),
    ):
        for at, line in enumerate(lines):
            yield Text.assemble("    ", (f"{name if at == 0 else '':<12}", "dim"), line)
    yield Text()
