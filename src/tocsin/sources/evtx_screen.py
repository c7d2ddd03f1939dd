"""Which rows of an EVTX block could hold a keyword at all: one scan of their raw bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import hyperscan
import numpy as np
import numpy.typing as npt

from tocsin.kernels.evtx_text import MOST_PLACES, find_surrogates
from tocsin.sources.evtx_cells import utf16
from tocsin.sources.hits import find_hits
from tocsin.sources.screen import FOLDING_TO_ASCII

_FORMATTED: Final = re.compile(r"[0-9a-f+.:txz\-]*|s?-[0-9\-]*")
"""What may stand in the text of a number, a time, an identifier or bytes, folded."""
_WORDS: Final = ("true", "false", "nan", "inf", "infinity")
_ASCII: Final = rb"[\x01-\x7f]\x00"
_FEW_DROPPED: Final = 8

Places = npt.NDArray[np.int64]


class Utf16Screen:
    """Finds folded ASCII needles in UTF-16 of any case, wherever it lies. `everywhere`: any row may hold one of them.

    A character that folds to ASCII counts as a hit where it touches ASCII or another such character, or folds to a needle.
    So does half of a surrogate pair between such characters: it is dropped from a text.
    """

    def __init__(self, needles: tuple[str, ...]) -> None:
        self.everywhere = not needles or any(_anywhere(needle) for needle in needles)
        self._needles = needles
        self._longest = max(map(len, needles), default=0) + 2
        self._constants = np.zeros(0, np.bool_)
        if self.everywhere:
            return
        self._parts = np.zeros(1 << 16, np.bool_)  # which units of UTF-16 may be a part of a needle
        parts = {char for needle in needles for char in (*needle, *needle.upper())}
        self._parts[[ord(char) for char in (*parts, *FOLDING_TO_ASCII)]] = True
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

    def suspects(
        self, data: npt.NDArray[np.uint8], begins: Sequence[int], ends: Sequence[int], row_at: Places, row_size: Places
    ) -> npt.NDArray[np.bool_]:
        """Return for each row whether its own bytes may hold a needle. `begins`, `ends`: the stretches in which rows lie.

        Cost: two scans of the bytes, and Python for the hits, of which it looks at few in each row.
        """
        found = np.zeros(len(row_at), np.bool_)
        doubtful = np.zeros(MOST_PLACES * len(row_at), np.int64)
        places = doubtful[: find_surrogates(data, row_at, row_size, self._parts, doubtful, found)].tolist()
        view = memoryview(data)  # type: ignore[arg-type]
        for begin, end in zip(begins, ends, strict=True):
            hits = find_hits(self._database, view, begin, end, row_at)
            found[_rows(row_at, [place for number, place in hits if number < len(self._needles)])] = True
            places += [place for number, place in hits if number >= len(self._needles)]
        for place, row in zip(places, _rows(row_at, places).tolist(), strict=True):
            at = int(row_at[row])
            found[row] = found[row] or self._holds(view, at, at + int(row_size[row]), place)
        return found

    def _holds(self, data: Any, begin: int, end: int, place: int) -> bool:
        """Tell whether a needle may lie around the last byte of a character, between two places of the data.

        The character is one that folds to ASCII, or half of a surrogate pair: when there are many of these it may.
        """
        reach = 2 * (self._longest + _FEW_DROPPED)
        first = max(begin + (place + 1 - begin) % 2, place + 1 - reach)
        raw = bytes(data[first : min(end, place + 1 + reach)])
        text = utf16(raw[: len(raw) & -2])
        dropped = len(raw) // 2 - len(text.encode("utf-16-le")) // 2
        folded = text.casefold()
        return dropped > _FEW_DROPPED or any(needle in folded for needle in self._needles)

    def constants(self, texts: list[str]) -> npt.NDArray[np.bool_]:
        """Return for each template whether its folded constants hold a needle."""
        known = len(self._constants)
        if known < len(texts):
            found = [any(needle in text for needle in self._needles) for text in texts[known:]]
            self._constants = np.append(self._constants, np.array(found, np.bool_))
        return self._constants


def _rows(row_at: Places, places: list[int]) -> Places:
    """Return the rows in which places lie."""
    return np.searchsorted(row_at, np.array(places, np.int64), "right") - 1


def _anywhere(needle: str) -> bool:
    """Tell whether a needle may stand in a value that is not written as text, or is no plain text itself."""
    if not needle.isascii() or not needle.isprintable() or _FORMATTED.fullmatch(needle):
        return True
    return any(needle in word for word in _WORDS)


def _quote(text: str) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in text.encode("utf-16-le"))


__all__ = ["Utf16Screen"]
