"""Searches of raw bytes whose cost no evidence can drive up: of many hits that lie together only the first ones are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import hyperscan
import numpy as np
import numpy.typing as npt

MANY: Final = -1
"""In place of a pattern: the row of this place has many hits, and was not searched to its end."""
_MOST: Final = 8
_WITHIN_BYTES: Final = 2048
Hit = tuple[int, int]
"""Number of a pattern, and place of the last byte of what it found."""


def find_hits(database: hyperscan.Database, data: Any, begin: int, end: int, row_at: npt.NDArray[np.int64]) -> list[Hit]:
    """Return the hits between two places in order, `row_at` telling where rows begin.

    Cost: one scan, and Python for at most eight hits in 2 KiB or a row, whichever is more.
    """
    found: list[Hit] = []
    while begin < end:
        try:
            database.scan(data[begin:end], match_event_handler=_gathering(found, begin))
            break
        except hyperscan.ScanTerminated:
            place = found[-1][1]
            found.append((MANY, place))
            following = int(np.searchsorted(row_at, place, "right"))
            begin = int(row_at[following]) if following < len(row_at) else end
    return found


def _gathering(found: list[Hit], base: int) -> Callable[..., bool]:
    """Return what takes the hits of a scan that began at a place, and ends it when there are too many."""
    known = len(found)

    def add(number: int, start: int, stop: int, flags: int, context: Any) -> bool:
        place = base + stop - 1
        found.append((number, place))
        at = len(found) - _MOST
        return at >= known and place - found[at][1] < _WITHIN_BYTES

    return add


__all__ = ["MANY", "find_hits"]
