"""Which rules a distinct value makes candidates: all witnesses of one field, asked at once.

Exact texts and last path components are dictionary look-ups, literals inside are one scan by Hyperscan, everything else is
asked one by one. A prefilter may over-approximate, never miss: the rules themselves decide.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

import hyperscan

from tocsin.engine.cells import Cell, texts_of
from tocsin.engine.tests import CellTest, cell_test
from tocsin.errors import RegexTimeout
from tocsin.plans.expr import Atom, Glob, Not, Regex
from tocsin.plans.regex_literal import required_literal
from tocsin.plans.witness import longest_literal
from tocsin.rules.pattern import ANY, Pattern

_FEW: Final = 4
_SHORTEST_NEEDLE: Final = 3
_MOST_TIMEOUTS: Final = 10
_SEARCHES: Final = 60_000
"""Searches for one literal in one text that cost as much as compiling a database."""


class FieldFilter:
    """The witnesses of one field. `mask(cell)` is the set of rules that its value makes candidates, one bit a rule."""

    def __init__(self, witnesses: Iterable[tuple[Atom | Not, int]]) -> None:
        self._exact: dict[str, int] = {}
        self._tails: dict[str, int] = {}
        self._needles: dict[str, int] = {}
        self._direct: list[tuple[CellTest, int]] = []
        self._timeouts: dict[int, int] = {}
        for witness, mask in witnesses:
            self._add(witness, mask)
        self._scan = _Scanner(self._needles)

    def _add(self, witness: Atom | Not, mask: int) -> None:
        if isinstance(witness, Not):
            test = cell_test(witness.part) if isinstance(witness.part, Atom) else None
            if test is None:
                raise TypeError(witness)
            self._direct.append((lambda cell: not test(cell), mask))
            return
        place = self._place(witness.test.pattern) if isinstance(witness.test, Glob) else None
        if isinstance(witness.test, Regex):
            needle = required_literal(witness.test.expression)
            place = (self._needles, needle) if len(needle) >= _SHORTEST_NEEDLE else None
        if place is None:
            self._direct.append((cell_test(witness), mask))
            return
        table, key = place
        table[key] = table.get(key, 0) | mask

    def _place(self, pattern: Pattern) -> tuple[dict[str, int], str] | None:
        """Return the table and key under which a pattern is found; None when it must be asked by itself."""
        text = longest_literal(pattern)
        if text and all(isinstance(token, str) for token in pattern):
            return self._exact, text
        ending = len(pattern) == 2 and pattern[0] == ANY and isinstance(pattern[1], str)
        if ending and text.startswith("\\") and text.count("\\") == 1:
            return self._tails, text[1:]
        needle = max(text.split("\0"), key=len)  # Hyperscan's Python interface ends a literal at NUL
        return (self._needles, needle) if needle else None

    @property
    def empty(self) -> bool:
        """Tell whether there is no witness at all."""
        return not (self._exact or self._tails or self._needles or self._direct)

    def mask(self, cell: Cell) -> int:
        """Return the candidates, one bit a rule."""
        return self._looked_up([(0, fold) for fold in cell.folds], [self._asked(cell)])[0]

    def masks(self, values: Sequence[str | None]) -> list[int]:
        """Return the candidates of many cells. Cost: one search for all their literals together."""
        masks = [self._asked(Cell(value, 0)) for value in values] if self._direct else [0] * len(values)
        return self._looked_up([(at, text.casefold()) for at, value in enumerate(values) for text in texts_of(value)], masks)

    def _looked_up(self, folds: list[tuple[int, str]], masks: list[int]) -> list[int]:
        """Add to each mask what the folded texts of its number make candidates."""
        exact, tails = self._exact, self._tails
        for at, fold in folds:
            masks[at] |= exact.get(fold, 0)
        if tails:
            for at, fold in folds:
                masks[at] |= tails.get(fold.rpartition("\\")[2], 0)
        if self._needles:
            for at, rules in self._scan.search(folds):
                masks[at] |= rules
        return masks

    def _asked(self, cell: Cell) -> int:
        mask = 0
        for number, (test, rules) in enumerate(self._direct):
            try:
                if self._timeouts.get(number, 0) >= _MOST_TIMEOUTS or test(cell):
                    mask |= rules
            except RegexTimeout:
                self._timeouts[number] = self._timeouts.get(number, 0) + 1
                mask |= rules
        return mask


class _Scanner:
    """Many literals at once.

    Compiling them costs as much as many searches one by one, and most fields have few distinct values: so the first values
    are searched so, and the database is made when more come. It searches all texts at hand in one go; a literal that is
    found over the border of two texts makes one candidate too many, which the rule itself turns down.
    """

    def __init__(self, needles: dict[str, int]) -> None:
        self._needles = tuple(needles.items())
        self._masks = list(needles.values())
        self._left = _SEARCHES
        self._database: hyperscan.Database | None = None

    def search(self, folds: Sequence[tuple[int, str]]) -> list[tuple[int, int]]:
        """Return, for numbered folded texts, their number and the rules of the literals that they hold."""
        if self._database is None:
            self._left -= len(folds) * len(self._needles)
            if self._left >= 0 or len(self._needles) <= _FEW:
                return [(at, rules) for at, fold in folds for needle, rules in self._needles if needle in fold]
            self._database = _compile([needle for needle, _ in self._needles])
        texts = [fold.encode("utf-8", "replace") for _, fold in folds]
        hits: list[tuple[int, int]] = []
        self._database.scan(
            b"\n".join(texts), match_event_handler=lambda number, start, end, flags, context: hits.append((number, end))
        )
        ends = list(accumulate(len(text) + 1 for text in texts))
        return [(folds[bisect_left(ends, end)][0], self._masks[number]) for number, end in hits]


def _compile(needles: list[str]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    count = len(needles)
    database.compile(
        expressions=[needle.encode() for needle in needles],
        ids=list(range(count)),
        elements=count,
        flags=[0] * count,
        literal=True,
    )
    return database


__all__ = ["FieldFilter"]
