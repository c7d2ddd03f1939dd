"""How an event looks to a rule: the logsources that it satisfies, and the names that its fields have there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alias:
    """A field of a view: made from `sources` by the named transform of `rules.twins`."""

    field: str
    sources: tuple[str, ...]
    transform: str = "copy"


@dataclass(frozen=True, slots=True)
class Tag:
    """One logsource that a view satisfies; `field` must hold one of `values` when it is named."""

    product: str
    category: str = ""
    service: str = ""
    field: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at the events of a gate.

    `twin`: the event stands in for another. `fields`: all that a rule can read here (empty: whatever occurs).
    `category_only`: only rules that name the category see it.
    """

    tags: tuple[Tag, ...]
    aliases: tuple[Alias, ...] = ()
    twin: bool = False
    category_only: bool = False
    fields: frozenset[str] = frozenset()


__all__ = ["Alias", "Tag", "View"]
