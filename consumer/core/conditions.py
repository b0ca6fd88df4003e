"""Conditions in CEL (https://github.com/google/cel-spec), and all that is known of the library that evaluates them.

A condition sees the change and nothing else: `before` and `after` (the columns that it names), `op` as Debezium writes
it, `changed` (of the columns that it names, and of the tracked one), `actor`, and `now`, the event's time. It is pure,
and a budget of iterations bounds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from consumer.errors import ConfigError, RuleError

if TYPE_CHECKING:
    from consumer.core.events import ChangeEvent

LONGEST_CONDITION: Final = 4_000
VARIABLES: Final = ("before", "after", "op", "changed", "actor", "now")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OPS: Final = {"create": "c", "update": "u", "snapshot": "r"}
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACE: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")
_UNDECLARED: Final = re.compile(r"undeclared reference to '([^']*)'")
_QUOTES: Final = ('"""', "'''", '"', "'")
# What the library says of an evaluation that failed, and the reason that is counted.
_REASONS: Final = (
    ("Key not found", "a column is not in the record"),
    ("No value with name", "before is unknown"),
    ("No matching overloads", "types do not fit"),
    ("Iteration budget", "budget exceeded"),
)


class _Token(NamedTuple):
    kind: str
    text: str


class Condition:
    """One condition, compiled.

    Args:
        text: the expression.
        place: what errors name.

    Raises:
        ConfigError: it cannot be compiled, or is of no use; with line, column and a way out.
    """

    def __init__(self, text: str, place: str) -> None:
        self.text = text
        if len(text) > LONGEST_CONDITION:
            raise ConfigError(f"{place}: when is longer than {LONGEST_CONDITION:,} characters; take it apart")
        tokens = list(_tokens(text))
        self.columns = _columns(tokens, place)
        used = {token.text for token in tokens if token.kind == "word"}
        self._uses = tuple(name for name in VARIABLES if name in used)
        self._expression = _compiled(text, place)

    def holds(self, event: ChangeEvent, track_field: str) -> bool:
        """Whether it is true of this change.

        Raises:
            RuleError: it cannot be told; says why.
        """
        data = self._activation(event, track_field)
        try:
            result = self._expression.eval(data=data)
        except (RuntimeError, ValueError, TypeError) as error:
            raise RuleError(_reason(str(error)), str(error)) from error
        value = result.value()
        if value is True or value is False:
            return bool(value)
        if result.type().name() != "ERROR":
            raise RuleError("not true or false", f"the condition gives {result.type().name().lower()}")
        raise RuleError(_reason(str(result)), str(result))

    def _activation(self, event: ChangeEvent, track_field: str) -> dict[str, object]:
        rows = event.rows
        data: dict[str, object] = {}
        for name in self._uses:
            if name == "after":
                data[name] = rows.after if rows is not None else {}
            elif name == "before":
                if rows is not None and rows.before is not None:
                    data[name] = rows.before
            elif name == "op":
                data[name] = _OPS.get(event.kind.value, "")
            elif name == "changed":
                data[name] = self._changed(event, track_field)
            elif name == "actor":
                data[name] = event.actor
            else:
                data[name] = _EPOCH + timedelta(microseconds=event.reached_at)
        return data

    def _changed(self, event: ChangeEvent, track_field: str) -> list[str]:
        """Of the columns that this condition names, and of the tracked one, those whose values differ."""
        rows = event.rows
        if rows is None or rows.before is None:
            raise RuleError("before is unknown", "the record does not say what was before, so what changed neither")
        before, after = rows.before, rows.after
        return [name for name in (track_field, *self.columns) if name in after and before.get(name) != after[name]]


class _Result(Protocol):
    def type(self) -> _Type: ...
    def value(self) -> object: ...


class _Type(Protocol):
    def name(self) -> str: ...


class _Expression(Protocol):
    def eval(self, *, data: dict[str, object]) -> _Result: ...
    def return_type(self) -> _Type: ...


class _Environment(Protocol):
    def compile(self, text: str, /) -> _Expression: ...


@cache
def _environment() -> _Environment:
    """The library is loaded by the first condition: it is 14 MB."""
    from cel_expr_python import cel  # noqa: PLC0415

    type_ = cel.Type
    environment: _Environment = cel.NewEnv(
        variables={
            "before": type_.Map(type_.STRING, type_.DYN),
            "after": type_.Map(type_.STRING, type_.DYN),
            "op": type_.STRING,
            "changed": type_.List(type_.STRING),
            "actor": type_.DYN,
            "now": type_.TIMESTAMP,
        }
    )
    return environment


