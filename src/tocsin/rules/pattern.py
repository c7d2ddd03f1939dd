"""Sigma's plain string values: escapes and wildcards, read once.

Source: Sigma specification 2.1 "Escape Character" and "Wildcards"; Sigma semantics 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

ANY: Final = 0
"""Any number of characters, line breaks included (`*`)."""
ONE: Final = 1
"""Exactly one character (`?`)."""
DASH: Final = 2
"""One character out of `DASHES` (a dash position under `windash`)."""
DASHES: Final = "-/–—―"

Token = str | int
Pattern = tuple[Token, ...]

_DASH_POSITION: Final = re.compile(r"\B[-/]\b")


def parse_pattern(text: str) -> Pattern:
    r"""Split a value into literal texts, `ANY` and `ONE`.

    `\*` and `\?` are the characters, `\\` is one backslash, a backslash before anything else stays.
    """
    return join(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\" and at + 1 < len(text) and text[at + 1] in "*?\\":
            yield text[at + 1]
            at += 2
            continue
        yield ANY if char == "*" else ONE if char == "?" else char
        at += 1


def join(tokens: Iterator[Token]) -> Pattern:
    """Join neighbouring literal texts and neighbouring `ANY`."""
    joined: list[Token] = []
    for token in tokens:
        last = joined[-1] if joined else None
        if isinstance(token, str) and isinstance(last, str):
            joined[-1] = last + token
        elif not (token == ANY and last == ANY and isinstance(last, int)):
            joined.append(token)
    return tuple(joined)


def mark_dashes(pattern: Pattern) -> Pattern:
    """Replace each dash or slash that begins an option by `DASH` (semantics 10)."""

    def split(token: Token) -> Iterator[Token]:
        if isinstance(token, int):
            yield token
            return
        at = 0
        for match in _DASH_POSITION.finditer(token):
            if match.start() > at:
                yield token[at : match.start()]
            yield DASH
            at = match.end()
        if at < len(token):
            yield token[at:]

    return tuple(piece for token in pattern for piece in split(token))


def literal(pattern: Pattern) -> str | None:
    """Return the text of a pattern without wildcards, or None."""
    if not pattern:
        return ""
    return pattern[0] if len(pattern) == 1 and isinstance(pattern[0], str) else None


def write_pattern(pattern: Pattern) -> str:
    """Write a pattern in the form that a rule has; reading it gives the same pattern. A `DASH` is written as `-`."""
    out = ""
    for at, token in enumerate(pattern):
        if isinstance(token, int):
            out += "*?-"[token]
            continue
        text = re.sub(r"\\(?=[\\*?])|[*?]", lambda found: "\\" + found[0], token)
        before_wildcard = at + 1 < len(pattern) and pattern[at + 1] in (ANY, ONE) and isinstance(pattern[at + 1], int)
        out += text + "\\" if before_wildcard and token.endswith("\\") else text
    return out


def quoted(text: str) -> str:
    """Return a text in quotes as it is, so that a backslash stays one; double quotes where it holds single ones."""
    return f'"{text}"' if "'" in text and '"' not in text else f"'{text}'"


__all__ = [
    "ANY",
    "DASH",
    "DASHES",
    "ONE",
    "Pattern",
    "Token",
    "join",
    "literal",
    "mark_dashes",
    "parse_pattern",
    "quoted",
    "write_pattern",
]
