"""`make bench`: what the job does, suite by suite, on real servers that flush to disk, all in one run."""

from __future__ import annotations

import argparse
import compileall
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.console import Console

from bench.lab import Lab
from bench.report import as_markdown, new_result, plot, read, table, write
from bench.suites import SUITES
from tests.faults.report import put
from tests.services import open_kafka, open_postgres

_LAST: Final = Path("docs/bench.json")
_PLOT: Final = Path("docs/images/bench.svg")
_PAGE: Final = Path("docs/performance.md")


def main() -> None:
    """Prints medians, and what has moved since the last result that was committed; never fails because of a time."""
    options = _options()
    console, errors = Console(), Console(stderr=True)
    result = new_result(options.records, options.rounds)
    for package in ("consumer", "bench"):  # As an installer does: else each start compiles them anew.
        compileall.compile_dir(package, quiet=1)
    with (
        closing(open_kafka(private=True)) as kafka,
        closing(open_postgres(private=True, durable=True)) as postgres,
        TemporaryDirectory(prefix="milestones-bench-") as folder,
        closing(Lab(kafka, postgres, Path(folder), options.records)) as lab,
    ):
        for number in range(1, options.rounds + 1):
            lab.begin_round()
            for name in options.suites:
                errors.print(f"round {number}: {name}: {SUITES[name].about}", highlight=False)
                result.add(name, SUITES[name].measured(lab))
    console.print(table(result, read(_LAST)))
    if options.json:
        write(result, options.json)
    if options.write:
        write(result, _LAST)
        _PLOT.write_text(plot(result), encoding="utf-8")
        put("make bench", as_markdown(result), _PAGE)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=main.__doc__)
    usual = [name for name, suite in SUITES.items() if suite.usual]
    parser.add_argument("--suites", type=_suites, default=usual, help=f"some of {','.join(SUITES)}; or all")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the result to this file")
    parser.add_argument("--write", action="store_true", help=f"write it to {_LAST}, {_PLOT} and {_PAGE}")
    return parser.parse_args()


def _suites(text: str) -> list[str]:
    names = list(SUITES) if text == "all" else text.split(",")
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        sys.exit(f"--suites: there is no {', '.join(unknown)}; there are {', '.join(SUITES)}")
    return names


if __name__ == "__main__":
    main()
