"""`milestones status`: both watermarks of each partition, from outside."""

from __future__ import annotations

import typer
from rich.table import Table

from consumer.app import topics_of
from consumer.cli.output import DEFAULT_CONFIG, ConfigOption, console
from consumer.config import load
from consumer.core.records import Partition
from consumer.postgres.positions import stored_positions


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("status")(status)


def status(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """How far each partition is stored, and how far it is behind."""
    settings = load(config)
    topic = settings.input.topic
    rows = stored_positions(settings.dsn, topic)
    ends = topics_of(settings).ends([Partition(topic, row.partition) for row in rows])
    table = Table("partition", "stored", "end", "behind", "last batch", box=None, header_style="bold")
    for row in rows:
        behind = ends[Partition(topic, row.partition)].high - row.next_offset
        at = row.updated_at.strftime("%Y-%m-%d %H:%M:%S %Z")
        table.add_row(
            f"{topic}-{row.partition}", f"{row.next_offset:,}", f"{row.next_offset + behind:,}", f"{behind:,}", at
        )
    console.print(table if rows else f"nothing of {topic} was stored yet")
