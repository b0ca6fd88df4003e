"""How the demo writes figures, durations and bars."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

_EIGHTHS = " ▏▎▍▌▋▊▉"
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def duration(seconds: float) -> str:
    """The two largest units: `14 d 3 h`, `5 h 30 m`, `40 s`, `0.3 s`."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    left = round(seconds)
    parts: list[str] = []
    for unit, size in _UNITS:
        number, left = divmod(left, size)
        if number or parts:
            parts.append(f"{number} {unit}" if number else "")
    return " ".join(part for part in parts[:2] if part)


def bar(share: float, width: int, style: str, *, blocks: bool = True) -> Text:
    """A bar of `share` (0 to 1) of the width, to an eighth of a column; a share above 0 is always seen."""
    share = min(max(share, 0.0), 1.0)
    if not blocks:
        return Text(("#" * round(share * width) or "#" * (share > 0)).ljust(width), style=style)
    whole, eighths = divmod(max(round(share * width * 8), 1 if share > 0 else 0), 8)
    return Text(("█" * whole + _EIGHTHS[eighths].strip()).ljust(width), style=style)


def has_blocks(console: Console) -> bool:
    """Whether this console's encoding has the characters that bars are made of."""
    return console.encoding.startswith("utf")


def counted(number: int, what: str) -> str:
    """`1 record`, `2,345 records`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
