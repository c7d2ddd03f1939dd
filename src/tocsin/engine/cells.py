"""Distinct values of columns, understood once and remembered in a bounded cache."""

from __future__ import annotations

from tocsin.errors import RegexTimeout
from tocsin.events.values import decode


class Cell:
    """One distinct value: its texts, folded and not, and what is already known of it.

    `texts` are its elements without null; `empty` tells whether the value counts as null (semantics 4); `mask` is the
    set of rules that the value makes candidates, one bit a rule; `known` remembers costly tests.
    """

    __slots__ = ("empty", "folds", "known", "mask", "number", "present", "texts")

    def __init__(self, cell: str | None, number: int) -> None:
        values = decode(cell) if cell is not None else (None,)
        self.texts = tuple(value for value in values if value is not None)
        self.folds = tuple(text.casefold() for text in self.texts)
        self.present = cell is not None
        self.empty = len(self.texts) < len(values) or "" in self.texts
        self.mask = 0
        self.number = number
        self.known: dict[int, bool | RegexTimeout] = {}


def texts_of(cell: str | None) -> tuple[str, ...]:
    """Return the texts of a cell, as `Cell.texts` has them."""
    if cell is None:
        return ()
    return (cell,) if not cell.startswith("\0") else tuple([value for value in decode(cell) if value is not None])


__all__ = ["Cell", "texts_of"]
