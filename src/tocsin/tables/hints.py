"""Hints of a client, by which files are left out that cannot have what it looks for. One that is not understood does nothing.

A hint never chooses rows, and is judged by what the client is given: it tells nothing of what is hidden.
Source: Delta Sharing protocol, `predicateHints` and `jsonPredicateHints`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.tables.pieces import Bound

MOST_HINTS: Final = 200
_LONGEST: Final = 10_000
_DEEPEST: Final = 10
_SQL: Final = re.compile(r"\s*([A-Za-z_]\w*|`[^`]+`)\s*(<=|>=|<>|!=|=|<|>)\s*('(?:[^']|'')*'|-?\d+)\s*")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
_OPERATORS: Final = {
    "equal": "=",
    "lessThan": "<",
    "lessThanOrEqual": "<=",
    "greaterThan": ">",
    "greaterThanOrEqual": ">=",
}
Bounds = Mapping[str, tuple[Bound, Bound]]


class Comparison(NamedTuple):
    """That a column is compared with a value."""

    column: str
    operator: str
    value: Bound


class Either(NamedTuple):
    """That one of several sets of comparisons holds."""

    choices: tuple[tuple[Comparison | Either, ...], ...]


Hint = Comparison | Either


def sql_hints(texts: Iterable[str]) -> tuple[Hint, ...]:
    """Return what is understood of hints in SQL: comparisons of a column with a literal, joined by AND and nothing else."""
    return tuple(hint for text in texts for hint in _sql(text[: _LONGEST + 1]))


def _sql(text: str) -> list[Comparison]:
    """Return the comparisons of one hint; none when any part of it is something else, which could turn its meaning round."""
    found: list[Comparison] = []
    if len(text) > _LONGEST:
        return found
    for part in [text] if "'" in text else re.split(r"(?i)\bAND\b", text):
        match = _SQL.fullmatch(part)
        if not match:
            return []
        if match[2] not in {"<>", "!="}:
            literal = match[3]
            value: Bound = literal[1:-1].replace("''", "'") if literal[0] == "'" else int(literal)
            found.append(Comparison(match[1].strip("`"), match[2], value))
    return found


def json_hints(text: str) -> tuple[Hint, ...]:
    """Return what is understood of a hint in JSON: comparisons of a column with a literal, joined by `and` and `or`."""
    try:
        return _read(msgspec.json.decode(text[:_LONGEST]), 0) if len(text) <= _LONGEST else ()
    except (msgspec.DecodeError, RecursionError):
        return ()


def may_have(hints: Iterable[Hint], bounds: Bounds) -> bool:
    """Return whether a file with these bounds may have rows that fit all hints."""
    return all(_may(hint, bounds) for hint in hints)


def _read(node: Any, depth: int) -> tuple[Hint, ...]:
    """Return what has to hold for a node, () where that is not understood."""
    if not isinstance(node, dict) or depth > _DEEPEST or not isinstance(node.get("children"), list):
        return ()
    children = node["children"]
    if node.get("op") == "and":
        return tuple(hint for child in children for hint in _read(child, depth + 1))
    if node.get("op") == "or":
        choices = tuple(_read(child, depth + 1) for child in children)
        return (Either(choices),) if choices and all(choices) else ()
    operator = _OPERATORS.get(str(node.get("op")))
    if operator is None or len(children) != 2 or not all(isinstance(child, dict) for child in children):
        return ()
    left, right = children
    if left.get("op") != "column" or right.get("op") != "literal" or not isinstance(left.get("name"), str):
        return ()
    value = _literal(right.get("value"), right.get("valueType"))
    return () if value is None else (Comparison(left["name"], operator, value),)


def _literal(value: Any, kind: Any) -> Bound | None:
    text = str(value)
    try:
        if kind in ("int", "long"):
            return int(text)
        if kind == "timestamp":
            found = datetime.fromisoformat(text)
            found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
            return found.isoformat(timespec="microseconds")
    except ValueError:
        return None
    return text if kind in ("string", "date") else None


def _may(hint: Hint, bounds: Bounds) -> bool:
    if isinstance(hint, Either):
        return any(may_have(choice, bounds) for choice in hint.choices)
    found = bounds.get(hint.column)
    if found is None or isinstance(found[0], str) != isinstance(hint.value, str):
        return True
    least: Any
    most: Any
    value: Any
    least, most, value = found[0], found[1], hint.value
    if isinstance(value, str) and (_form(least), _form(most)) != (_form(value),) * 2 and (_form(least) or _form(most)):
        return True  # a day is compared with a moment as moments are, and not as texts
    match hint.operator:
        case "=":
            return bool(least <= value <= most)
        case "<":
            return bool(least < value)
        case "<=":
            return bool(least <= value)
        case ">":
            return bool(most > value)
        case ">=":
            return bool(most >= value)
    return True


def _form(text: str) -> str:
    """Return of what form a text is: a day, a moment as bounds have it, or none of them."""
    if _DAY.fullmatch(text):
        return "day"
    return "moment" if _MOMENT.fullmatch(text) else ""


__all__ = ["MOST_HINTS", "Comparison", "Either", "Hint", "json_hints", "may_have", "sql_hints"]
