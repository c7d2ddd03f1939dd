"""Conditions: from text to a tree over the names of selections.

Source: Sigma specification 2.1 "Condition"; Sigma semantics 17.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct

from tocsin.errors import RuleError


class Name(Struct, frozen=True, array_like=True, tag="name"):
    """A selection by its name."""

    name: str


class AllOf(Struct, frozen=True, array_like=True, tag="all"):
    """Every part holds."""

    parts: tuple[Name | AllOf | AnyOf | NotOf, ...]


class AnyOf(Struct, frozen=True, array_like=True, tag="any"):
    """One part holds."""

    parts: tuple[Name | AllOf | AnyOf | NotOf, ...]


class NotOf(Struct, frozen=True, array_like=True, tag="not"):
    """The part does not hold."""

    part: Name | AllOf | AnyOf | NotOf


Condition = Name | AllOf | AnyOf | NotOf

_TOKEN: Final = re.compile(r"\s*(?:(\()|(\))|(\|)|([^\s()|]+))")
_KEYWORDS: Final = {"and", "or", "not"}
_QUANTIFIERS: Final = {"1", "any", "all"}


def parse_condition(text: str, names: Iterable[str]) -> Condition:
    """Parse one condition over the given selection names.

    `not` binds stronger than `and`, that stronger than `or`; upper-case operators are accepted.
    Raises: RuleError R020 for a text that is no condition, R021 for a name or pattern that selects nothing, R022 for the
    deprecated aggregation.
    """
    tokens = [next(g for g in match.groups() if g) for match in _TOKEN.finditer(text.rstrip())]
    if "|" in tokens:
        hint = "write a correlation rule: type event_count with group-by and timespan"
        raise RuleError("R022", f"deprecated aggregation in condition {text!r}", hint=hint)
    parser = _Parser(text, tokens, list(names))
    tree = parser.parse_or()
    if parser.at < len(tokens):
        raise parser.error(f"unexpected {tokens[parser.at]!r}")
    return tree


class _Parser:
    def __init__(self, text: str, tokens: list[str], names: list[str]) -> None:
        self.text, self.tokens, self.names, self.at = text, tokens, names, 0

    def error(self, message: str) -> RuleError:
        return RuleError(
            "R020", f"{message} in condition {self.text!r}", hint="write for example 'selection and not 1 of filter_*'"
        )

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def parse_or(self) -> Condition:
        parts = [self.parse_and()]
        while self.peek().lower() == "or":
            self.at += 1
            parts.append(self.parse_and())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def parse_and(self) -> Condition:
        parts = [self.parse_not()]
        while self.peek().lower() == "and":
            self.at += 1
            parts.append(self.parse_not())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def parse_not(self) -> Condition:
        negated = False
        while self.peek().lower() == "not" and self.peek() not in self.names:
            self.at += 1
            negated = not negated
        part = self.parse_operand()
        return NotOf(part) if negated else part

    def parse_operand(self) -> Condition:
        token = self.take()
        if token == "(":  # noqa: S105 - a parenthesis, not a password
            part = self.parse_or()
            if self.take() != ")":
                raise self.error("missing ')'")
            return part
        if token.lower() in _QUANTIFIERS and self.peek().lower() == "of":
            return self.parse_quantifier(token.lower())
        if token in ("", ")") or token.lower() in _KEYWORDS:
            raise self.error(f"expected a selection before {token!r}" if token else "unexpected end")
        if token not in self.names:
            raise RuleError(
                "R021",
                f"condition names {token!r}, which is no selection",
                hint=f"selections are: {', '.join(self.names)}",
            )
        return Name(token)

    def parse_quantifier(self, quantifier: str) -> Condition:
        self.at += 1
        pattern = self.take()
        if not pattern or pattern in "()":
            raise self.error(f"expected a pattern after '{quantifier} of'")
        if pattern.lower() == "them":
            found = [name for name in self.names if not name.startswith("_")]
        else:
            found = [name for name in self.names if fnmatchcase(name, pattern.replace("[", "[[]"))]
        if not found:
            raise RuleError(
                "R021",
                f"'{quantifier} of {pattern}' selects nothing",
                hint=f"selections are: {', '.join(self.names)}",
            )
        if len(found) == 1:
            return Name(found[0])
        parts = tuple(Name(name) for name in found)
        return AllOf(parts) if quantifier == "all" else AnyOf(parts)


def write_condition(condition: Condition, outer: int = 0) -> str:
    """Write a condition with the fewest parentheses."""
    if isinstance(condition, Name):
        return condition.name
    if isinstance(condition, NotOf):
        return "not " + write_condition(condition.part, 3)
    word, strength = (" and ", 2) if isinstance(condition, AllOf) else (" or ", 1)
    text = word.join(write_condition(part, strength) for part in condition.parts)
    return f"({text})" if outer > strength else text


def has_not(condition: Condition) -> bool:
    """Tell whether a condition contains a `not`."""
    if isinstance(condition, Name):
        return False
    return isinstance(condition, NotOf) or any(has_not(part) for part in condition.parts)


def names_plainly(condition: Condition) -> bool:
    """Tell whether a condition names something outside of every `not`."""
    if isinstance(condition, Name):
        return True
    return not isinstance(condition, NotOf) and any(names_plainly(part) for part in condition.parts)


__all__ = ["AllOf", "AnyOf", "Condition", "Name", "NotOf", "has_not", "names_plainly", "parse_condition", "write_condition"]
