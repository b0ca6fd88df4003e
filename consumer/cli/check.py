"""`milestones check`: the configuration as the program understands it."""

from __future__ import annotations

import json
from typing import Annotated

import typer
import yaml

from consumer.cli.output import DEFAULT_CONFIG, ConfigOption, errors
from consumer.config import Settings, effective, load


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("check")(check)


def check(
    config: ConfigOption = DEFAULT_CONFIG,
    schema: Annotated[bool, typer.Option("--schema", help="Print a JSON Schema of config.yaml for editors.")] = False,
) -> None:
    """Validate config.yaml and trackers, and print the effective configuration with secrets masked."""
    if schema:
        typer.echo(json.dumps(Settings.model_json_schema(), indent=2))
        return
    settings = load(config)
    typer.echo(yaml.safe_dump(effective(settings), sort_keys=False, allow_unicode=True), nl=False)
    count = len(settings.tracker_list() or [])
    errors.print(f"[green]ok[/]: {config.name} is valid; {count} trackers", highlight=False, soft_wrap=True)
