"""`milestones check`: the configuration as the program understands it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
import yaml
from rich.text import Text

from consumer.app_trying import rules_and_cases
from consumer.cli.output import DEFAULT_CONFIG, ConfigOption, errors
from consumer.config import Settings, effective, load
from consumer.diagnosis.configuration import configuration_findings
from consumer.diagnosis.findings import counted
from consumer.packaged import packaged


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("check")(check)


def check(
    config: ConfigOption = DEFAULT_CONFIG,
    schema: Annotated[bool, typer.Option("--schema", help="Print a JSON Schema of config.yaml for editors.")] = False,
) -> None:
    """Validate config.yaml and trackers, and print the effective configuration with secrets masked."""
    if schema:
        typer.echo(json.dumps(_schema(), indent=2))
        return
    settings = load(config)
    typer.echo(yaml.safe_dump(effective(settings), sort_keys=False, allow_unicode=True), nl=False)
    trackers = settings.tracker_list() or []
    if settings.tests is not None:
        rules_and_cases(settings, config, None)
    for one in configuration_findings(trackers, settings.document_types()):
        errors.print(Text(f"{one.level}: {one.place}: {one.found} → {one.fix}", style="yellow"), soft_wrap=True)
    count = len(trackers)
    errors.print(f"[green]ok[/]: {config.name} is valid; {counted(count, 'tracker')}", highlight=False, soft_wrap=True)


def _schema() -> dict[str, Any]:
    """Of config.yaml, with what a tracker is in it."""
    schema = Settings.model_json_schema()
    tracker = json.loads((packaged("schemas") / "tracker.schema.json").read_text(encoding="utf-8"))
    # Their own place: `#/$defs/…` means this document's.
    schema["$defs"] |= tracker.pop("$defs")
    schema["$defs"]["tracker"] = {key: part for key, part in tracker.items() if not key.startswith("$")}
    listed, mapped, _ = schema["properties"]["trackers"]["anyOf"]
    listed["items"] = {"$ref": "#/$defs/tracker"}
    mapped["properties"] = {"follow": {"type": "boolean", "default": False}, "rules": {**listed}}
    mapped["additionalProperties"] = False
    return schema
