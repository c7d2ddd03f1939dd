"""The border between a fast reader and the engine: a block of records, each taken apart into tokens.

A fast reader copies raw records into the block's `data`, and its kernel writes one row for each record and one token for each
value that some rule may read. The engine turns tokens into codes of distinct values (`kernels.encode`), and touches a
value's text only once for each distinct value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from tocsin.events import Brief, Event, Gate

BLOCK_BYTES: Final = 8 << 20
"""Bytes of records that a block holds."""
PAD_BYTES: Final = 128
"""Zero bytes after the last byte used, so that a kernel may load a whole vector from any place that is in use."""
ROWS: Final = 1 << 16
TOKENS: Final = 1 << 19
_SPARE_BYTES: Final = 1 << 20
_SPARE_ROWS: Final = 1 << 12
_SPARE_TOKENS: Final = 1 << 16
_BREAK: Final = 10
_STEP: Final = 1 << 16
SLOW: Final = 1
"""Flag of a row that only the slow reader understands; it has no tokens."""
NO_KIND: Final = 255
SUSPECT: Final = 2
"""Flag of a row in which a keyword may stand in a place that a search of its raw bytes does not see."""


class Block:
    """Rows and their tokens: the bytes `data`, and two tables of which the first `rows` and `tokens` rows count.

    A row of `row_table` is a record: its place and size in `data`, its number (record id or 1-based line), its layout
    (whose names its tokens have, see `BlockReader.layouts`), the number of its last token plus one, its flags. A row of
    `token_table` is a value: the number of its name, its kind (the reader's own, below 255), its place and size in `data`.
    The attributes `row_at` and so on are views of single columns.
    """

    def __init__(self, size_bytes: int = BLOCK_BYTES, rows: int = ROWS, tokens: int = TOKENS) -> None:
        self.data: npt.NDArray[np.uint8] = np.zeros(size_bytes + PAD_BYTES, np.uint8)
        self.view = memoryview(self.data)  # type: ignore[arg-type]
        self.size_bytes = size_bytes
        self.row_table = np.zeros((rows, 6), np.int64)
        self.row_at, self.row_size, self.row_number, self.row_layout, self.row_end, self.row_flags = self.row_table.T
        self.token_table = np.zeros((tokens, 4), np.int32)
        self.token_name, self.token_kind, self.token_at, self.token_size = self.token_table.T
        self.clear()

    def clear(self) -> None:
        """Forget all rows."""
        self.used = 0
        self.rows = 0
        self.tokens = 0

    @property
    def room(self) -> int:
        """Return the number of bytes that still fit."""
        return self.size_bytes - self.used

    @property
    def is_full(self) -> bool:
        """Tell whether rows, tokens or bytes run short, so that it should be taken and cleared."""
        return (
            self.room < _SPARE_BYTES
            or len(self.row_table) - self.rows < _SPARE_ROWS
            or len(self.token_table) - self.tokens < _SPARE_TOKENS
        )

    def last_break(self, start: int, end: int) -> int:
        """Return the place after the last line break between two places; the first of them when there is none."""
        at = end
        while at > start:
            begin = max(start, at - _STEP)
            found = np.flatnonzero(self.data[begin:at] == _BREAK)
            if len(found):
                return begin + int(found[-1]) + 1
            at = begin
        return start

    def events(self, first: int, last: int) -> int:
        """Return how many rows are events, which slow ones are not."""
        return int(np.count_nonzero((self.row_flags[first:last] & SLOW) == 0))

    def slow_rows(self, first: int) -> list[int]:
        """Return the rows from the first on that only the slow reader understands."""
        return (np.flatnonzero(self.row_flags[first : self.rows] & SLOW) + first).tolist()

    def raw(self, row: int) -> bytes:
        """Return the raw bytes of a row."""
        at = int(self.row_at[row])
        return self.data[at : at + int(self.row_size[row])].tobytes()


class BlockReader(Protocol):
    """A format that fills blocks. `layouts` lists its shapes; a name's number is the same in all of them."""

    layouts: Sequence[str]
    block: Block
    name_count: int
    sure_kinds: frozenset[int]
    """Kinds of which `cell` can always tell."""
    null_kind: int
    time_kinds: Sequence[int]
    """Kinds of a time; the first is that of plain texts, if there is one."""
    """The kind of a null, which is no occurrence of its field; `NO_KIND` when there is none."""

    def names(self, layout: int, field: str) -> tuple[int, ...] | None:
        """Return the names at which a shape writes a field, the first that a row has counts.

        None when only the slow reader can tell. Empty when the shape has no such field.
        """
        ...

    def gate_names(self, layout: int) -> tuple[int, int]:
        """Return the names of the channel and of the event id."""
        ...

    def time_names(self, layout: int) -> Sequence[int]:
        """Return the names at which a shape writes the time, the first that a row has counts."""
        ...

    def host_names(self, layout: int) -> Sequence[int]:
        """Return the names at which a shape writes the host."""
        ...

    def gate(self, layout: int, channel: str, event_id: str) -> Gate | None:
        """Return the gate of these cells, empty when absent; None when only the slow reader can tell."""
        ...

    def cell(self, name: int, kind: int, raw: bytes) -> str | None:
        """Return the cell (see `events.values`) of a distinct value; None when it counts as absent.

        Raises: ValueError when only the slow reader can tell.
        """
        ...

    def suspects(self, needles: tuple[str, ...]) -> npt.NDArray[np.bool_]:
        """Return for each row of the block whether it may hold one of the folded needles anywhere in its values."""
        ...

    def events(self, rows: Sequence[int]) -> list[Event]:
        """Return the whole events of rows, which are in order."""
        ...

    def briefs(self, rows: Sequence[int]) -> list[Brief | None]:
        """Return what findings need of rows, which are in order; None where only the whole event tells it."""
        ...


Rows = tuple[int, int]
"""First row and last row, plus one, of what a reader added to its block."""

__all__ = ["BLOCK_BYTES", "NO_KIND", "PAD_BYTES", "ROWS", "SLOW", "SUSPECT", "TOKENS", "Block", "BlockReader", "Rows"]
