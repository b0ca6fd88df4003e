"""The command `milestones`: arguments, exit codes, output. No logic of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from consumer import __version__
from consumer.cli.output import say_error
from consumer.errors import ConfigError, MilestonesError
from consumer.tuning import imported

_MODULES = {
    "run": "run",
    "take-over": "run",
    "demo": "demo",
    "migrate": "migrate",
    "check": "check",
    "status": "status",
    "doctor": "doctor",
    "audit": "audit",
    "replay": "replay",
    "explain": "explain",
    "backtest": "backtest",
    "trackers": "trackers",
    "dead-letters": "dead_letters",
}
"""Commands, and the modules of this package that have them."""


def app_for(words: Sequence[str]) -> typer.Typer:
    """The command line that understands these words.

    Only the module of the command that they name is imported: a worker need not wait for what the doctor needs.
    """
    app = typer.Typer(
        name="milestones",
        help="Exactly-once milestones from any change stream.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(_options)
    named = _MODULES.get(words[0]) if words else None
    for module in dict.fromkeys(_MODULES.values()) if named is None else [named]:
        imported(f"consumer.cli.{module}").add_to(app)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"milestones {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Exactly-once milestones from any change stream."""


def main() -> None:
    """Exit codes: 0 done, 1 failed, 2 wrong usage or config, 3 a check found differences."""
    try:
        app_for(sys.argv[1:])()
    except ConfigError as error:
        say_error("config", str(error))
        sys.exit(2)
    except MilestonesError as error:
        say_error("stopped", str(error))
        sys.exit(1)
