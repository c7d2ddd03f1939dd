"""Markup in which every text is escaped: a text becomes markup only through `tag`, which knows no script and no style."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Final

from tocsin.findings.text import safe_text

_VOID: Final = frozenset({"br", "input", "link", "meta"})
_REFUSED: Final = ("style", "srcdoc")


@dataclass(frozen=True, slots=True)
class Markup:
    """A piece of HTML or SVG in which nothing is left to escape."""

    text: str


Child = Markup | str | int | None | Iterable["Markup | str | int | None"]
Value = str | int | float | bool | None


def tag(name: str, *children: Child, **attributes: Value) -> Markup:
    """Return an element; texts are escaped, control and bidirectional characters made visible, None left out.

    An attribute's underscores become hyphens, one at its end falls away (`class_`). True is an attribute without a value,
    False and None leave it out. Raises: ValueError for handlers of events and for styles, which the page's policy refuses.
    """
    opening = "".join((f"<{name}", *(_attribute(key, value) for key, value in attributes.items()), ">"))
    if name in _VOID:
        return Markup(opening)
    return Markup(f"{opening}{join(*children).text}</{name}>")


def join(*children: Child) -> Markup:
    """Return pieces one after another."""
    return Markup("".join(_text(child) for child in children))


def escaped(text: str) -> str:
    """Return a text as it stands in HTML: on one line, visible, without a character that HTML knows."""
    return escape(safe_text(text), quote=True)


def number(value: float) -> str:
    """Return a coordinate with at most one digit after the point."""
    return f"{value:.1f}".removesuffix(".0")


def _text(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child.text
    if isinstance(child, str):
        return escaped(child)
    if isinstance(child, int):
        return f"{child:,}"
    return "".join(_text(item) for item in child)


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    name = key.removesuffix("_").replace("_", "-")
    if name.startswith("on") or name in _REFUSED:
        raise ValueError(name)
    if value is True:
        return f" {name}"
    return f' {name}="{number(value) if isinstance(value, float) else escaped(str(value))}"'


__all__ = ["Child", "Markup", "escaped", "join", "number", "tag"]
