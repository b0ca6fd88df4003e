"""Puts results into docs/reliability.md."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"


def put(what: str, text: str) -> None:
    """Replaces what stands between the comments `what` and `end of what`."""
    begin, end = f"<!-- {what} -->", f"<!-- end of {what} -->"
    page = _PAGE.read_text(encoding="utf-8")
    before, found, rest = page.partition(begin)
    assert found, f"{_PAGE.name} has no comment {begin}"
    _, _, after = rest.partition(end)
    _PAGE.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
