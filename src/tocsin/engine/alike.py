"""Combinations of values that no candidate rule can tell apart: of many, one is evaluated.

Two values of a field are alike when every test on it of the rules in question comes out the same. An account name that a rule
only asks whether it ends in `$` makes two kinds of rows, however many names there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.cells import Cell
from tocsin.engine.columns import combinations
from tocsin.engine.tests import CellTest, cell_test
from tocsin.errors import RegexTimeout
from tocsin.plans.expr import Cidr, Exists, Expr, Glob, Null, Order, Regex, TimePart, atoms_of, fields_of

_TOLD: Final = (Glob, Regex, Cidr, Order, TimePart, Null, Exists)
"""Tests of one value alone."""
_TESTS_A_ROW: Final = 8
"""Tests of new values that cost less than to evaluate a row; where values do not come again they are all that is lost."""
_REMEMBERED: Final = 8192
"""Codes of a column whose class is remembered; of one batch, there may be more."""
Ints = NDArray[np.int64]
CellOf = Callable[[int, int, int], Cell]
"""Returns the cell of a code in a view and field."""


@dataclass(slots=True)
class Telling:
    """The tests of some rules by column, None where only equal values are surely alike, and the classes of known codes.

    A test comes with the view and the field whose cell it asks.
    """

    tests: dict[int, list[tuple[int, int, CellTest]] | None] = field(default_factory=dict)
    _classes: dict[int, dict[int, int]] = field(default_factory=dict)
    _numbers: dict[tuple[bool, ...], int] = field(default_factory=dict)
    _saved: dict[int, int] = field(default_factory=dict)
    """For each column the tests that may be made still, by the rows that came so far."""

    def add(self, expr: Expr, places: Mapping[str, tuple[int, Sequence[int], bool]], view: int) -> None:
        """Add the tests of a rule; `places`: the field of a view, its columns, and whether something joins them."""
        told: set[str] = set()
        for atom in atoms_of(expr):
            at, columns, plain = places[atom.field]
            if not plain or not isinstance(atom.test, _TOLD):
                continue
            told.add(atom.field)
            for column in columns:
                tests = self.tests.setdefault(column, [])
                if tests is not None:
                    tests.append((view, at, cell_test(atom)))
        exact = {atom.field for atom in atoms_of(expr) if not isinstance(atom.test, _TOLD)}
        for name in (fields_of(expr) - told) | exact:
            for column in places[name][1]:
                self.tests[column] = None

    def alike(self, vectors: Ints, cell: CellOf) -> tuple[Ints, Ints]:
        """Return the first row of each kind of rows of codes, and for each row the number of its kind."""
        columns, sizes = [], []
        for column, tests in list(self.tests.items()):
            codes, which = np.unique(vectors[:, column], return_inverse=True)
            if tests is not None:
                which = self._class_of(column, codes.tolist(), tests, len(vectors), cell, which.ravel())
            columns.append(which.ravel())
            sizes.append(int(which.max()) + 1)
        return combinations(columns, sizes, len(vectors))

    def _class_of(
        self, column: int, codes: list[int], tests: list[tuple[int, int, CellTest]], rows: int, cell: CellOf, which: Ints
    ) -> Ints:
        """Return the class of each row; its own value where it would cost more to ask for classes."""
        known = self._classes.setdefault(column, {})
        if len(known) > _REMEMBERED:
            known.clear()
        new = [code for code in codes if code not in known]
        self._saved[column] = self._saved.get(column, 0) + _TESTS_A_ROW * rows - len(new) * len(tests)
        if self._saved[column] < 0:
            self._saved[column] += len(new) * len(tests)
            return which
        try:
            for code in new:
                told = tuple([test(cell(view, at, code)) for view, at, test in tests])
                known[code] = self._numbers.setdefault(told, len(self._numbers))
        except RegexTimeout:
            self.tests[column] = None
            return which
        classes: Ints = np.array([known[code] for code in codes], np.int64)[which]
        return classes


__all__ = ["CellOf", "Telling"]
