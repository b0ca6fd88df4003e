"""The text of a condition, read no further than is needed: which columns it names, and what `&&` joins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from consumer.errors import ConfigError

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTES: Final = ('"""', "'''", '"', "'")


class Token(NamedTuple):
    kind: str
    text: str


def is_called(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\s*\(", text) is not None


def tokens(text: str) -> Iterator[Token]:
    """Words, texts and signs; no numbers, spaces and comments. What is no CEL is for the library to say."""
    at = 0
    while at < len(text):
        word = _WORD.match(text, at)
        if text.startswith("//", at):
            at = _end_of(text, "\n", at)
        elif word is not None and not _is_prefix(text, word):
            yield Token("word", word[0])
            at = word.end()
        else:
            at = at if word is None else word.end()
            quote = next((quote for quote in _QUOTES if text.startswith(quote, at)), None)
            if quote is not None:
                end = _closing(text, quote, at + len(quote))
                yield Token("text", text[at + len(quote) : end])
                at = end + len(quote)
            else:
                if not text[at].isspace() and not text[at].isdigit():
                    yield Token("sign", text[at])
                at = at + 1 if not text[at].isdigit() else _end_of_number(text, at)


def conjuncts(text: str) -> list[str]:
    """The parts that `&&` joins, from left to right; none where there is but one."""
    parts, start, at, depth = [], 0, 0, 0
    while at < len(text):
        quote = next((quote for quote in _QUOTES if text.startswith(quote, at)), None)
        if quote is not None:
            at = _closing(text, quote, at + len(quote)) + len(quote)
            continue
        if depth == 0 and text[at] == "&":
            parts.append(text[start:at])
            at = start = at + 2
            continue
        if text.startswith("//", at) or (depth == 0 and text[at] in "|?"):
            return []
        depth += (text[at] in "([{") - (text[at] in ")]}")
        at += 1
    return [*parts, text[start:]] if parts else []


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


def columns_in(tokens: list[Token], place: str) -> tuple[str, ...]:
    """The columns that a condition names: after.x, after["x"], and every text, which may be one: "x" in changed."""
    columns: dict[str, None] = {}
    signs = [Token("sign", "")] * 3
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
