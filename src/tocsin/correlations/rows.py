"""Rows of matched events on disk: written by workers, read for one correlation at a time within a bound of memory."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

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
_TEXT_BYTES: Final = 200
"""What a text costs in memory beside its own bytes."""
_TEXTS: Final = 1 << 16
"""Texts that are remembered when bodies are read."""
_COUNT_BITS: Final = 16
_COUNT: Final = (1 << _COUNT_BITS) - 1
FIXED: Final = 6
"""Numbers of a body before those of its fields."""
_WIDE: Final = 8 * (FIXED + 10)
_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder().decode
Rows = NDArray[np.void]


class RowSpool:
    """Collects rows, and writes them into files in a folder: rows of one size, their bodies, and the texts of these.

    A body is whole numbers: how many groups, values and carried fields it has, its record, its count, and the places of its
    texts, of which each is kept once.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._rows: list[Rows] = []
        self._single: list[tuple[int, ...]] = []
        self._bodies = bytearray()
        self._texts = bytearray()
        self._places: dict[object, int] = {}
        self._text_bytes = 0
        self._written = 0

    def add(self, number: int, plan: CorrelationPlan, item: Occurrence) -> bool:
        """Take a matched event for the correlation of a number; tell whether it has a group and a value."""
        groups, values = group_keys(item.body), value_keys(plan, item.body)
        if not groups or not values:
            return False
        body = item.body
        fields = (*body.groups, *body.values, *body.carried)
        origin = (body.unit, body.path, body.format, body.part)
        shape = shape_of(len(body.groups), len(body.values), len(body.carried))
        told = [self.text(origin), self.text(body.host), self.text(body.first), *map(self.text, fields)]
        at = len(self._bodies)
        self._bodies += array("q", (shape, body.record, body.count, *told)).tobytes()
        self._single += [
            (number, item.input, item.time_us, group, value, item.place, item.origin, at)
            for group in groups
            for value in values
        ]
        return True

    def text(self, value: tuple[object, ...] | str) -> int:
        """Return the place of a text, or of several; valid until the next `write`."""
        place = self._places.get(value)
        if place is None:
            place = self._places[value] = len(self._texts)
            data = _pack(value)
            self._texts += len(data).to_bytes(_SIZE, "little") + data
            self._text_bytes += len(data) + _TEXT_BYTES
        return place

    def add_bodies(self, bodies: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Take bodies, one a row, and return their places; valid until the next `write`."""
        width = bodies.shape[1]
        begin = len(self._bodies)
        self._bodies += bodies.tobytes()
        return np.arange(begin, len(self._bodies), width * bodies.itemsize, dtype=np.uint64)

    def add_rows(self, rows: Rows) -> None:
        """Take rows whose `body` is a place that `add_bodies` returned."""
        self._rows.append(rows)

    @property
    def full(self) -> bool:
        """Tell whether files should be written now."""
        rows = len(self._single) + sum(len(rows) for rows in self._rows)
        return rows * ROW.itemsize + len(self._bodies) + self._text_bytes >= _BUFFER_BYTES

    def write(self) -> Path | None:
        """Write what is collected; return the path of the rows, or None when there is nothing."""
        if self._single:
            self._rows.append(np.array(self._single, ROW))
        if not self._rows:
            return None
        path = self._folder / f"{self._name}-{self._written:06d}.rows"
        self._written += 1
        path.with_suffix(".texts").write_bytes(self._texts)
        path.with_suffix(".bodies").write_bytes(self._bodies)
        np.concatenate(self._rows).tofile(path)
        self._text_bytes = 0
        for kept in (self._rows, self._single, self._bodies, self._texts, self._places):
            kept.clear()
        return path


def shape_of(groups: int, values: int, carried: int) -> int:
    """Return what tells how many fields of each kind a body has."""
    return groups | values << _COUNT_BITS | carried << 2 * _COUNT_BITS


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
    _open: dict[tuple[int, str], BinaryIO] = field(default_factory=dict)
    _counts: list[dict[int, int]] = field(default_factory=list)
    _texts: dict[tuple[int, int], Any] = field(default_factory=dict)

    def shares(self, number: int) -> Iterator[Share]:
        """Yield all rows of a correlation, a share of its groups at a time. The rows' `body` is for `body` of this object."""
        total = sum(self._held(at).get(number, 0) for at in range(len(self.paths)))
        parts = -(-total // ROWS_AT_ONCE)
        for part in range(parts):
            yield self._share(number, part, parts)

    def _held(self, at: int) -> dict[int, int]:
        """Return how many rows of each correlation a file has."""
        while len(self._counts) <= at:
            rows = np.fromfile(self.paths[len(self._counts)], ROW)
            plans, counts = np.unique(rows["plan"], return_counts=True)
            self._counts.append(dict(zip(plans.tolist(), counts.tolist(), strict=True)))
        return self._counts[at]

    def _files(self, number: int) -> Iterator[tuple[int, Rows]]:
        for at, path in enumerate(self.paths):
            if number in self._held(at):
                yield at, np.fromfile(path, ROW)

    def _share(self, number: int, part: int, parts: int) -> Share:
        share = Share(np.empty(0, ROW))
        waiting: list[Rows] = []
        size = 0
        for at, rows in self._files(number):
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
        bodies = self._file(at, ".bodies")
        head = np.frombuffer(os.pread(bodies, _WIDE, offset), np.int64).tolist()
        shape, record, count, origin, host, first = head[:FIXED]
        sizes = [shape >> part * _COUNT_BITS & _COUNT for part in range(3)]
        if FIXED + sum(sizes) > len(head):
            head = np.frombuffer(os.pread(bodies, 8 * (FIXED + sum(sizes)), offset), np.int64).tolist()
        fields = iter(head[FIXED : FIXED + sum(sizes)])
        groups, values, carried = (tuple(tuple(self._text(at, place)) for place in islice(fields, size)) for size in sizes)
        unit, path, form, part = self._text(at, origin)
        told = self._text(at, host), groups, values, carried, self._text(at, first), count
        return Body(unit, path, form, part, record, *told)

    def _text(self, at: int, place: int) -> Any:
        known = self._texts.get((at, place))
        if known is None:
            if len(self._texts) >= _TEXTS:
                self._texts.clear()
            file = self._file(at, ".texts")
            data = os.pread(file, _SIZE + 252, place)
            length = int.from_bytes(data[:_SIZE], "little")
            text = data[_SIZE : _SIZE + length]
            whole = text if len(text) == length else os.pread(file, length, place + _SIZE)
            known = self._texts[at, place] = _unpack(whole)
        return known

    def _file(self, at: int, suffix: str) -> int:
        file = self._open.get((at, suffix))
        if file is None:
            if len(self._open) >= 64:
                self._close_files()
            file = self._open[at, suffix] = self.paths[at].with_suffix(suffix).open("rb")
        return file.fileno()

    def _close_files(self) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()

    def close(self) -> None:
        """Close what was opened."""
        self._close_files()
        self._texts.clear()


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


__all__ = ["FIXED", "MOST_ROWS", "ROWS_AT_ONCE", "RowFiles", "RowSpool", "Rows", "Share", "shape_of"]
