"""SQL lives in `sql/queries/`: files of statements, each under a line `-- name: …`."""

from __future__ import annotations

import re
from functools import cache
from typing import LiteralString, cast

from consumer.packaged import packaged

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def statements(file: str) -> dict[str, LiteralString]:
    """Name to statement of one file of `sql/queries/`."""
    parts = _NAME.split((packaged("sql") / "queries" / file).read_text(encoding="utf-8"))
    return {name: cast("LiteralString", body.strip()) for name, body in zip(parts[1::2], parts[2::2], strict=True)}
