"""Small parts that sections share: times, levels, bars of levels, tables, folds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from tocsin.reports.facts import Entry
from tocsin.reports.markup import Child, Markup, number, tag
from tocsin.rules.rule import LEVELS

HIGHEST_FIRST: Final = tuple(reversed(LEVELS))
_BAR: Final = 120


def short(time: str) -> str:
    """Return a time to the second, without its zone, as it stands in text; all of these are in UTC."""
    return time[:19].replace("T", " ")


def when(time: str) -> Markup | None:
    """Return a time as an element, None without one."""
    return tag("time", short(time), datetime=time) if time else None


def level_mark(level: str) -> Markup:
    """Return a level as a coloured word."""
    known = level if level in LEVELS else LEVELS[0]
    return tag("span", level, class_=f"level l-{known}")


def level_bar(entry: Entry, most: int) -> Markup:
    """Return the findings of an entry as a bar of its levels, as long as it is large beside the largest."""
    at = 0.0
    parts = []
    for level, count in zip(HIGHEST_FIRST, reversed(entry.levels), strict=True):
        if count:
            width = _BAR * count / max(1, most)
            parts.append(tag("rect", x=at, y=0, width=max(width, 1.5), height=10, class_=f"f-{level}"))
            at += max(width, 1.5)
    told = ", ".join(f"{count:,} {level}" for level, count in zip(HIGHEST_FIRST, reversed(entry.levels), strict=True) if count)
    box = f"0 0 {_BAR + 8} 10"
    return tag("svg", parts, viewBox=box, width=_BAR + 8, height=10, class_="bar", role="img", aria_label=told)


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Child]], class_: str = "", numeric: str = "") -> Markup:
    """Return a table with a caption; `numeric` has the heads of columns of numbers, joined with `|`."""
    right = {name for name in numeric.split("|") if name}
    head = tag("tr", [tag("th", name, scope="col", class_="n" if name in right else None) for name in heads])
    body = [
        tag("tr", [tag("td", cell, class_="n" if name in right else None) for name, cell in zip(heads, row, strict=True)])
        for row in rows
    ]
    found = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body), class_=class_ or None)
    return tag("div", found, class_="scroll", tabindex=0, role="region", aria_label=caption)


def fold(summary: Child, *content: Child, open_: bool = False) -> Markup:
    """Return content that is shown when its summary is chosen."""
    return tag("details", tag("summary", summary), *content, open=open_)


def section(key: str, title: str, *content: Child) -> Markup:
    """Return a section of the page."""
    return tag("section", tag("h2", title, id=f"{key}-title"), *content, id=key, aria_labelledby=f"{key}-title")


def note(text: str) -> Markup:
    """Return a remark."""
    return tag("p", text, class_="note")


def plural(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def choose(kind: str, value: str, label: Child, **attributes: str) -> Markup:
    """Return a button that filters the findings; without the page's program it is plain text."""
    return tag("button", label, type="button", class_="choose", data_kind=kind, data_value=value, **attributes)


__all__ = [
    "HIGHEST_FIRST",
    "choose",
    "fold",
    "level_bar",
    "level_mark",
    "note",
    "number",
    "plural",
    "section",
    "short",
    "table",
    "when",
]
