"""JSON of other tools, of whose types nothing is certain: what is not of the type that was asked for is taken as empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_map(value: object) -> Mapping[str, Any]:
    """Return an object, or an empty one."""
    return value if isinstance(value, dict) else {}


def as_maps(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def odd(value: object) -> int:
    """Return how many things `as_maps` leaves out: items of a list that are no objects, or what should be a list."""
    if isinstance(value, list):
        return sum(not isinstance(item, dict) for item in value)
    return int(value is not None)


def as_texts(value: object) -> list[str]:
    """Return the texts of a list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Return a text, or a whole number as one."""
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


__all__ = ["as_map", "as_maps", "as_text", "as_texts", "odd"]
