"""The demo's output as a picture, for the README: `milestones demo --svg docs/images/demo.svg` makes it anew."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, RenderableType
from rich.terminal_theme import TerminalTheme
from rich.text import Text

# Calm on light and dark pages alike.
_THEME = TerminalTheme(
    (30, 33, 39),
    (212, 216, 222),
    [
        (60, 64, 72), (224, 108, 117), (126, 184, 118), (214, 176, 106),
        (97, 152, 214), (186, 132, 206), (86, 172, 184), (212, 216, 222),
    ],
)  # fmt: skip
# A picture that fetches fonts from elsewhere would be blocked, or tell others who looks at it.
_FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)
_FORMAT = _FONTS.sub("", CONSOLE_SVG_FORMAT).replace(
    "font-family: Fira Code, monospace", "font-family: ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
)
_TEXT = re.compile(r'x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)" ([^>]*)>((?:&#160;)*)(.*?)((?:&#160;)*)</text>')
_SPACE = "&#160;"
_COLUMN = 12.2  # The width that Rich gives a character.


def save_picture(parts: Sequence[RenderableType], path: Path, width: int) -> None:
    """Writes what a terminal of this width shows as SVG."""
    console = Console(
        record=True,
        width=width,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    console.print(Text.assemble(("$ ", "dim"), "milestones demo"))
    for part in parts:
        console.print(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    svg = console.export_svg(title="milestones demo", theme=_THEME, code_format=_FORMAT, unique_id="demo")
    path.write_text(_TEXT.sub(_without_outer_spaces, svg), encoding="utf-8")


def _without_outer_spaces(found: re.Match[str]) -> str:
    """Some viewers drop a text's outer spaces, and so move what is between them: the text is placed where it begins."""
    x, y, length, rest, before, text, after = found.groups()
    if not text:
        return f'x="{x}" y="{y}" {rest}></text>'
    left, right = (_COLUMN * len(spaces) / len(_SPACE) for spaces in (before, after))
    return f'x="{float(x) + left:g}" y="{y}" textLength="{float(length) - left - right:g}" {rest}>{text}</text>'
