"""Columns of chosen rows of a block, read from its tokens: each distinct value is made once, and no event is decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.events.time import parse_time
from tocsin.kernels.block import BlockReader

UNTIMED: Final = np.iinfo(np.int64).min
"""The time of a row that has none."""
_NAMES: Final = 1 << 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SHORTEST, _POINT, _LONGEST = 20, 19, 30  # 2023-09-05T09:51:51Z, and with up to nine digits more
_SIGNS: Final = ((4, "-"), (7, "-"), (13, ":"), (16, ":"))
_DIGITS: Final = (0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18)
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Cells(NamedTuple):
    """A column: for each row the number of its cell, the cells (see `events.values`), and which rows it is sure of."""

    codes: Ints
    cells: list[str | None]
    sure: Bools


class _Index(dict[bytes, int]):
    """Distinct texts, numbered as they come."""

    def __missing__(self, key: bytes) -> int:
        number = self[key] = len(self)
        return number


class BlockColumns:
    """Reads columns of rows, which are in order, of a reader's block. What it holds is good until the block is cleared."""

    def __init__(self, reader: BlockReader, rows: Ints) -> None:
        self.rows = rows
        self._reader = reader
        block = reader.block
        ends = block.row_end[rows]
        begins = np.where(rows > 0, block.row_end[np.maximum(rows, 1) - 1], 0)
        counts = ends - begins
        self._owners = np.repeat(np.arange(len(rows)), counts)
        self._tokens = np.arange(int(counts.sum())) + np.repeat(begins - (np.cumsum(counts) - counts), counts)
        self._names = block.token_name[self._tokens]
        self._layouts = block.row_layout[rows]
        self._bytes = block.data[: block.used].tobytes()
        self._found: dict[int, Ints] = {}

    @property
    def layouts(self) -> list[int]:
        """Return the layouts that the rows have."""
        found: list[int] = np.unique(self._layouts).tolist()
        return found

    def of_layouts(self, layouts: Sequence[int]) -> Bools:
        """Return which rows have one of some layouts."""
        return np.isin(self._layouts, layouts)

    @property
    def numbers(self) -> Ints:
        """Return the numbers of the records."""
        return self._reader.block.row_number[self.rows]

    def places(self, names_of: Callable[[int], Sequence[int]]) -> Ints:
        """Return for each row its token of the first of its layout's names that it has, -1 for none.

        Of a name that a row has twice the last token counts.
        """
        found = np.full(len(self.rows), -1, np.int64)
        layouts = self.layouts
        for layout in layouts:
            for name in reversed(names_of(layout)):
                at = self._named(name)
                owners = self._owners[at]
                mine = slice(None) if len(layouts) == 1 else self._layouts[owners] == layout
                found[owners[mine]] = self._tokens[at][mine]
        return found

    def _named(self, name: int) -> Ints:
        if name not in self._found:
            self._found[name] = np.flatnonzero(self._names == name)
        return self._found[name]

    def cells(self, places: Ints) -> Cells:
        """Return the cells of tokens; those that only the slow reader understands are not sure, and absent."""
        block = self._reader.block
        codes = np.zeros(len(places), np.int64)
        cells: list[str | None] = [None]
        sure = np.ones(len(places), np.bool_)
        present = np.flatnonzero(places >= 0)
        tokens = places[present]
        what = block.token_name[tokens].astype(np.int64) * _NAMES + block.token_kind[tokens]
        for key in np.unique(what).tolist():
            mine = what == key
            at, size = block.token_at[tokens[mine]], block.token_size[tokens[mine]]
            numbers, bad = self._numbered(at.tolist(), (at + size).tolist(), divmod(key, _NAMES), cells)
            codes[present[mine]] = numbers
            if bad:
                sure[present[mine]] = ~np.isin(numbers, bad)
        return Cells(codes, cells, sure)

    def times(self, places: Ints, text_kinds: Sequence[int]) -> tuple[Ints, Bools]:
        """Return the times at tokens in microseconds since 1970, `UNTIMED` for none, and which of them are sure."""
        block = self._reader.block
        found = np.full(len(places), UNTIMED, np.int64)
        sure = np.ones(len(places), np.bool_)
        known = np.zeros(len(places), np.bool_)
        at, size = block.token_at[places], block.token_size[places]
        plain = (places >= 0) & (block.token_kind[places] == text_kinds[0])
        for length in np.unique(size[plain]).tolist():
            mine = np.flatnonzero(plain & (size == length))
            if _SHORTEST <= length <= _LONGEST and length != _SHORTEST + 1:
                found[mine], known[mine] = _iso_times(block.data[at[mine, None] + np.arange(length)].astype(np.int64))
        rest = np.flatnonzero(~known & (places >= 0))
        if len(rest):
            cells = self.cells(places[rest])
            read = np.array([_time_of(cell) for cell in cells.cells], np.int64)
            empty = np.array([not cell or cell.startswith("\0") for cell in cells.cells])
            found[rest] = read[cells.codes]
            sure[rest] = cells.sure & ~empty[cells.codes] & np.isin(block.token_kind[places[rest]], text_kinds)
        return found, sure

    def _numbered(
        self, begins: list[int], ends: list[int], what: tuple[int, int], cells: list[str | None]
    ) -> tuple[Ints, list[int]]:
        """Add the cells of texts of a name and kind; return their numbers, and those of which only the slow reader can tell."""
        index, data, base = _Index(), self._bytes, len(cells)
        numbers = np.array([index[data[begin:end]] for begin, end in zip(begins, ends, strict=True)], np.int64) + base
        bad = []
        for raw, number in index.items():
            try:
                cells.append(self._reader.cell(*what, raw))
            except ValueError:
                cells.append(None)
                bad.append(number + base)
        return numbers, bad


def _iso_times(text: Ints) -> tuple[Ints, Bools]:
    """Return the times of texts of one length, and whether each is one of the usual form; a row of `text` holds its bytes."""
    length = text.shape[1]
    digits = text - ord("0")
    decimals = digits[:, _POINT + 1 : -1]
    good = (text[:, length - 1] == ord("Z")) & ((text[:, 10] == ord("T")) | (text[:, 10] == ord(" ")))
    for at, sign in _SIGNS if length == _SHORTEST else (*_SIGNS, (_POINT, ".")):
        good &= text[:, at] == ord(sign)
    for some in (digits[:, _DIGITS], decimals):
        good &= ((some >= 0) & (some <= 9)).all(axis=1)
    digits = np.where(good[:, None], digits, 1)
    year = digits[:, :4] @ (1000, 100, 10, 1)
    month, day, hour, minute, second = (digits[:, at : at + 2] @ (10, 1) for at in (5, 8, 11, 14, 17))
    good &= (year > 0) & (month > 0) & (month < 13) & (day > 0) & (hour < 24) & (minute < 60) & (second < 60)
    months = (np.where(good, year, 1970) - 1970) * 12 + np.where(good, month, 1) - 1
    begin, end = ((months + more).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) for more in (0, 1))
    good &= day <= end - begin
    micros = (
        digits[:, _POINT + 1 : -1][:, :6] @ (10 ** np.arange(5, -1, -1))[: min(6, length - _SHORTEST - 1)]
        if decimals.size
        else 0
    )
    return ((((begin + day - 1) * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + micros, good


def _time_of(cell: str | None) -> int:
    moment = parse_time(cell)
    return (moment - _EPOCH) // _MICROSECOND if moment else UNTIMED


__all__ = ["UNTIMED", "BlockColumns", "Cells"]
