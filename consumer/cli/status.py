"""`milestones status`: both watermarks of each partition, from outside."""

from __future__ import annotations

import typer
from rich.table import Table

from consumer.app import topics_of
from consumer.cli.output import DEFAULT_CONFIG, ConfigOption, console
from consumer.config import load
from consumer.core.inputs import Inputs
from consumer.core.records import Partition
from consumer.postgres.positions import Position, stored_positions

_COLUMNS = ("partition", "stored", "published", "end", "behind", "last batch")


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("status")(status)


def status(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """How far each partition is stored, and how far it is behind."""
    settings = load(config)
    rows = _of_inputs(settings.inputs, stored_positions(settings.dsn, *settings.inputs.names))
    if not rows:
        console.print(f"nothing of {settings.inputs} was stored yet", highlight=False)
        return
    topics = topics_of(settings)
    present = topics.partitions()
    there = [Partition(row.topic, row.partition) for row in rows if row.partition < present.get(row.topic, 0)]
    ends, published = (topics.ends(there), topics.committed(settings.group, there)) if there else ({}, {})
    table = Table(*_COLUMNS, box=None, header_style="bold")
    for row in rows:
        key = Partition(row.topic, row.partition)
        end = ends[key].high if key in ends else None
        table.add_row(*_cells(row, published.get(key) or 0, end))
    console.print(table)
    unread = {*settings.inputs.names, *settings.inputs.among(present)} - {row.topic for row in rows}
    for topic in sorted(unread):
        console.print(f"nothing of {topic} was stored yet", highlight=False)


def _of_inputs(inputs: Inputs, rows: list[Position]) -> list[Position]:
    """The positions of topics that are inputs by now."""
    read = set(inputs.among(row.topic for row in rows))
    return [row for row in rows if row.topic in read]


def _cells(row: Position, published: int, end: int | None) -> tuple[str, ...]:
    """One line; `end` None where the topic was deleted."""
    behind = ("gone", "-") if end is None else (f"{end:,}", f"{max(end - min(row.next_offset, published), 0):,}")
    at = row.updated_at.strftime("%Y-%m-%d %H:%M:%S %Z")
    return (f"{row.topic}-{row.partition}", f"{row.next_offset:,}", f"{published:,}", *behind, at)
