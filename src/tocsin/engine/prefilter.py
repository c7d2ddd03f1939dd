"""Which rules a distinct value makes candidates: all witnesses of one field, asked at once.

Exact texts and last path components are dictionary look-ups, literals inside are one scan by Hyperscan, everything else is
asked one by one. A prefilter may over-approximate, never miss: the rules themselves decide.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import hyperscan

from tocsin.engine.cells import Cell
from tocsin.engine.tests import CellTest, cell_test
from tocsin.errors import RegexTimeout
from tocsin.plans.expr import Atom, Glob, Not
from tocsin.plans.witness import longest_literal
from tocsin.rules.pattern import ANY, Pattern

_FEW: Final = 4
_MOST_TIMEOUTS: Final = 10
_ONE_BY_ONE: Final = 40


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
        mask = 0
        for fold in cell.folds:
            mask |= self._exact.get(fold, 0)
            if self._tails:
                mask |= self._tails.get(fold.rpartition("\\")[2], 0)
            if self._needles and fold:
                mask |= self._scan.mask(fold)
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

    Compiling them costs as much as looking for each in a few hundred values one by one, and most fields have no more
    distinct values than that: so the first values are searched so, and the database is made when there are more.
    """

    def __init__(self, needles: dict[str, int]) -> None:
        self._needles = tuple(needles.items())
        self._masks = list(needles.values())
        self._hits: list[int] = []
        self._left = _ONE_BY_ONE if len(needles) > _FEW else -1
        self._database: hyperscan.Database | None = None

    def mask(self, fold: str) -> int:
        """Return the rules of the needles that a folded text holds."""
        mask = 0
        if self._left:
            self._left -= 1
            for needle, rules in self._needles:
                if needle in fold:
                    mask |= rules
            return mask
        if self._database is None:
            self._database = _compile([needle for needle, _ in self._needles])
        hits = self._hits
        hits.clear()
        self._database.scan(fold.encode("utf-8", "replace"), match_event_handler=self._hit)
        for number in hits:
            mask |= self._masks[number]
        return mask

    def _hit(self, number: int, start: int, end: int, flags: int, context: object) -> None:
        self._hits.append(number)


def _compile(needles: list[str]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    count = len(needles)
    database.compile(
        expressions=[needle.encode() for needle in needles],
        ids=list(range(count)),
        elements=count,
        flags=[hyperscan.HS_FLAG_SINGLEMATCH] * count,
        literal=True,
    )
    return database


__all__ = ["FieldFilter"]
