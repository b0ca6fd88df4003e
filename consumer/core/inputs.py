"""Which topics are read: those with these names, or those whose whole name a regular expression matches."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

RESERVED = ("milestone-overdue", "milestone-ticks")
"""Written by this program whatever its configuration says, or kept for that."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
# Python and the C library, whose expressions Kafka's client takes, read these differently, or one of them not at all.
_READ_DIFFERENTLY = re.compile(
    r"\(\?|\\[A-Za-z0-9]|\[(?!\^?[A-Za-z0-9._](?:[A-Za-z0-9._]|-(?!-))*\])|[*+?}][*+?{]|\{(?!\d+(?:,\d*)?\})"
)


class Inputs(msgspec.Struct, frozen=True):
    """The topics to read. With a `pattern` there are no `names`, and topics may come and go.

    `own` are the topics that this program writes. They are never read, nor are Kafka's own, which begin with `__`.
    """

    names: tuple[str, ...]
    pattern: str | None = None
    own: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As it is told to people."""
        return ", ".join(self.names) if self.pattern is None else f"topics that match {self.pattern}"

    @property
    def subscription(self) -> list[str]:
        """What Kafka's client subscribes to: names, or one expression, which begins with ^."""
        return list(self.names) if self.pattern is None else [f"^({self.pattern})$"]

    @property
    def never(self) -> list[str]:
        """Expressions for topics that are not to be read whatever the pattern says."""
        return ["^" + name.replace(".", r"\.") + "$" for name in self.own] + ["^__"]

    def among(self, present: Iterable[str]) -> list[str]:
        """Those of these topics that are to be read, by name."""
        if self.pattern is None:
            return sorted(set(self.names) & set(present))
        matches = re.compile(self.pattern).fullmatch
        return sorted(name for name in present if matches(name) and not self.is_own(name))

    def is_own(self, name: str) -> bool:
        """Whether this is a topic that is never read."""
        return name in self.own or name.startswith("__")


def checked_names(names: Sequence[str]) -> Sequence[str]:
    """Names of topics, each once.

    Raises:
        ValueError: Kafka would not have such a topic, or its client would take the name for an expression.
    """
    for at, name in enumerate(names):
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name of a topic: 1 to 249 letters, digits, `.`, `_`, `-`; "
                "a regular expression is said with input.pattern"
            )
        if name in names[:at]:
            raise ValueError(f"{name!r} stands twice; keep one")
    return names


def checked_pattern(pattern: str) -> str:
    """An extended regular expression that Python and Kafka's client read alike.

    Raises:
        ValueError: it is none; the message says what to write instead.
    """
    found = _READ_DIFFERENTLY.search(pattern)
    if found:
        raise ValueError(
            f"{pattern!r} is no POSIX extended regular expression, which Kafka's client needs: see {found.group()!r}; "
            r"write `.`, `[a-z0-9]`, `*`, `+`, `?`, `{1,3}`, `(a|b)`, and `\.` for a dot"
        )
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    return pattern
