"""What commands share: consoles, logging, the --config option."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.text import Text

from consumer.postgres.trackers import Plan

_WIDE = 200
"""Columns of what is no terminal: names are to be found whole by whoever searches a file for them."""

console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE)
errors = Console(stderr=True, width=None if sys.stderr.isatty() or "COLUMNS" in os.environ else _WIDE)

ConfigOption = Annotated[Path, typer.Option("--config", "-c", envvar="MILESTONES_CONFIG", help="Configuration.")]
DEFAULT_CONFIG = Path("config.yaml")


def set_up_logging() -> None:
    """Lines for people on a terminal, JSON elsewhere; always to stderr."""
    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=True) if terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # One write for each line: workers of one machine share stderr.
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def say_error(kind: str, message: str) -> None:
    """An error as it is written: brackets in it are no markup, and lines are not broken."""
    errors.print(Text.assemble((f"{kind}:", "bold red"), " ", message), soft_wrap=True)


def show_plan(plan: Plan, *, to: Console = console) -> None:
    """A plan as added, changed and removed trackers."""
    for sign, style, trackers in (
        ("+", "green", plan.added),
        ("~", "yellow", plan.changed),
        ("-", "red", plan.removed),
    ):
        for tracker in trackers:
            line = f"{sign} {tracker.name}  ({tracker.document_type}.{tracker.track_field})"
            to.print(Text(line, style=style), soft_wrap=True)
    counts = f"{len(plan.added)} added, {len(plan.changed)} changed, {len(plan.removed)} removed"
    to.print(f"trackers: {counts}, {plan.unchanged} unchanged", highlight=False)
