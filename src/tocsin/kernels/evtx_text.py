"""What a search for words does not see in the raw UTF-16 of a record: halves of surrogate pairs, which texts lose."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tocsin.kernels.jit import kernel
from tocsin.kernels.simd import WIDTH, lowest_bit, surrogates

MOST_PLACES: Final = 8
"""The most places of one row that are told."""


@kernel
def _is_between(data: Any, begin: Any, place: Any, end: Any, parts: Any) -> Any:
    """Tell whether the last of a run of surrogates ends at a place, and parts of a word lie on both sides of the run."""
    if place + 2 >= end or not parts[np.int64(data[place + 1]) | np.int64(data[place + 2]) << 8]:
        return False
    at = place - 2
    while at > begin and data[at] & 0xF8 == 0xD8:
        at -= 2
    return at > begin and parts[np.int64(data[at - 1]) | np.int64(data[at]) << 8]


@kernel
def find_surrogates(data: Any, row_at: Any, row_size: Any, parts: Any, places: Any, many: Any) -> Any:
    """Note where in the rows surrogates stand between characters that may be parts of a word; return how many places.

    `parts[unit]` tells of a UTF-16 unit whether it may be one. `places`: of the last byte of the last surrogate; room for
    `MOST_PLACES` of each row. `many[row]` is set where that was not enough. A value may begin at any byte.
    """
    count = 0
    for row in range(len(row_at)):
        begin = np.int64(row_at[row])
        end = begin + np.int64(row_size[row])
        left = MOST_PLACES
        for at in range(begin, end, WIDTH):
            mask = surrogates(data, at)
            while mask:
                place = at + lowest_bit(mask)
                mask &= mask - np.uint64(1)
                if not _is_between(data, begin, place, end, parts):
                    continue
                if left == 0:
                    many[row] = True
                    break
                left -= 1
                places[count] = place
                count += 1
            if many[row]:
                break
    return count


__all__ = ["MOST_PLACES", "find_surrogates"]
