"""What a run of the bench came to: medians and spread, as a table, a file and a plot, beside an earlier one."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

import msgspec
import psutil
from rich.table import Table

from tests.faults.results import commit

_RATE: Final = "records/s"
_FONT: Final = 'font-family="sans-serif"'
_CAPTION: Final = "records/s: the job, with the range of its rounds, beside the client that only counts (grey)"
_BAR, _ROW, _LEFT, _RIGHT = 460, 22, 170, 185


class Result(msgspec.Struct):
    """One run. `suites`: suite, figure, one value for each round."""

    commit: str
    machine: Mapping[str, str]
    records: int
    rounds: int
    suites: dict[str, dict[str, list[float]]] = {}

    def add(self, suite: str, figures: Mapping[str, float]) -> None:
        """What one suite measured in one round."""
        known = self.suites.setdefault(suite, {})
        for figure, value in figures.items():
            known.setdefault(figure, []).append(value)


def new_result(records: int, rounds: int) -> Result:
    """Nothing measured yet, on this machine."""
    processor = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    machine = {
        "processor": f"{processor}, {os.cpu_count()} threads",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "Python": platform.python_version(),
    }
    return Result(commit(), machine, records, rounds)


def read(path: Path) -> Result | None:
    """An earlier result; None where there is none."""
    return msgspec.json.decode(path.read_bytes(), type=Result) if path.exists() else None


def write(result: Result, path: Path) -> None:
    """As JSON, one figure a line, so that a change can be read."""
    rounded = {
        suite: {figure: [_rounded(value) for value in values] for figure, values in figures.items()}
        for suite, figures in result.suites.items()
    }
    content = msgspec.json.encode(msgspec.structs.replace(result, suites=rounded))
    path.write_bytes(msgspec.json.format(content, indent=2) + b"\n")


def table(result: Result, earlier: Result | None) -> Table:
    """Medians and spread; beside an earlier result how much a median has moved, where that is more than the spread."""
    title = f"{result.records:,} records, {result.rounds} rounds, {result.commit}: {result.machine['processor']}"
    shown = Table(title=title, box=None, header_style="bold")
    for name in ("suite", "figure"):
        shown.add_column(name)
    for name in ("median", "from", "to"):
        shown.add_column(name, justify="right")
    if earlier is not None:
        shown.add_column(f"since {earlier.commit}", justify="right")
    for suite, figure, values in _figures(result):
        cells = [suite, figure, *(_text(value) for value in (statistics.median(values), min(values), max(values)))]
        if earlier is not None:
            cells.append(_moved(values, earlier.suites.get(suite, {}).get(figure, [])))
        shown.add_row(*cells)
    return shown


def as_markdown(result: Result) -> str:
    """The medians, for the documentation."""
    lines = ["| suite | figure | median | from | to |", "|---|---|---:|---:|---:|"]
    for suite, figure, values in _figures(result):
        median, least, most = (_text(value) for value in (statistics.median(values), min(values), max(values)))
        lines.append(f"| {suite} | {figure} | {median} | {least} | {most} |")
    return "\n".join(lines)


def plot(result: Result) -> str:
    """SVG: the job's rate on each stream, with its spread, beside the client that only counts it."""
    bars = [
        (suite, statistics.median(figures[f"limit {_RATE}"]), figures[_RATE])
        for suite, figures in result.suites.items()
        if f"limit {_RATE}" in figures
    ]
    widest = max((rate for _, limit, rates in bars for rate in (limit, *rates)), default=1.0)
    height = _ROW * (len(bars) + 1) + 14
    width = _LEFT + _BAR + _RIGHT
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="12" {_FONT}>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="14" fill="#555">{_CAPTION}</text>',
    ]
    for at, (suite, limit, rates) in enumerate(bars, 1):
        top, rate = at * _ROW, statistics.median(rates)
        least, most = (_LEFT + _BAR * value / widest for value in (min(rates), max(rates)))
        middle, counted = top + _ROW / 2, _LEFT + _BAR * limit / widest
        drawn += [
            f'<text x="{_LEFT - 8}" y="{middle + 4}" text-anchor="end">{escape(suite)}</text>',
            f'<rect x="{_LEFT}" y="{top + 3}" width="{_BAR * limit / widest:.1f}" height="{_ROW - 6}" fill="#e4e8ee"/>',
            f'<rect x="{_LEFT}" y="{top + 3}" width="{_BAR * rate / widest:.1f}" height="{_ROW - 6}" fill="#2f6fab"/>',
            f'<path d="M{least:.1f} {middle}H{most:.1f}" stroke="#12304d" stroke-width="2"/>',
            f'<path d="M{counted:.1f} {top + 2}V{top + _ROW - 2}" stroke="#8a94a3" stroke-width="2"/>',
            f'<text x="{_LEFT + _BAR + 8}" y="{middle + 4}">{rate:,.0f} beside {limit:,.0f}</text>',
        ]
    return "\n".join([*drawn, "</svg>", ""])


def _figures(result: Result) -> Iterator[tuple[str, str, Sequence[float]]]:
    for suite, figures in result.suites.items():
        for figure, values in figures.items():
            yield suite, figure, values


def _moved(now: Sequence[float], then: Sequence[float]) -> str:
    if not then:
        return "new"
    apart = max(now) < min(then) or min(now) > max(then)
    return f"{statistics.median(now) / statistics.median(then) - 1:+.0%}" if apart else "within the spread"


def _text(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _lines(path: str) -> Sequence[str]:
    file = Path(path)
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else ()
