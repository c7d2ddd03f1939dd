"""Which raw records could hold a keyword at all: one scan over many records at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import hyperscan

_BLOCK_BYTES: Final = 8 << 20


FOLDING_TO_ASCII: Final = (
    "\xdf\u0130\u0149\u017f\u01f0\u1e96\u1e97\u1e98\u1e99\u1e9a\u1e9e\u212a\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06"
)
"""The characters beyond ASCII whose folding holds an ASCII character, such as the Kelvin sign; a test holds them complete."""


class KeywordScreen:
    """Finds the records that may hold one of the folded ASCII needles. Without needles every record may.

    A record that writes printable ASCII as an escape (`\\u0041`) or holds a character that folds to ASCII is always kept.
    """

    def __init__(self, needles: tuple[str, ...]) -> None:
        self._database: hyperscan.Database | None = None
        if not needles:
            return
        escapes = "|".join(f"{ord(char):04x}" for char in FOLDING_TO_ASCII if ord(char) < 0x10000)
        patterns = [_quote(needle.encode()) for needle in needles]
        patterns += [_quote(char.encode()) for char in FOLDING_TO_ASCII]
        patterns.append(rb"\\u(00[2-7]|" + escapes.encode() + rb")")
        flags = hyperscan.HS_FLAG_CASELESS
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=patterns,
            ids=list(range(len(patterns))),
            elements=len(patterns),
            flags=[flags] * len(patterns),
        )

    def rows(self, raws: Sequence[bytes | str]) -> set[int]:
        """Return the numbers of the records that may hold a needle.

        Cost: one copy and one scan of the raw bytes.
        """
        if self._database is None:
            return set(range(len(raws)))
        found: set[int] = set()
        start = 0
        while start < len(raws):
            start = self._scan(raws, start, found)
        return found

    def _scan(self, raws: Sequence[bytes | str], start: int, found: set[int]) -> int:
        size, end = 0, start
        while end < len(raws) and (size < _BLOCK_BYTES or end == start):
            size += len(raws[end]) + 1
            end += 1
        parts = [raw if isinstance(raw, bytes) else raw.encode("utf-8", "replace") for raw in raws[start:end]]
        ends = list(accumulate(len(part) + 1 for part in parts))
        hits: set[int] = set()

        def hit(number: int, begin: int, stop: int, flags: int, context: object) -> None:
            hits.add(stop)

        if self._database is not None:
            self._database.scan(b"\n".join(parts), match_event_handler=hit)
        found.update(start + bisect_right(ends, stop - 1) for stop in hits)
        return end


def _quote(needle: bytes) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in needle)


__all__ = ["FOLDING_TO_ASCII", "KeywordScreen"]
