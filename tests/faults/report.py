"""Puts results into the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"


def put(what: str, text: str, to: Path = _PAGE) -> None:
    """Replaces what stands between the comments `what` and `end of what`."""
    begin, end = f"<!-- {what} -->", f"<!-- end of {what} -->"
    page = to.read_text(encoding="utf-8")
    before, found, rest = page.partition(begin)
    assert found, f"{to.name} has no comment {begin}"
    _, _, after = rest.partition(end)
    to.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
