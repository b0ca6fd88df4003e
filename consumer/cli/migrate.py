"""`milestones migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from consumer.cli.output import DEFAULT_CONFIG, ConfigOption, console
from consumer.config import load
from consumer.postgres.migrate import migrate as migrate_database


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("migrate")(migrate)


def migrate(
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be applied.")] = False,
) -> None:
    """Bring the database to this program's schema."""
    applied = migrate_database(load(config).dsn, dry_run=dry_run)
    for migration in applied:
        console.print(f"{'would apply' if dry_run else 'applied'} {migration.version:04d}_{migration.name}.sql")
    if not applied:
        console.print("the database is up to date")
