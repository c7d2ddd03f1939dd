"""What kernels know of routes: a gate as one layout of a format writes it, its columns and the names that feed them."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

FIRST_COLUMN: Final = 2
"""The columns before this one hold channels and event ids."""
MOST_ROUTES: Final = 1024
MOST_COLUMNS: Final = 4096
"""The most columns of one route."""


class RouteArrays(NamedTuple):
    """The tables as kernels read them.

    `routes`: first column, number of columns, and whether every row is a candidate. `starts[route, name]`: where in `feeds`
    the columns begin that a name feeds, each with its rank: where several names feed a column the lowest counts.
    `absent_hot`: columns whose absence makes a candidate. Written: `seen`, columns that had a value; `ranks`, for one row.
    """

    routes: Any
    starts: Any
    feeds: Any
    absent_hot: Any
    seen: Any
    ranks: Any


class Routes:
    """The routes of one reader; grows with them. `asked` tells for each column how its new values are looked at."""

    def __init__(self, names: int) -> None:
        self._names = names
        self.count = 0
        self.columns = FIRST_COLUMN
        self.table = np.zeros((MOST_ROUTES, 3), np.int32)
        self._starts = np.zeros((8, names + 1), np.int32)
        self._feeds = np.zeros((0, 2), np.int32)
        self._ranks = np.zeros(MOST_COLUMNS, np.int32)
        self.absent_hot = np.zeros(64, np.uint8)
        self.seen = np.zeros(64, np.uint8)
        self.asked = np.zeros(64, np.uint8)

    @property
    def arrays(self) -> RouteArrays:
        """Return the tables for a kernel."""
        return RouteArrays(self.table, self._starts, self._feeds, self.absent_hot, self.seen, self._ranks)

    def add(self, names: list[tuple[int, ...]], always: bool) -> int:
        """Make a route of columns, each fed by names in order; return its number."""
        number, self.count = self.count, self.count + 1
        self.table[number] = (self.columns, len(names), always)
        self.columns += len(names)
        while len(self.seen) < self.columns:
            self.absent_hot, self.seen, self.asked = (np.concatenate([a, np.zeros_like(a)]) for a in self._by_column())
        while len(self._starts) <= number:
            self._starts = np.concatenate([self._starts, np.zeros_like(self._starts)])
        pairs = sorted((name, at, rank) for at, found in enumerate(names) for rank, name in enumerate(found))
        starts = np.searchsorted([name for name, _, _ in pairs], np.arange(self._names + 1)) if pairs else 0
        self._starts[number] = starts + len(self._feeds)
        self._feeds = np.concatenate([self._feeds, np.array([pair[1:] for pair in pairs], np.int32).reshape(-1, 2)])
        return number

    def _by_column(self) -> tuple[npt.NDArray[np.uint8], ...]:
        return self.absent_hot, self.seen, self.asked


__all__ = ["FIRST_COLUMN", "MOST_COLUMNS", "MOST_ROUTES", "RouteArrays", "Routes"]
