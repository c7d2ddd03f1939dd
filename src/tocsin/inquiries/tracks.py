"""The track of one log of one host: when it has events, which record numbers, and whether its clock went back.

Everything is kept in a bounded number of slots. When there are too many, neighbours are joined: the ends of each slot stay
exact, so that only what lies inside one of them is no longer seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

SLOTS: Final = 1024
"""The most slots of one track."""
RECORD_BLOCK: Final = 1 << 12
_MICROS: Final = 1_000_000
_FEWEST: Final = 10
_RARE: Final = 7.0
"""A gap stands out when less than one in e^7 (about 1,100) logs of the same events at random times would have one."""
CLOCK_S: Final = 30
"""By how much a time must lie before that of an earlier record to be told, in seconds."""


class Gap(NamedTuple):
    """A span without events: its two ends in microseconds since the epoch."""

    begin: int
    end: int


class Missing(NamedTuple):
    """Record numbers that are not there: the first and the last."""

    first: int
    last: int


class StepBack(NamedTuple):
    """A clock that went back: the record with the later time, the one after it with the earlier time, and both times."""

    before: int
    after: int
    time_before: int
    time_after: int


@dataclass(slots=True)
class Slots:
    """Values by a key that grows: for each slot of keys the lowest and highest key, and the lowest and highest value."""

    width: int = 1
    slots: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)

    def add(self, key: int, value: int) -> None:
        """Take a value."""
        self._put(key // self.width, (key, key, value, value))
        while len(self.slots) > SLOTS:
            self.widen(2 * self.width)

    def _put(self, at: int, new: tuple[int, int, int, int]) -> None:
        old = self.slots.get(at)
        if old:
            new = min(old[0], new[0]), max(old[1], new[1]), min(old[2], new[2]), max(old[3], new[3])
        self.slots[at] = new

    def widen(self, width: int) -> None:
        """Join slots until they have a width, a multiple of theirs."""
        if width > self.width:
            old, self.slots, factor = self.slots, {}, width // self.width
            self.width = width
            for at, slot in old.items():
                self._put(at // factor, slot)

    def merge(self, other: Slots) -> None:
        """Take what another one has."""
        self.widen(other.width)
        other.widen(self.width)
        for at, slot in other.slots.items():
            self._put(at, slot)
        while len(self.slots) > SLOTS:
            self.widen(2 * self.width)

    def ordered(self) -> list[tuple[int, int, int, int]]:
        """Return the slots by key."""
        return [self.slots[at] for at in sorted(self.slots)]


@dataclass(slots=True)
class Records:
    """Which record numbers there are, a bit for each."""

    blocks: dict[int, bytearray] = field(default_factory=dict)

    def add(self, record: int) -> None:
        """Take a record number."""
        at, bit = divmod(record, RECORD_BLOCK)
        block = self.blocks.get(at)
        if block is None:
            block = self.blocks[at] = bytearray(RECORD_BLOCK // 8)
        block[bit >> 3] |= 1 << (bit & 7)

    def merge(self, other: Records) -> None:
        """Take what another one has."""
        for at, block in other.blocks.items():
            mine = self.blocks.get(at)
            if mine is None:
                self.blocks[at] = block
            else:
                mine[:] = np.bitwise_or(np.frombuffer(mine, np.uint8), np.frombuffer(block, np.uint8)).tobytes()

    def missing(self) -> Iterator[Missing]:
        """Yield the stretches that are missing between the first and the last record."""
        last = -1
        for at in sorted(self.blocks):
            bits = np.unpackbits(np.frombuffer(self.blocks[at], np.uint8), bitorder="little")
            for record in (np.flatnonzero(bits) + at * RECORD_BLOCK).tolist():
                if last >= 0 and record > last + 1:
                    yield Missing(last + 1, record - 1)
                last = record

    @property
    def ends(self) -> tuple[int, int]:
        """Return the first and the last one; there must be one."""
        low, high = min(self.blocks), max(self.blocks)
        first, last = (int.from_bytes(self.blocks[at], "little") for at in (low, high))
        return low * RECORD_BLOCK + (first & -first).bit_length() - 1, high * RECORD_BLOCK + last.bit_length() - 1

    @property
    def count(self) -> int:
        """Return how many there are."""
        return sum(int.from_bytes(block, "little").bit_count() for block in self.blocks.values())


@dataclass(slots=True)
class Track:
    """One log of one host."""

    events: int = 0
    times: Slots = field(default_factory=lambda: Slots(_MICROS))
    """Times by time."""
    clock: Slots = field(default_factory=Slots)
    """Times by record number."""
    records: Records = field(default_factory=Records)

    def merge(self, other: Track) -> None:
        """Take what another one has."""
        self.events += other.events
        self.times.merge(other.times)
        self.clock.merge(other.clock)
        self.records.merge(other.records)

    def gaps(self, shortest_s: int) -> list[Gap]:
        """Return the spans without events that stand out, longest first.

        For events at random times with the mean distance of all others, a gap of `mean * (ln(events) + 7)` is rare.
        """
        slots = self.times.ordered()
        if self.events < _FEWEST or len(slots) < 2:
            return []
        whole = slots[-1][1] - slots[0][0]
        found = []
        for left, right in pairwise(slots):
            length = right[0] - left[1]
            mean = (whole - length) / max(1, self.events - 2)
            if length >= max(shortest_s * _MICROS, mean * (math.log(self.events) + _RARE)):
                found.append(Gap(left[1], right[0]))
        return sorted(found, key=lambda gap: (gap.begin - gap.end, gap.begin))

    def steps_back(self) -> list[StepBack]:
        """Return where the time of a record lies before that of an earlier one, largest step first.

        One for each time that the clock goes back: the next is told against what comes after it.
        """
        found = []
        latest: tuple[int, int] | None = None
        for first, last, low, high in self.clock.ordered():
            if latest and latest[1] - low >= CLOCK_S * _MICROS:
                found.append(StepBack(latest[0], first, latest[1], low))
                latest = (last, low if high >= latest[1] else high)  # joined slots may hold both sides
            elif latest is None or high > latest[1]:
                latest = (last, high)
        return sorted(found, key=lambda step: (step.time_after - step.time_before, step.before))


__all__ = ["CLOCK_S", "RECORD_BLOCK", "SLOTS", "Gap", "Missing", "Records", "Slots", "StepBack", "Track"]
