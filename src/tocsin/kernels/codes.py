"""From tokens to codes: each distinct value of a column gets a number once, and rows become short vectors of numbers.

Values are told apart by their bytes; a hash only finds the place to look. Codes and combinations are kept across blocks
until `forget`, so that a value that comes again costs one look-up.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tocsin.kernels.block import SLOW, Block
from tocsin.kernels.jit import inlined, kernel
from tocsin.kernels.simd import hash_bytes, same_bytes

STORE_BYTES: Final = 16 << 20
"""Bytes of distinct values after which everything is forgotten."""
ENTRIES: Final = 1 << 17
"""Distinct values after which everything is forgotten; the last ones of a block may exceed both."""
COMBINATIONS: Final = 1 << 16
_ROW_COLUMNS: Final = 1 << 20

# What is known of a value (`Codes.flags`) and of a combination (`Codes.answers`).
COLD: Final = 0
HOT: Final = 1
"""A value that makes some rule a candidate."""
BAD: Final = 2
"""A value that only the slow reader understands."""

UNKNOWN: Final = 0
NOTHING: Final = 1
FOUND: Final = 2

# What becomes of a key (channel and event id as they are written): a number of a program, or one of these.
NO_RULES: Final = -1
UNSEEN: Final = -2
BY_SLOW: Final = -3

# Columns of `Codes.entries`.
_COLUMN, _KIND, _SIZE, _AT, _NAME = range(5)
_CHANNEL_COLUMN: Final = 0
_EVENT_ID_COLUMN: Final = 1
FIRST_COLUMN: Final = 2
"""The columns before this one hold channels and event ids."""
_ABSENT: Final = 1 << 30


class Undecided(Enum):
    """The cell of a value that only the slow reader understands."""

    UNDECIDED = 0


UNDECIDED: Final = Undecided.UNDECIDED


class Codes:
    """All distinct values, gate keys and combinations met, as tables that kernels fill.

    Entry 0 stands for "absent" in every column. `entries`: column, kind, size, place in `store`, and name of each value.
    `keys`: layout, code of the channel, code of the event id. `counts`: entries, bytes of store, keys, combinations, and
    numbers of `vectors` used.
    """

    def __init__(self, block: Block) -> None:
        """Make tables that surely have room for one more block when the bounds are not yet reached."""
        most = ENTRIES + len(block.token_table)
        self.seed = np.uint64(int.from_bytes(os.urandom(8), "little"))
        self.slots = np.zeros(1 << (2 * most - 1).bit_length(), np.int32)
        self.hashes = np.zeros(most, np.uint64)
        self.entries = np.zeros((most, 5), np.int32)
        self.flags = np.zeros(most, np.uint8)
        self.store = np.zeros(STORE_BYTES + 2 * len(block.data), np.uint8)
        self.key_slots = np.zeros(1 << 14, np.int32)
        self.keys = np.zeros((1 << 12, 3), np.int32)
        self.combination_slots = np.zeros(COMBINATIONS * 4, np.int32)
        self.combination_hashes = np.zeros(COMBINATIONS, np.uint64)
        self.combinations = np.zeros((COMBINATIONS, 2), np.int64)
        self.answers = np.zeros(COMBINATIONS, np.uint8)
        self.vectors = np.zeros(COMBINATIONS * 32, np.int32)
        self.row_key = np.zeros(len(block.row_table), np.int32)
        self.row_codes = np.zeros(len(block.row_table), np.int64)
        self.row_combination = np.zeros(len(block.row_table), np.int32)
        self.codes = np.zeros(_ROW_COLUMNS, np.int32)
        self.forget()

    def forget(self) -> None:
        """Forget all values, keys and combinations."""
        self.slots[:] = 0
        self.key_slots[:] = 0
        self.combination_slots[:] = 0
        self.counts = np.array([1, 0, 0, 1, 0], np.int64)

    @property
    def full(self) -> bool:
        """Tell whether the bounds are reached."""
        entries, store, keys, combinations, _ = self.counts.tolist()
        return bool(
            entries >= ENTRIES or store >= STORE_BYTES or 2 * keys >= len(self.keys) or 4 * combinations >= 3 * COMBINATIONS
        )

    def values(
        self, entries: npt.NDArray[np.int64], cell: Callable[[int, int, bytes], str | None]
    ) -> Iterator[tuple[int, int, str | Undecided | None]]:
        """Yield entry, column and cell of entries, which are in order; the cell is UNDECIDED where `cell` raises ValueError."""
        if not len(entries):
            return
        base = int(self.entries[entries[0], _AT])
        store = self.store[base : self.counts[1]].tobytes()
        for entry, (column, kind, size, at, name) in zip(entries.tolist(), self.entries[entries].tolist(), strict=True):
            try:
                yield entry, column, cell(name, kind, store[at - base : at - base + size])
            except ValueError:
                yield entry, column, UNDECIDED

    def raw(self, entry: int) -> bytes:
        """Return the bytes of a value."""
        at = int(self.entries[entry, _AT])
        return self.store[at : at + int(self.entries[entry, _SIZE])].tobytes()

    def kind(self, entry: int) -> int:
        """Return the kind of a value, as its reader numbers kinds."""
        return int(self.entries[entry, _KIND])

    def name(self, entry: int) -> int:
        """Return the name under which a value was first met."""
        return int(self.entries[entry, _NAME])


@inlined
def _code(
    seed: Any,
    slots: Any,
    hashes: Any,
    entries: Any,
    store: Any,
    counts: Any,
    data: Any,
    at: Any,
    size: Any,
    column: Any,
    kind: Any,
    name: Any,
) -> Any:
    """Return the code of a value in a column, a new one when it was not met before; -1 when there is no room."""
    mixed_in = seed ^ (np.uint64(column) << np.uint64(40)) ^ (np.uint64(kind) << np.uint64(32)) ^ np.uint64(name)
    found = hash_bytes(data, at, size, mixed_in)
    mask = len(slots) - 1
    slot = np.int64(found & np.uint64(mask))
    while slots[slot] > 0:
        entry = np.int64(slots[slot])
        if (
            hashes[entry] == found
            and entries[entry, _COLUMN] == column
            and entries[entry, _KIND] == kind
            and entries[entry, _NAME] == name
            and entries[entry, _SIZE] == size
            and same_bytes(store, np.int64(entries[entry, _AT]), data, at, size)
        ):
            return entry
        slot = (slot + 1) & mask
    entry = counts[0]
    place = counts[1]
    if entry >= len(entries) or place + size + 16 > len(store):
        return np.int64(-1)
    slots[slot] = entry
    hashes[entry] = found
    entries[entry, _COLUMN] = column
    entries[entry, _KIND] = kind
    entries[entry, _SIZE] = size
    entries[entry, _AT] = place
    entries[entry, _NAME] = name
    for k in range(size):
        store[place + k] = data[at + k]
    counts[0] = entry + 1
    counts[1] = place + size
    return entry


@kernel
def _gate_keys(
    data: Any,
    rows: Any,
    tokens: Any,
    first: Any,
    last: Any,
    gate_names: Any,
    seed: Any,
    slots: Any,
    hashes: Any,
    entries: Any,
    store: Any,
    counts: Any,
    key_slots: Any,
    keys: Any,
    row_key: Any,
) -> Any:
    """Give each row from `first` the number of its layout, channel and event id; return the row reached."""
    mask = len(key_slots) - 1
    for row in range(first, last):
        row_key[row] = UNSEEN
        if rows[row, 5] & SLOW:
            continue
        layout = rows[row, 3]
        channel = event_id = np.int64(-1)
        for token in range(rows[row - 1, 4] if row else 0, rows[row, 4]):
            if tokens[token, 0] == gate_names[layout, 0]:
                channel = np.int64(token)
            elif tokens[token, 0] == gate_names[layout, 1]:
                event_id = np.int64(token)
        a = b = np.int64(0)
        if channel >= 0:
            a = _code(
                seed,
                slots,
                hashes,
                entries,
                store,
                counts,
                data,
                np.int64(tokens[channel, 2]),
                np.int64(tokens[channel, 3]),
                np.int64(_CHANNEL_COLUMN),
                np.int64(tokens[channel, 1]),
                np.int64(tokens[channel, 0]),
            )
        if event_id >= 0:
            b = _code(
                seed,
                slots,
                hashes,
                entries,
                store,
                counts,
                data,
                np.int64(tokens[event_id, 2]),
                np.int64(tokens[event_id, 3]),
                np.int64(_EVENT_ID_COLUMN),
                np.int64(tokens[event_id, 1]),
                np.int64(tokens[event_id, 0]),
            )
        if a < 0 or b < 0:
            return row
        slot = (a * 31 + b * 17 + layout) & mask
        while key_slots[slot] > 0:
            key = np.int64(key_slots[slot]) - 1
            if keys[key, 0] == layout and keys[key, 1] == a and keys[key, 2] == b:
                break
            slot = (slot + 1) & mask
        if key_slots[slot] == 0:
            key = counts[2]
            if key >= len(keys):
                return row
            keys[key, 0] = layout
            keys[key, 1] = a
            keys[key, 2] = b
            counts[2] = key + 1
            key_slots[slot] = key + 1
        row_key[row] = key
    return last


@kernel
def _encode(
    data: Any,
    rows: Any,
    tokens: Any,
    first: Any,
    last: Any,
    key_program: Any,
    programs: Any,
    feed_starts: Any,
    feeds: Any,
    seen: Any,
    null_kind: Any,
    seed: Any,
    slots: Any,
    hashes: Any,
    entries: Any,
    store: Any,
    counts: Any,
    row_key: Any,
    row_codes: Any,
    codes: Any,
    ranks: Any,
) -> Any:
    """Write the vector of codes of each row whose key has a program; return the row reached.

    `programs`: first column and number of columns. `feed_starts[program, name]`: where in `feeds` the columns begin that a
    name feeds, with its rank: where several names feed a column, the lowest rank counts.
    """
    used = np.int64(0)
    for row in range(first, last):
        row_codes[row] = -1
        key = np.int64(row_key[row])
        if key < 0 or key_program[key] < 0:
            continue
        program = np.int64(key_program[key])
        base, width = np.int64(programs[program, 0]), np.int64(programs[program, 1])
        if used + width > len(codes):
            return row
        for k in range(width):
            codes[used + k] = 0
            ranks[k] = _ABSENT
        for token in range(rows[row - 1, 4] if row else 0, rows[row, 4]):
            name = np.int64(tokens[token, 0])
            for feed in range(feed_starts[program, name], feed_starts[program, name + 1]):
                column = np.int64(feeds[feed, 0])
                if feeds[feed, 1] > ranks[column]:
                    continue
                code = _code(
                    seed,
                    slots,
                    hashes,
                    entries,
                    store,
                    counts,
                    data,
                    np.int64(tokens[token, 2]),
                    np.int64(tokens[token, 3]),
                    base + column,
                    np.int64(tokens[token, 1]),
                    name,
                )
                if code < 0:
                    return row
                ranks[column] = feeds[feed, 1]
                codes[used + column] = code
                if tokens[token, 1] != null_kind:
                    seen[base + column] = 1
        row_codes[row] = used
        used += width
    return last


@kernel
def _combine(
    first: Any,
    last: Any,
    key_program: Any,
    programs: Any,
    absent_hot: Any,
    flags: Any,
    counts: Any,
    row_key: Any,
    row_codes: Any,
    codes: Any,
    slots: Any,
    hashes: Any,
    combinations: Any,
    vectors: Any,
    row_combination: Any,
    seed: Any,
) -> Any:
    """Give each row that has a candidate the number of its combination of codes; return the row reached.

    0: no candidate. -1: only the slow reader can tell.
    """
    mask = len(slots) - 1
    for row in range(first, last):
        row_combination[row] = 0
        at = row_codes[row]
        if at < 0:
            continue
        program = np.int64(key_program[row_key[row]])
        base, width = np.int64(programs[program, 0]), np.int64(programs[program, 1])
        hot = programs[program, 2] != 0
        bad = False
        for k in range(width):
            code = codes[at + k]
            if code:
                flag = flags[code]
                hot |= flag == HOT
                bad |= flag == BAD
            elif absent_hot[base + k]:
                hot = True
        if bad:
            row_combination[row] = -1
        if bad or not hot:
            continue
        found = seed ^ np.uint64(program)
        for k in range(width):
            found = (found ^ np.uint64(codes[at + k])) * np.uint64(0x9E3779B97F4A7C15)
            found ^= found >> np.uint64(31)
        slot = np.int64(found & np.uint64(mask))
        while slots[slot] > 0:
            known = np.int64(slots[slot])
            if hashes[known] == found and combinations[known, 0] == program:
                same = True
                place = combinations[known, 1]
                for k in range(width):
                    if vectors[place + k] != codes[at + k]:
                        same = False
                        break
                if same:
                    row_combination[row] = known
                    break
            slot = (slot + 1) & mask
        if slots[slot] > 0:
            continue
        known = counts[3]
        place = counts[4]
        if known >= len(combinations) or place + width > len(vectors):
            return row
        slots[slot] = known
        hashes[known] = found
        combinations[known, 0] = program
        combinations[known, 1] = place
        for k in range(width):
            vectors[place + k] = codes[at + k]
        counts[3] = known + 1
        counts[4] = place + width
        row_combination[row] = known
    return last


def gate_keys(codes: Codes, block: Block, first: int, last: int, gate_names: Any) -> int:
    """Give rows their key: layout, channel, event id; return the row reached, before `last` when there is no more room."""
    return int(
        _gate_keys(
            block.data,
            block.row_table,
            block.token_table,
            first,
            last,
            gate_names,
            codes.seed,
            codes.slots,
            codes.hashes,
            codes.entries,
            codes.store,
            codes.counts,
            codes.key_slots,
            codes.keys,
            codes.row_key,
        )
    )


def encode_rows(codes: Codes, block: Block, first: int, last: int, tables: Any) -> int:
    """Write the codes of rows; return the row reached, before `last` when there is no more room."""
    return int(
        _encode(
            block.data,
            block.row_table,
            block.token_table,
            first,
            last,
            tables.key_program,
            tables.programs,
            tables.feed_starts,
            tables.feeds,
            tables.seen,
            tables.null_kind,
            codes.seed,
            codes.slots,
            codes.hashes,
            codes.entries,
            codes.store,
            codes.counts,
            codes.row_key,
            codes.row_codes,
            codes.codes,
            tables.ranks,
        )
    )


def combine(codes: Codes, first: int, last: int, tables: Any) -> int:
    """Give rows with a candidate their combination; return the row reached, before `last` when there is no more room."""
    return int(
        _combine(
            first,
            last,
            tables.key_program,
            tables.programs,
            tables.absent_hot,
            codes.flags,
            codes.counts,
            codes.row_key,
            codes.row_codes,
            codes.codes,
            codes.combination_slots,
            codes.combination_hashes,
            codes.combinations,
            codes.vectors,
            codes.row_combination,
            codes.seed,
        )
    )


__all__ = [
    "BAD",
    "BY_SLOW",
    "COLD",
    "FIRST_COLUMN",
    "FOUND",
    "HOT",
    "NOTHING",
    "NO_RULES",
    "UNDECIDED",
    "UNKNOWN",
    "UNSEEN",
    "Codes",
    "combine",
    "encode_rows",
    "gate_keys",
]
