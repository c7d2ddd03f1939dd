"""Which raw records could hold a keyword at all: one scan over many records at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final

import hyperscan

FOLDING_TO_ASCII: Final = (
    "\xdf\u0130\u0149\u017f\u01f0\u1e96\u1e97\u1e98\u1e99\u1e9a\u1e9e\u212a\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06"
)
"""The characters beyond ASCII whose folding holds an ASCII character, such as the Kelvin sign; a test holds them complete."""


_ESCAPES: Final = ("\\u00", "\\u1e9", "\\ufb0", "\\u0130", "\\u0149", "\\u017f", "\\u01f0", "\\u212a")
"""How JSON begins the escape of a printable ASCII character, or of one that folds to ASCII."""


_ESCAPED: Final = tuple(b"\\x%02x" % byte for byte in range(256))
MOST_SCREENS: Final = 64
"""Compiled searches that a fast reader keeps: each block may hold another set of gates, whose keywords are sought together."""


class KeywordScreen:
    """Finds the records that may hold one of the folded ASCII needles. Without needles every record may.

    A record that writes a character as an escape, or holds one that folds to ASCII, is kept.
    """

    def __init__(self, needles: tuple[str, ...]) -> None:
        self._database: hyperscan.Database | None = None
        if not needles:
            return
        texts = [text.encode() for text in (*needles, *_ESCAPES, *FOLDING_TO_ASCII)]
        self._database = literal_database(tuple(texts), hyperscan.HS_MODE_VECTORED)

    def rows(self, raws: Sequence[bytes | memoryview | str]) -> set[int]:
        """Return the numbers of the records that may hold a needle. Cost: one scan of the raw bytes, no copy."""
        if self._database is None:
            return set(range(len(raws)))
        parts: Any = [raw.encode("utf-8", "replace") if isinstance(raw, str) else raw for raw in raws]
        stops: set[int] = set()
        self._database.scan(parts, match_event_handler=lambda number, start, stop, flags, context: stops.add(stop))
        if not stops:
            return set()
        ends = list(accumulate(map(len, parts)))
        return {bisect_right(ends, stop - 1) for stop in stops}

    def needles(self, data: bytes) -> set[int]:
        """Return the places of the needles that stand in bytes; numbers beyond the needles are those of escapes."""
        found: set[int] = set()
        if self._database is not None:
            parts: Any = [data]
            self._database.scan(parts, match_event_handler=lambda number, start, stop, flags, context: found.add(number))
        return found


@lru_cache(maxsize=64)
def literal_database(texts: tuple[bytes, ...], mode: int) -> hyperscan.Database:
    """Compile literals, to be found in any case. Kept: readers of several formats, and workers, ask for the same ones."""
    database = hyperscan.Database(mode=mode)
    database.compile(
        expressions=[b"".join(map(_ESCAPED.__getitem__, text)) for text in texts],
        ids=list(range(len(texts))),
        elements=len(texts),
        flags=[hyperscan.HS_FLAG_CASELESS] * len(texts),
    )
    return database


__all__ = ["FOLDING_TO_ASCII", "MOST_SCREENS", "KeywordScreen", "literal_database"]
