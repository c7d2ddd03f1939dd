"""Rows of matched events on disk: written by workers, read for one correlation at a time within a bound of memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tocsin.correlations.occurrence import ROW, Body, Occurrence, group_keys, value_keys
from tocsin.correlations.plan import CorrelationPlan

ROWS_AT_ONCE: Final = 1_000_000
"""Rows of a correlation that are correlated together; of more, one share of the groups after another."""
MOST_ROWS: Final = 2_000_000
"""Rows of one share of the groups; of more, which only happens when one group is huge, the earliest are kept."""
_BUFFER_BYTES: Final = 4 << 20
_FILE_SHIFT: Final = 44
_OFFSET: Final = (1 << _FILE_SHIFT) - 1
_SIZE: Final = 4
_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(Body).decode
Rows = NDArray[np.void]


class RowSpool:
    """Collects rows, and writes them into pairs of files in a folder: rows of one size, and their bodies."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._rows: list[tuple[int, ...]] = []
        self._bodies = bytearray()
        self._written = 0

    def add(self, number: int, plan: CorrelationPlan, item: Occurrence) -> bool:
        """Take a matched event for the correlation of a number; tell whether it has a group and a value."""
        groups, values = group_keys(item.body), value_keys(plan, item.body)
        if not groups or not values:
            return False
        at = len(self._bodies)
        data = _pack(item.body)
        self._bodies += len(data).to_bytes(_SIZE, "little") + data
        self._rows += [
            (number, item.input, item.time_us, group, value, item.place, item.origin, at)
            for group in groups
            for value in values
        ]
        return True

    @property
    def full(self) -> bool:
        """Tell whether a pair of files should be written now."""
        return len(self._bodies) + len(self._rows) * ROW.itemsize >= _BUFFER_BYTES

    def write(self) -> Path | None:
        """Write what is collected; return the path of the rows, or None when there is nothing."""
        if not self._rows:
            return None
        path = self._folder / f"{self._name}-{self._written:06d}.rows"
        self._written += 1
        path.with_suffix(".bodies").write_bytes(self._bodies)
        np.array(self._rows, ROW).tofile(path)
        self._rows.clear()
        self._bodies.clear()
        return path


@dataclass(slots=True)
class Share:
    """Rows of a share of the groups of a correlation; `left_out` later ones were too many, from `since_us` on."""

    rows: Rows
    left_out: int = 0
    since_us: int = 0


@dataclass(slots=True)
class RowFiles:
    """The files that all workers wrote."""

    paths: list[Path] = field(default_factory=list)
    _open: dict[int, BinaryIO] = field(default_factory=dict)

    def shares(self, number: int) -> Iterator[Share]:
        """Yield all rows of a correlation, a share of its groups at a time. The rows' `body` is for `body` of this object."""
        total = sum(int((rows["plan"] == number).sum()) for rows in self._files())
        parts = -(-total // ROWS_AT_ONCE)
        for part in range(parts):
            yield self._share(number, part, parts)

    def _files(self) -> Iterator[Rows]:
        for path in self.paths:
            yield np.fromfile(path, ROW)

    def _share(self, number: int, part: int, parts: int) -> Share:
        share = Share(np.empty(0, ROW))
        waiting: list[Rows] = []
        size = 0
        for at, rows in enumerate(self._files()):
            chosen = rows["plan"] == number
            if parts > 1:
                chosen &= rows["group"] % np.uint64(parts) == part
            mine = rows[chosen]
            mine["body"] += np.uint64(at << _FILE_SHIFT)
            waiting.append(mine)
            size += len(mine)
            if size > MOST_ROWS:
                waiting = [_earliest(waiting, share)]
                size = len(waiting[0])
        rows = np.concatenate(waiting) if waiting else share.rows
        share.rows = rows[rows["time"] < share.since_us] if share.left_out else rows
        share.left_out += len(rows) - len(share.rows)
        return share

    def body(self, row: np.void) -> Body:
        """Return what is told of a row's event."""
        at, offset = divmod(int(row["body"]), _OFFSET + 1)
        file = self._open.get(at)
        if file is None:
            if len(self._open) >= 64:
                self.close()
            file = self._open[at] = self.paths[at].with_suffix(".bodies").open("rb")
        data = os.pread(file.fileno(), _SIZE + 1020, offset)
        length = int.from_bytes(data[:_SIZE], "little")
        body = data[_SIZE : _SIZE + length]
        return _unpack(body if len(body) == length else os.pread(file.fileno(), length, offset + _SIZE))

    def close(self) -> None:
        """Close what was opened."""
        for file in self._open.values():
            file.close()
        self._open.clear()


def _earliest(parts: Sequence[Rows], share: Share) -> Rows:
    """Return the rows before the time from which there are too many, which does not depend on their order."""
    rows = np.concatenate(parts)
    times = np.sort(rows["time"])
    limit = int(times[MOST_ROWS])
    since = limit if not share.left_out else min(limit, share.since_us)
    kept = rows[rows["time"] < since]
    share.left_out += len(rows) - len(kept)
    share.since_us = since
    return kept


__all__ = ["MOST_ROWS", "ROWS_AT_ONCE", "RowFiles", "RowSpool", "Rows", "Share"]
