"""Words that several screens use."""

from __future__ import annotations


def counted(count: int, noun: str, several: str = "") -> str:
    """Return a number with what it counts, which is one or several."""
    return f"{count:,} {noun if count == 1 else several or f'{noun}s'}"


__all__ = ["counted"]
