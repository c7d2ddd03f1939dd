"""Which rows of an EVTX block could hold a keyword at all: one scan of their raw bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import hyperscan
import numpy as np
import numpy.typing as npt

from tocsin.sources.screen import FOLDING_TO_ASCII

_FORMATTED: Final = re.compile(r"[0-9a-f+.:txz\-]*|s?-[0-9\-]*")
"""What may stand in the text of a number, a time, an identifier or bytes, folded."""
_WORDS: Final = ("true", "false", "nan", "inf", "infinity")
_ASCII: Final = rb"[\x01-\x7f]\x00"


Places = npt.NDArray[np.int64]


class Utf16Screen:
    """Finds folded ASCII needles in UTF-16 of any case, wherever it lies. `everywhere`: any row may hold one of them.

    A character that folds to ASCII counts as a hit where it touches ASCII or another such character, or folds to a needle.
    """

    def __init__(self, needles: tuple[str, ...]) -> None:
        self.everywhere = not needles or any(_anywhere(needle) for needle in needles)
        self._needles = needles
        self._longest = max(map(len, needles), default=0) + 2
        self._constants = np.zeros(0, np.bool_)
        if self.everywhere:
            return
        folding = rb"(?:" + rb"|".join(_quote(char) for char in FOLDING_TO_ASCII) + rb")"
        patterns = [_quote(needle) for needle in needles]
        patterns += [folding + _ASCII, _ASCII + folding, folding + folding]
        patterns += [_quote(char) for char in FOLDING_TO_ASCII if any(needle in char.casefold() for needle in needles)]
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=patterns,
            ids=list(range(len(patterns))),
            elements=len(patterns),
            flags=[hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_DOTALL] * len(patterns),
        )

    def places(self, data: Any, begins: Sequence[int], ends: Sequence[int]) -> tuple[Places, Places]:
        """Return where hits in some stretches of the data end, at their last byte. Cost: one scan of each.

        First those of needles, then those of characters that may make a needle when they are folded: `holds` tells.
        """
        found: tuple[list[int], list[int]] = ([], [])
        hits: list[tuple[int, int]] = []

        def add(number: int, start: int, stop: int, flags: int, context: Any) -> None:
            hits.append((number, stop))

        for begin, end in zip(begins, ends, strict=True):
            self._database.scan(data[begin:end], match_event_handler=add)
            for number, stop in hits:
                found[number >= len(self._needles)].append(begin + stop - 1)
            hits.clear()
        return np.array(found[0], np.int64), np.array(found[1], np.int64)

    def holds(self, data: Any, begin: int, end: int, place: int) -> bool:
        """Tell whether a needle lies around the last byte of such a character, between two places of the data."""
        reach = 2 * self._longest
        first = max(begin + (place + 1 - begin) % 2, place + 1 - reach)
        text = bytes(data[first : min(end, place + 1 + reach)]).decode("utf-16-le", "replace").casefold()
        return any(needle in text for needle in self._needles)

    def constants(self, texts: list[str]) -> npt.NDArray[np.bool_]:
        """Return for each template whether its folded constants hold a needle."""
        known = len(self._constants)
        if known < len(texts):
            found = [any(needle in text for needle in self._needles) for text in texts[known:]]
            self._constants = np.append(self._constants, np.array(found, np.bool_))
        return self._constants


def _anywhere(needle: str) -> bool:
    """Tell whether a needle may stand in a value that is not written as text, or is no plain text itself."""
    if not needle.isascii() or not needle.isprintable() or _FORMATTED.fullmatch(needle):
        return True
    return any(needle in word for word in _WORDS)


def _quote(text: str) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in text.encode("utf-16-le"))


__all__ = ["Utf16Screen"]
