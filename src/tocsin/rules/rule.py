"""The typed Sigma rule: what a document says, before it is compiled."""

from __future__ import annotations

from msgspec import Struct

Scalar = str | int | float | bool | None


class Logsource(Struct, frozen=True, array_like=True):
    """Which events a rule may see; an empty part admits any."""

    product: str = ""
    category: str = ""
    service: str = ""

    def __str__(self) -> str:
        """Return `product/category/service` with a star for an empty part."""
        return "/".join(part or "*" for part in (self.product, self.category, self.service))


class Item(Struct, frozen=True, array_like=True, tag="item"):
    """One line of a detection: a field (empty for keywords), its modifiers in order, its values."""

    field: str
    modifiers: tuple[str, ...]
    values: tuple[Scalar, ...]
    trail: tuple[str | int, ...] = ()


class Every(Struct, frozen=True, array_like=True, tag="every"):
    """A map: all parts must hold."""

    parts: tuple[Item | Every | Either, ...]


class Either(Struct, frozen=True, array_like=True, tag="either"):
    """A list: one part must hold."""

    parts: tuple[Item | Every | Either, ...]


Detection = Item | Every | Either


class Meta(Struct, frozen=True, array_like=True):
    """What a finding shows of its rule."""

    id: str
    title: str
    level: str = "medium"
    status: str = ""
    author: str = ""
    tags: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    path: str = ""
    name: str = ""
    description: str = ""


class Rule(Struct, frozen=True, array_like=True):
    """A Sigma rule. `conditions` are alternatives: one of them must hold."""

    meta: Meta
    logsource: Logsource
    detections: dict[str, Detection]
    conditions: tuple[str, ...]


class Filter(Struct, frozen=True, array_like=True):
    """A Sigma filter: what it suppresses in the rules that it names (empty: in every rule of its logsource).

    From the day `expires` on (YYYY-MM-DD, empty: never) it suppresses nothing; `owner` answers for it.
    """

    meta: Meta
    logsource: Logsource
    rules: tuple[str, ...]
    detections: dict[str, Detection]
    condition: str
    owner: str = ""
    reason: str = ""
    expires: str = ""


LEVELS = ("informational", "low", "medium", "high", "critical")
"""Severities, lowest first."""


__all__ = [
    "LEVELS",
    "Detection",
    "Either",
    "Every",
    "Filter",
    "Item",
    "Logsource",
    "Meta",
    "Rule",
    "Scalar",
]
