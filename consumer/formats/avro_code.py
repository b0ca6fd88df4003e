"""The lines of Python that read or skip a type of Avro.

Only names of this module and Python's own literals of texts (`repr`) get into them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

Wanted = Mapping[str, "Wanted | None"]
"""The fields of a record that are read, each with those of its own record; None for all of it."""

_MOST_FIELDS = 5_000
"""Of a schema that is compiled, each counted as often as its record stands there: a fraction of a second."""

_MOST_BRANCHES = 64
"""Whose number takes one byte."""

_RUN, _SHORTEST_RUN = 24, 6
"""Fields that are skipped together."""

_LONGEST_KEPT = 4_096
"""Bytes of what was skipped last."""

_OWN_TYPES = frozenset(
    ("null", "boolean", "int", "long", "float", "double", "bytes", "string", "record", "error", "enum", "array", "map",
     "fixed")
)  # fmt: skip
"""Avro's: no schema can give these names another meaning."""

NUMBERS = ("int", "long")
_FLOATS = {"float": ("read_float", 4), "double": ("read_double", 8)}


class Unread(Exception):
    """Not plain: for the general reader."""


class Code:
    """The lines that read or skip a type at `b[p]`, and leave `p` behind it."""

    def __init__(self, names: Mapping[str, dict[str, object]]) -> None:
        self._names = names
        self.lines: list[str] = []
        self.constants: dict[str, object] = {}
        self.runs: dict[tuple[int, ...], int] = {}
        self._indent = 1
        self._made = self._fields = 0

    def read(self, node: object, into: str, wanted: Wanted | None = None) -> None:
        """Into a variable; of a record only what is wanted."""
        kind, node = resolved(node, self._names)
        if isinstance(node, list):
            self._union(node, lambda branch: self.read(branch, into, wanted))
        elif kind in ("record", "error"):
            self._record(cast("dict[str, object]", node), into, wanted)
        elif kind in ("array", "map"):
            self._blocks(cast("dict[str, object]", node), kind, into)
        else:
            self._read_plain(kind, node, into)

    def skip(self, node: object) -> None:
        """Past it."""
        kind, node = resolved(node, self._names)
        if isinstance(node, list):
            self._union(node, self.skip)
        elif kind in ("record", "error"):
            for field in _fields(node):
                self._count()
                self.skip(field["type"])
        elif kind in ("array", "map"):
            self._blocks(cast("dict[str, object]", node), kind, None)
        else:
            self._skip_plain(kind, node)

    def _read_plain(self, kind: str, node: object, into: str) -> None:
        if kind == "null":
            self._add(f"{into} = None")
        elif kind in NUMBERS:
            self._raw_number(into)
            self._add(f"{into} = {into} >> 1 ^ -({into} & 1)")
        elif kind in ("string", "bytes"):
            self._length()
            text = ".decode()" if kind == "string" else ""
            self._add("q = p + (n >> 1)", f"{into} = b[p:q]{text}", "p = q")
        elif kind == "boolean":
            self._add(f"{into} = b[p]", "p += 1", f"if {into} > 1:", " raise Unread", f"{into} = {into} == 1")
        elif kind in _FLOATS:
            unpack, size = _FLOATS[kind]
            self._add(f"({into},) = {unpack}(b, p)", f"p += {size}")
        elif kind == "fixed":
            self._add(f"q = p + {size_of(node)}", f"{into} = b[p:q]", "p = q")
        elif kind == "enum":
            symbols = self._constant(tuple(cast("dict[str, list[str]]", node)["symbols"]))
            self._length()
            self._add(f"{into} = {symbols}[n >> 1]")
        else:
            raise Unread

    def _skip_plain(self, kind: str, node: object) -> None:
        if kind in NUMBERS or kind == "enum":
            self._add("while b[p] > 127:", " p += 1", "p += 1")
        elif kind in ("string", "bytes"):
            self._add("step = STEPS[b[p]]", "if step:", " p += step", "else:", " p = past(b, p)")
        elif kind == "boolean":
            self._add("p += 1")
        elif kind in _FLOATS:
            self._add(f"p += {_FLOATS[kind][1]}")
        elif kind == "fixed":
            self._add(f"p += {size_of(node)}")
        elif kind != "null":
            raise Unread

    def _record(self, node: dict[str, object], into: str, wanted: Wanted | None) -> None:
        taken: dict[str, str] = {}
        passed: list[object] = []
        for field in _fields(node):
            self._count()
            name = str(field["name"])
            if wanted is not None and name not in wanted:
                passed.append(field["type"])
                continue
            self._skip_all(passed)
            passed.clear()
            taken[name] = self._name()
            self.read(field["type"], taken[name], None if wanted is None else wanted[name])
        self._skip_all(passed)
        self._add(f"{into} = {{{', '.join(f'{name!r}: {variable}' for name, variable in taken.items())}}}")

    def _skip_all(self, types: Sequence[object]) -> None:
        """Past fields that stand side by side."""
        for first in range(0, len(types), _RUN):
            run = types[first : first + _RUN]
            if len(run) < _SHORTEST_RUN:
                for one in run:
                    self.skip(one)
            else:
                self._skip_run(run)

    def _skip_run(self, types: Sequence[object]) -> None:
        """What was skipped here last is looked for first: the same bytes are the same fields, and end where they did.

        Rows of one type share what is kept: `after` is passed over where nothing differs from `before`. Of bytes that
        were cut nothing is kept: they would be the beginning of others.
        """
        place = self.runs.setdefault(tuple(map(id, types)), len(self.runs))
        start = self._name()
        self._add(f"last = kept[{place}]", "if b.startswith(last, p):", " p += len(last)", "else:")
        self._indent += 1
        self._add(f"{start} = p")
        for one in types:
            self.skip(one)
        self._add(f"kept[{place}] = b[{start}:p] if p < {start} + {_LONGEST_KEPT} and p <= end else ()")
        self._indent -= 1

    def _union(self, branches: list[object], each: Callable[[object], None]) -> None:
        if len(branches) > _MOST_BRANCHES:
            raise Unread
        branch = self._name()
        self._add(f"{branch} = b[p]", "p += 1")
        # Null last: most columns are filled.
        for at, (number, node) in enumerate(sorted(enumerate(branches), key=lambda one: one[1] == "null")):
            self._add(f"{'elif' if at else 'if'} {branch} == {number << 1}:")
            self._indent += 1
            self._add("pass")
            each(node)
            self._indent -= 1
        self._add("else:", " raise Unread")

    def _blocks(self, node: dict[str, object], kind: str, into: str | None) -> None:
        """Items in blocks, each with their number before it; a negative one is followed by the block's size."""
        left, key, item = self._name(), self._name(), self._name()
        is_map = kind == "map"
        if into is not None:
            self._add(f"{into} = {'{}' if is_map else '[]'}")
        self._add(f"{left}, p = number(b, p)", f"while {left}:")
        self._indent += 1
        self._add(f"if {left} & 1:", " n, p = number(b, p)", f"{left} = ({left} + 1) >> 1", f"while {left}:")
        self._indent += 1
        self._add(f"{left} -= 1")
        if is_map:
            self._read_plain("string", "string", key)
        part = node["values" if is_map else "items"]
        if into is None:
            self.skip(part)
        else:
            self.read(part, item)
            self._add(f"{into}[{key}] = {item}" if is_map else f"{into}.append({item})")
        # However many items are claimed, they end with the bytes.
        self._add("if p > end:", " raise Unread")
        self._indent -= 1
        self._add(f"{left}, p = number(b, p)")
        self._indent -= 1

    def _raw_number(self, into: str) -> None:
        """Of more than one byte mostly: times and places."""
        self._add(f"{into} = b[p]", "p += 1", f"if {into} > 127:", f" {into} &= 127", " shift = 7", " c = b[p]")
        self._add(" while c > 127:", f"  {into} |= (c & 127) << shift", "  shift += 7", "  if shift > 63:")
        self._add("   raise Unread", "  p += 1", "  c = b[p]", " if shift == 63 and c > 1:", "  raise Unread")
        self._add(f" {into} |= c << shift", " p += 1")

    def _length(self) -> None:
        """Into `n`, doubled; a negative one is odd."""
        self._raw_number("n")
        self._add("if n & 1:", " raise Unread")

    def _add(self, *lines: str) -> None:
        self.lines += [" " * self._indent + line for line in lines]

    def _name(self) -> str:
        self._made += 1
        return f"v{self._made}"

    def _constant(self, value: object) -> str:
        name = f"C{len(self.constants)}"
        self.constants[name] = value
        return name

    def _count(self) -> None:
        self._fields += 1
        if self._fields > _MOST_FIELDS:
            raise Unread


def resolved(node: object, names: Mapping[str, dict[str, object]]) -> tuple[str, object]:
    """The kind of a type, and the type itself, wherever its definition stands."""
    while True:
        kind = node.get("type") if isinstance(node, dict) else node
        if isinstance(kind, str) and kind not in _OWN_TYPES:
            node = names[kind]
        elif isinstance(node, dict) and not isinstance(kind, str):
            node = kind
        else:
            return str(kind), node


def _fields(node: object) -> list[dict[str, object]]:
    return cast("dict[str, list[dict[str, object]]]", node)["fields"]


def size_of(node: object) -> int:
    """The bytes of a `fixed`; raises Unread where its schema does not say."""
    size = cast("dict[str, object]", node)["size"]
    if type(size) is not int or size < 0:
        raise Unread
    return size
