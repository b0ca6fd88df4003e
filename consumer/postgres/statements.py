"""SQL lives in `sql/queries/`: files of statements, each under a line `-- name: …`.

The line `-- include …` in one stands for another of the same file.
"""

from __future__ import annotations

import re
from functools import cache
from typing import LiteralString

from consumer.packaged import packaged

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_INCLUDE = re.compile(r"^ *-- include (\w+)$", re.MULTILINE)


@cache
def statements(file: str) -> dict[str, LiteralString]:
    """Name to statement of one file of `sql/queries/`."""
    parts = _NAME.split((packaged("sql") / "queries" / file).read_text(encoding="utf-8"))
    bodies = {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}

    def included(line: re.Match[str]) -> str:
        return bodies[line[1]].removesuffix(";")

    return {name: _INCLUDE.sub(included, body) for name, body in bodies.items()}
