"""What people write where CEL has something else, and the way out."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final

from consumer.core.condition_text import is_called

FUNCTIONS: Final = (
    "has", "size", "contains", "startsWith", "endsWith", "matches", "int", "double", "string", "timestamp", "duration",
    "getFullYear", "getMonth", "getDate", "getDayOfWeek", "getHours", "all", "exists",
)  # fmt: skip
"""Those that conditions are written with; docs/trackers.md says what they do."""

_TEXT: Final = re.compile(r'"(?:\\.|[^"\\])*"|' + r"'(?:\\.|[^'\\])*'", re.DOTALL)
_NO_END: Final = (
    "a text does not end; where YAML takes a part of the line for something else, as from ` #` on, write `when: |` and "
    "the condition into the next line"
)
_SIGNS: Final = (
    (re.compile(r"<>"), "not equal is !="),
    (re.compile(r"(?<![=!<>])=(?!=)"), "equal is =="),
    (re.compile(r"(?<!&)&(?!&)"), "and is &&"),
    (re.compile(r"(?<!\|)\|(?!\|)"), "or is ||"),
    (re.compile("[“”„‟‘’‚]"), "texts stand in straight quotes, \" or '"),
    (re.compile(r"\bin\s*\("), 'a list has brackets: in ["a", "b"]'),
    (re.compile("[\"']"), _NO_END),
)
_WORDS: Final = {
    "and": "and is &&",
    "or": "or is ||",
    "not": "not is !, as in !(after.status in [\"a\", \"b\"])",
    "is": "what is empty is == null, what is not is != null",
    "like": "there are contains, startsWith, endsWith and matches: after.title.startsWith(\"a\")",
    "between": "write both bounds: after.total >= 1 && after.total <= 2",
    "none": "empty is null",
    "null": "empty is null, in small letters",
    "true": "it is true, in small letters",
    "false": "it is false, in small letters",
}  # fmt: skip
_RIGHT: Final = ("null", "true", "false")
_WORD: Final = re.compile(r"(?<![.\w])[A-Za-z_]\w*")


def syntax_hint(text: str) -> str:
    """What somebody who is used to another language wrote; empty where nothing is known."""
    bare = _TEXT.sub(lambda match: '""' if match[0].startswith('"') else "''", text)
    without = bare.replace('""', "  ").replace("''", "  ")
    hints = [hint for pattern, hint in _SIGNS if pattern.search(without)]
    words = (word for word in _WORD.findall(without) if word not in _RIGHT)
    return "; ".join(dict.fromkeys([*hints, *(_WORDS[w.lower()] for w in words if w.lower() in _WORDS)]))


def name_hint(text: str, name: str) -> str:
    """What to write for a name that a condition does not have."""
    first, _, rest = name.partition(".")
    if first.lower() in _WORDS:
        return _WORDS[first.lower()]
    if is_called(text, name) or is_called(text, name.rpartition(".")[2]):
        return f"CEL has no such function; there are {', '.join(FUNCTIONS)}"
    near = get_close_matches(first, ("after", "before"), n=1, cutoff=0.7)
    if near and rest:
        return f"did you mean {near[0]}.{rest}?"
    column = name.rpartition(".")[2]
    return f"a column is after.{column} or before.{column}, and beside them there are op, changed, actor and now"


def overload_hint(complaint: str) -> str:
    """What to do where two types do not go together."""
    if "'(double, int)'" in complaint:
        return "beside double(…) a number is written with a point: 10000.0"
    if "'(int, double)'" in complaint:
        return "int(…) goes with whole numbers; or write double(…)"
    return "both sides have to be of one type: double(…), int(…), string(…) and timestamp(…) convert"
