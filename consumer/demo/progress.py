"""The demo while it runs: a line for each server, and figures that move on a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from consumer.demo.run import Snapshot
from consumer.demo.words import bar, has_blocks

ACCENT = "cyan"
_BAR = 30


class Progress:
    """Prints steps as they are done; on a terminal also how far the consumer is, many times a second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._spinner = Spinner("dots", style=ACCENT)
        self._first: tuple[float, int] | None = None
        self.steps: list[Text] = []

    def __enter__(self) -> Progress:
        self._console.print()
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Takes away what moves."""
        self._live.stop()

    def step(self, what: str, detail: str) -> None:
        """A line that stays."""
        line = Text.assemble(("  ✓ ", "green"), (f"{what:<16}", "bold"), (detail, "dim"))
        self.steps.append(line)
        self._console.print(line, soft_wrap=True)

    def progress(self, snapshot: Snapshot) -> None:
        """Draws the figures anew."""
        if self._console.is_terminal:
            self._live.update(self._drawn(snapshot), refresh=True)

    def _drawn(self, snapshot: Snapshot) -> RenderableType:
        if not snapshot.records:
            self._spinner.update(text=Text(" the consumer joins its group", style="dim"))
            return Padding(self._spinner, (1, 2))
        blocks = has_blocks(self._console)
        share = snapshot.records / max(snapshot.total, 1)
        head = Text.assemble(
            bar(share, _BAR, ACCENT, blocks=blocks),
            f"  {snapshot.records:>9,}",
            (f" of {snapshot.total:,} records   {self._rate(snapshot.records)}", "dim"),
        )
        return Padding(Group(head, Text(), tracker_bars(snapshot.by_tracker, _BAR, blocks=blocks)), (1, 2))

    def _rate(self, records: int) -> str:
        now = time.monotonic()
        if self._first is None:
            self._first = now, records
        since_s, before = self._first
        return f"{(records - before) / (now - since_s):,.0f}/s" if now - since_s > 0.2 else ""


def tracker_bars(by_tracker: Mapping[str, int], width: int, *, blocks: bool = True) -> Table:
    """Milestones by tracker as bars, the most first."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, max_width=32, overflow="ellipsis")
    table.add_column(justify="right", style="bold")
    table.add_column(no_wrap=True)
    most = max(by_tracker.values(), default=1)
    for tracker, number in sorted(by_tracker.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(tracker, f"{number:,}", bar(number / most, width, ACCENT, blocks=blocks))
    return table