def _compiled(text: str, place: str) -> _Expression:
    try:
        expression = _environment().compile(text)
    except RuntimeError as error:
        raise ConfigError(f"{place}: when: {_told(str(error), text)}") from error
    type_ = expression.return_type().name()
    if type_ not in ("BOOL", "DYN"):
        raise ConfigError(f"{place}: when gives {type_.lower()}, not true or false; compare it with something")
    return expression


def _reason(said: str) -> str:
    return next((reason for part, reason in _REASONS if part in said), "error")


def _told(error: str, text: str) -> str:
    """The library's complaint with its place in the text, and a hint where one is known."""
    found = _PLACE.search(error)
    if found is None:
        return error
    line, column, complaint = int(found[1]), int(found[2]), found[3].replace(" (in container '')", "")
    undeclared = _UNDECLARED.search(complaint)
    hint = ""
    if undeclared is not None:
        name = undeclared[1].partition(".")[0]
        hint = f"; a column is after.{name} or before.{name}, and beside them there are op, changed, actor and now"
        if _called(text, undeclared[1]):
            hint = "; CEL has no such function"
    elif "matching overload" in complaint:
        hint = "; both sides have to be of one type: double(…), int(…), string(…) and timestamp(…) convert"
    elif "mismatched input" in complaint:
        complaint, hint = complaint.partition(" expecting ")[0], "; something is missing there"
    shown = (text.splitlines() or [""])[line - 1]
    return f"line {line}, column {column}: {complaint}{hint}\n  {shown}\n  {' ' * (column - 1)}^"


def _called(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\s*\(", text) is not None


def _tokens(text: str) -> Iterator[_Token]:
    """Words, texts and signs; no numbers, spaces and comments. What is no CEL is for the library to say."""
    at = 0
    while at < len(text):
        word = _WORD.match(text, at)
        if text.startswith("//", at):
            at = _end_of(text, "\n", at)
        elif word is not None and not _is_prefix(text, word):
            yield _Token("word", word[0])
            at = word.end()
        else:
            at = at if word is None else word.end()
            quote = next((quote for quote in _QUOTES if text.startswith(quote, at)), None)
            if quote is not None:
                end = _closing(text, quote, at + len(quote))
                yield _Token("text", text[at + len(quote) : end])
                at = end + len(quote)
            else:
                if not text[at].isspace() and not text[at].isdigit():
                    yield _Token("sign", text[at])
                at = at + 1 if not text[at].isdigit() else _end_of_number(text, at)


def _is_prefix(text: str, word: re.Match[str]) -> bool:
    """Whether these letters belong to the text behind them: r"…" and b"…"."""
    return word[0].lower() in ("r", "b", "rb", "br") and text[word.end() : word.end() + 1] in ("'", '"')


def _closing(text: str, quote: str, at: int) -> int:
    while at < len(text) and not text.startswith(quote, at):
        at += 2 if text[at] == "\\" else 1
    return min(at, len(text))


def _end_of(text: str, sign: str, at: int) -> int:
    found = text.find(sign, at)
    return len(text) if found < 0 else found


def _end_of_number(text: str, at: int) -> int:
    while at < len(text) and (text[at].isalnum() or text[at] == "."):
        at += 1
    return at


def _columns(tokens: list[_Token], place: str) -> tuple[str, ...]:
    """The columns that a condition names: after.x, after["x"], and every text, which may be one: "x" in changed."""
    columns: dict[str, None] = {}
    signs = [_Token("sign", "")] * 3
    for token, following, third, fourth in zip(
        tokens, [*tokens[1:], *signs][: len(tokens)], [*tokens[2:], *signs][: len(tokens)],
        [*tokens[3:], *signs][: len(tokens)], strict=True,
    ):  # fmt: skip
        if token.kind == "text":
            if token.text == "":
                raise ConfigError(
                    f'{place}: when compares with "", and an empty column is null there; write `== null` or `!= null`'
                )
            if "\x00" not in token.text:
                columns[token.text] = None
        elif token in (("word", "after"), ("word", "before")):
            if following == ("sign", ".") and third.kind == "word":
                if fourth == ("sign", "("):
                    raise ConfigError(
                        f"{place}: when calls {token.text}.{third.text}(…), and {token.text} holds only the columns "
                        f"that are named; name them: {token.text}.status"
                    )
                columns[third.text] = None
            elif following == ("sign", "[") and third.kind != "text":
                raise ConfigError(f'{place}: when: {token.text}[…] needs the column\'s name as a text: ["status"]')
    return tuple(columns)
