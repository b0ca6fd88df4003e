"""The command `milestones`: arguments, exit codes, output. No logic of its own."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from consumer import __version__
from consumer.cli import audit, check, dead_letters, demo, doctor, migrate, replay, run, status, trackers
from consumer.cli.output import say_error
from consumer.errors import ConfigError, MilestonesError

app = typer.Typer(
    name="milestones",
    help="Exactly-once milestones from any change stream.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
run.add_to(app)
demo.add_to(app)
migrate.add_to(app)
check.add_to(app)
status.add_to(app)
doctor.add_to(app)
audit.add_to(app)
replay.add_to(app)
app.add_typer(trackers.app, name="trackers")
app.add_typer(dead_letters.app, name="dead-letters")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"milestones {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Exactly-once milestones from any change stream."""


def main() -> None:
    """Exit codes: 0 done, 1 failed, 2 wrong usage or config, 3 a check found differences."""
    try:
        app()
    except ConfigError as error:
        say_error("config", str(error))
        sys.exit(2)
    except MilestonesError as error:
        say_error("stopped", str(error))
        sys.exit(1)
