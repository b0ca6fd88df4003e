"""Conditions in CEL (https://github.com/google/cel-spec), and all that is known of the library that evaluates them.

A condition sees the change and nothing else: `before` and `after` (the columns that it names), `op` as Debezium writes
it, `changed` (of the columns that it names, and of the tracked one), `actor`, and `now`, the event's time. It is pure,
and a budget of iterations bounds it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

from consumer.core.condition_hints import name_hint, overload_hint, syntax_hint
from consumer.core.condition_text import columns_in, conjuncts, tokens
from consumer.errors import ConfigError, RuleError

if TYPE_CHECKING:
    from consumer.core.events import ChangeEvent

LONGEST_CONDITION: Final = 4_000
VARIABLES: Final = ("before", "after", "op", "changed", "actor", "now")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OPS: Final = {"create": "c", "update": "u", "snapshot": "r"}
_PLACE: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")
_UNDECLARED: Final = re.compile(r"undeclared reference to '([^']*)'")
# What the library says of an evaluation that failed, and the reason that is counted.
_REASONS: Final = (
    ("Key not found", "a column is not in the record"),
    ("No value with name", "before is unknown"),
    ("No matching overloads", "types do not fit"),
    ("Iteration budget", "budget exceeded"),
)


class Condition:
    """One condition, compiled.

    Args:
        text: the expression.
        place: what errors name.

    Raises:
        ConfigError: it cannot be compiled, or is of no use; with line, column and a way out.
    """

    def __init__(self, text: str, place: str) -> None:
        self.text, self._place = text, place
        if len(text) > LONGEST_CONDITION:
            raise ConfigError(f"{place}: when is longer than {LONGEST_CONDITION:,} characters; take it apart")
        words = list(tokens(text))
        self.columns = columns_in(words, place)
        used = {token.text for token in words if token.kind == "word"}
        self._uses = tuple(name for name in VARIABLES if name in used)
        self._expression = _compiled(text, place)

    @property
    def is_constant(self) -> bool:
        """Whether it looks at nothing of the change."""
        return not self._uses

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

    def against(self, event: ChangeEvent, track_field: str) -> tuple[str, str] | None:
        """Why it is false of this change: its first part that is, and what that looks at. None where it holds.

        Raises:
            RuleError: it cannot be told; says why.
        """
        if self.holds(event, track_field):
            return None
        parts = (Condition(part, self._place) for part in conjuncts(self.text))
        false = next((part for part in parts if part.is_false(event, track_field)), self)
        return "condition false", f"{' '.join(false.text.split())} is false: {false.shown(event, track_field)}"

    def is_false(self, event: ChangeEvent, track_field: str) -> bool:
        """Whether it is; not where it cannot be told."""
        try:
            return not self.holds(event, track_field)
        except RuleError:
            return False

    def shown(self, event: ChangeEvent, track_field: str) -> str:
        """What it looks at, as it was."""
        shown: list[str] = []
        for name, value in self._activation(event, track_field).items():
            if isinstance(value, dict):
                shown += [f"{name}.{column} = {value[column]!r}" for column in self.columns if column in value]
            else:
                shown.append(f"{name} = {value!s}")
        return ", ".join(shown) or "it looks at nothing"

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
    if undeclared is not None:
        hint = name_hint(text, undeclared[1])
    elif "matching overload" in complaint:
        hint = overload_hint(complaint)
    else:
        complaint, hint = complaint.partition(" expecting ")[0], syntax_hint(text) or "something is missing there"
    shown = [*text.splitlines(), ""][line - 1]
    return f"line {line}, column {column}: {complaint}; {hint}\n  {shown}\n  {' ' * (column - 1)}^"
