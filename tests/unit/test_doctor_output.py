"""How findings are shown, to people and to programs."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from consumer.cli.doctor import show
from consumer.diagnosis.findings import Finding, fine
from consumer.diagnosis.kinds import finding

FOUND = [
    finding("decimal-unscaled", "Sales Order.grand_total", "5 values"),
    finding("decimal-unscaled", "Sales Order.net_total", "7 values"),
    fine("broker", "broker", "3 brokers"),
    finding("superuser", "postgres", "a [bold]role[/]\x1b[2J"),
]


def shown(findings: list[Finding], *, terminal: bool) -> list[str]:
    """The lines, without colours."""
    written = StringIO()
    show(findings, Console(file=written, force_terminal=terminal, color_system=None, width=100))
    return [line.rstrip() for line in written.getvalue().splitlines()]


def test_what_is_wrong_comes_last_and_a_fix_that_several_share_once() -> None:
    lines = shown(FOUND, terminal=True)
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        "ok", "note", "problem", "problem", "2",
    ]  # fmt: skip
    assert sum("→ set decimal.handling.mode=string" in line for line in lines) == 1
    assert lines[-1] == "2 problems, 0 warnings, 1 note, 1 ok"


def test_a_pipe_gets_one_line_a_finding_with_its_fix() -> None:
    lines = shown(FOUND, terminal=False)
    assert len(lines) == len(FOUND) + 1
    assert lines[0] == "ok: broker: 3 brokers"
    assert lines[2].startswith("problem: Sales Order.grand_total: 5 values → set decimal.handling.mode=string")
    assert lines[2].endswith("[decimal-unscaled]")


def test_nothing_in_a_finding_steers_the_terminal() -> None:
    for terminal in (True, False):
        text = "\n".join(shown(FOUND, terminal=terminal))
        assert "\x1b[2J" not in text
        assert "a [bold]role[/]" in text


def test_no_finding_is_said_to_be_none() -> None:
    assert shown([], terminal=False) == ["0 problems, 0 warnings, 0 notes, 0 ok"]
