"""Combinations of values that no candidate rule can tell apart: of many, one is evaluated.

Two values of a field are alike when every test on it of the rules in question comes out the same. An account name that a rule
only asks whether it ends in `$` makes two kinds of rows, however many names there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

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
"""Codes of a column whose class is remembered; of one batch, there may be more. So for sets of candidates."""
_WORTH: Final = 32
"""Rows of the same candidates that cost about as much to evaluate as what tells them apart costs to make."""
_MADE: Final = 256
Ints = NDArray[np.int64]
CellOf = Callable[[int, int, int], Cell]
"""Returns the cell of a code in a view and field."""


class RuleTests(NamedTuple):
    """The tests of a rule on one value each, with their columns; `exact` are columns where only equal values are surely alike.

    A test comes with the view and the field whose cell it asks.
    """

    told: tuple[tuple[int, tuple[int, int, CellTest]], ...]
    exact: frozenset[int]


def tests_of(expr: Expr, places: Mapping[str, tuple[int, Sequence[int], bool]], view: int) -> RuleTests:
    """Return the tests of a rule; `places`: the field of a view, its columns, and whether nothing joins them."""
    told: list[tuple[int, tuple[int, int, CellTest]]] = []
    asked: set[str] = set()
    exact: set[str] = set()
    for atom in atoms_of(expr):
        at, columns, plain = places[atom.field]
        if not isinstance(atom.test, _TOLD):
            exact.add(atom.field)
        elif plain:
            asked.add(atom.field)
            test = (view, at, cell_test(atom))
            told += [(column, test) for column in columns]
    names = (fields_of(expr) - asked) | exact
    return RuleTests(tuple(told), frozenset(column for name in names for column in places[name][1]))


Rules = Callable[[], Iterable[RuleTests]]


class Tellings:
    """What tells rows apart, for each set of candidates: made when so many rows of them came that it pays, then kept."""

    def __init__(self) -> None:
        self._made: dict[object, Telling] = {}
        self._rows: dict[object, int] = {}

    def alike(self, candidates: object, rules: Rules, vectors: Ints, cell: CellOf) -> tuple[Ints, Ints]:
        """Return the first row of each kind of rows of codes, and for each row the number of its kind.

        The rows have the same candidates; `rules` gives the tests of these.
        """
        found = self._made.get(candidates)
        if found is None:
            rows = self._rows.get(candidates, 0) + len(vectors)
            if rows < _WORTH:
                if len(self._rows) >= _REMEMBERED:
                    self._rows.clear()
                self._rows[candidates] = rows
                return np.arange(len(vectors)), np.arange(len(vectors))
            if len(self._made) >= _MADE:
                self._made.clear()
            found = self._made[candidates] = Telling()
            for tests in rules():
                found.add(tests)
        return found.alike(vectors, cell)


@dataclass(slots=True)
class Telling:
    """The tests of some rules by column, None where only equal values are surely alike, and the classes of known codes."""

    tests: dict[int, list[tuple[int, int, CellTest]] | None] = field(default_factory=dict)
    _classes: dict[int, dict[int, int]] = field(default_factory=dict)
    _numbers: dict[tuple[bool, ...], int] = field(default_factory=dict)
    _saved: dict[int, int] = field(default_factory=dict)
    """For each column the tests that may be made still, by the rows that came so far."""

    def add(self, rule: RuleTests) -> None:
        """Add the tests of a rule."""
        for column, test in rule.told:
            tests = self.tests.setdefault(column, [])
            if tests is not None:
                tests.append(test)
        for column in rule.exact:
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


__all__ = ["CellOf", "RuleTests", "Tellings", "tests_of"]
