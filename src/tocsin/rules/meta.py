"""What every document of Sigma says of itself, and the small checks of values that parsing shares."""

from __future__ import annotations

from typing import Any

from tocsin.errors import RuleError
from tocsin.rules.rule import LEVELS, Meta

Trail = tuple[str | int, ...]


def kind_of(value: object) -> str:
    """Return what a value of YAML is, in words."""
    names = {dict: "a map", list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)


def texts_of(value: Any, trail: Trail) -> tuple[str, ...]:
    """Return a text or a list of texts as texts; nothing for null. Raises: RuleError R004."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        raise RuleError("R004", f"expected a list of texts, found {kind_of(value)}", trail=trail)
    return tuple(str(item) for item in value)


def parse_meta(document: dict[str, Any], path: str) -> Meta:
    """Return title, id, level and the rest. Raises: RuleError R003 without a title, R004 for a wrong value."""
    title = document.get("title")
    if not isinstance(title, str) or not title.strip():
        raise RuleError("R003", "the rule has no title", trail=("key:title",))
    level = document.get("level", "medium") or "medium"
    if level not in LEVELS:
        raise RuleError("R004", f"level {level!r} is none of {', '.join(LEVELS)}", trail=("level",))
    return Meta(
        id=str(document.get("id") or ""),
        title=title,
        level=level,
        status=str(document.get("status") or ""),
        author=str(document.get("author") or ""),
        tags=texts_of(document.get("tags"), ("tags",)),
        references=texts_of(document.get("references"), ("references",)),
        path=path,
        name=str(document.get("name") or ""),
        description=str(document.get("description") or "").strip(),
    )


__all__ = ["Trail", "kind_of", "parse_meta", "texts_of"]
