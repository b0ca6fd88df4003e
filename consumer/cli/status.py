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
    if not rows:
        console.print(f"nothing of {topic} was stored yet")
        return
    keys = [Partition(topic, row.partition) for row in rows]
    topics = topics_of(settings)
    ends, published = topics.ends(keys), topics.committed(settings.group, keys)
    table = Table("partition", "stored", "published", "end", "behind", "last batch", box=None, header_style="bold")
    for key, row in zip(keys, rows, strict=True):
        done = published.get(key) or 0
        counts = (row.next_offset, done, ends[key].high, max(ends[key].high - done, 0))
        at = row.updated_at.strftime("%Y-%m-%d %H:%M:%S %Z")
        table.add_row(f"{topic}-{row.partition}", *(f"{count:,}" for count in counts), at)
    console.print(table)
