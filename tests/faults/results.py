"""Results of faults, one JSON line each, in a file that is named after the commit: runs can be stopped and resumed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

_ROOT: Final = Path(__file__).parents[2]
_FOLDER: Final = _ROOT / ".cache" / "faults"
_WHAT_COUNTS: Final = (
    "consumer",
    "sql",
    "schemas",
    "requirements.txt",
    "tests/faults",
    "tests/processes",
    "tests/services",
)


@dataclass(frozen=True)
class Result:
    """One run of one fault; times in seconds."""

    row: str
    fault: str
    test: str
    seed: int
    passed: bool
    records: int
    lost: int
    doubled_rows: int
    doubled_events: int
    recoveries: Sequence[float]
    took: float
    problem: str


class Results:
    """The file of one commit."""

    def __init__(self, name: str, folder: Path = _FOLDER) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self._path = folder / f"{name}.jsonl"
        self._done = {(one.test, one.seed) for one in self.read() if one.passed}

    def has(self, test: str, seed: int) -> bool:
        """Whether this run is done, and well; what failed runs again."""
        return (test, seed) in self._done

    def add(self, result: Result) -> None:
        """Appends one, in one piece: others may write beside it."""
        with self._path.open("ab", buffering=0) as file:
            file.write(f"{json.dumps(asdict(result))}\n".encode())

    def read(self) -> list[Result]:
        """All of them, the newest of each test and seed."""
        if not self._path.exists():
            return []
        lines = self._path.read_text(encoding="utf-8").splitlines()
        newest = {(one["test"], one["seed"]): Result(**one) for one in map(json.loads, lines)}
        return list(newest.values())


def commit() -> str:
    """The last commit that changed what a result depends on, `-changed` behind it if the checkout differs from it."""
    last = _git("log", "-1", "--format=%h", "--", *_WHAT_COUNTS)
    return last + ("-changed" if _git("status", "--porcelain", "--", *_WHAT_COUNTS) else "")


def table(results: Iterable[Result]) -> str:
    """Markdown: a line for each fault."""
    by_fault: dict[tuple[str, str], list[Result]] = {}
    for one in results:
        by_fault.setdefault((one.row, one.fault), []).append(one)
    lines = [
        "| # | fault | runs | failed | records | lost | doubled rows | doubled events | recovery p50 | max |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (row, fault), runs in sorted(by_fault.items(), key=lambda item: (_number(item[0][0]), item[0])):
        times = [seconds for one in runs for seconds in one.recoveries]
        p50, longest = (f"{median(times):.1f} s", f"{max(times):.1f} s") if times else ("–", "–")
        counts = [
            len(runs), sum(not one.passed for one in runs), sum(one.records for one in runs),
            sum(one.lost for one in runs), sum(one.doubled_rows for one in runs),
            sum(one.doubled_events for one in runs),
        ]  # fmt: skip
        # A test that sends its records in its own way counts none of them.
        told = [f"{count:,}" if count or at != 2 else "–" for at, count in enumerate(counts)]
        lines.append("| " + " | ".join([row, fault, *told, p50, longest]) + " |")
    return "\n".join(lines)


def _number(row: str) -> int:
    return int("".join(character for character in row.partition("–")[0] if character.isdigit()) or 0)


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=_ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
