"""From tokens to codes: each distinct value of a column gets a number once, and rows become short vectors of numbers.

Values are told apart by their bytes; a hash only finds the place to look. Codes and combinations are kept across blocks
until `forget`, so that a value that comes again costs one look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tocsin.kernels.block import SLOW, Block
from tocsin.kernels.jit import inlined, kernel
from tocsin.kernels.routes import RouteArrays
from tocsin.kernels.simd import hash_bytes, new_seed, product, same_bytes

STORE_BYTES: Final = 16 << 20
"""Bytes of distinct values after which everything is forgotten."""
ENTRIES: Final = 1 << 17
"""Distinct values after which everything is forgotten; the last ones of a block may exceed both."""
COMBINATIONS: Final = 1 << 16
MOST_PROBES: Final = 256
"""Taken slots of a table after which there is no room for a value, far more than chance puts in a row."""
_KEYS: Final = 1 << 12
_ROW_CODES: Final = 1 << 20

# What is known of a value (bits of `Codes.flags`) and of a combination (`Codes.answers`).
COLD: Final = 0
HOT: Final = 1
"""A value that makes some rule a candidate."""
BAD: Final = 2
"""A value that only the slow reader understands."""
OCCURS: Final = 4
"""A value that is one: its field has occurred, which a null does not tell."""
NOTHING: Final = 1
FOUND: Final = 2

# What becomes of a key (channel and event id as they are written): the number of a route, or one of these.
NO_RULES: Final = -1
UNSEEN: Final = -2
BY_SLOW: Final = -3

_CHANNEL_COLUMN: Final = 0
_EVENT_ID_COLUMN: Final = 1
_ABSENT: Final = 1 << 30

# Columns of the block's tables and of the tables here.
_ROW_LAYOUT, _ROW_END, _ROW_FLAGS = 3, 4, 5
_TOKEN_NAME, _TOKEN_KIND, _TOKEN_AT, _TOKEN_SIZE = range(4)
_COLUMN, _KIND, _SIZE, _AT, _NAME = range(5)


class Undecided(Enum):
    """The cell of a value that only the slow reader understands."""

    UNDECIDED = 0


UNDECIDED: Final = Undecided.UNDECIDED


class Values(NamedTuple):
    """Distinct values; entry 0 stands for "absent" in every column.

    `entries`: column, kind, size, place in `store`, and name. `used`: entries, and bytes of the store.
    """

    seed: Any
    slots: Any
    hashes: Any
    entries: Any
    store: Any
    used: Any


class Keys(NamedTuple):
    """What tells gates. `keys`: layout, code of the channel, code of the event id. `route` is what became of each."""

    seed: Any
    slots: Any
    keys: Any
    route: Any
    used: Any


class Combinations(NamedTuple):
    """Distinct vectors of codes. `table`: route and place in `vectors`. `used`: combinations, and numbers of vectors."""

    seed: Any
    slots: Any
    hashes: Any
    table: Any
    vectors: Any
    used: Any


class RowCodes(NamedTuple):
    """For each row of a block: its key, the place of its vector in `codes` (-1: none), and its combination.

    A combination of 0 is a row without a candidate, of -1 one that only the slow reader can tell.
    """

    key: Any
    at: Any
    combination: Any
    codes: Any


class Codes:
    """All distinct values, keys and combinations met, as tables that kernels fill."""

    def __init__(self, block: Block) -> None:
        """Make tables that surely have room for one more block when the bounds are not yet reached."""
        most = ENTRIES + len(block.token_table)
        rows = len(block.row_table)
        seed = new_seed()
        store = np.zeros(STORE_BYTES + 2 * len(block.data), np.uint8)
        slots = np.zeros(1 << (2 * most - 1).bit_length(), np.int32)
        self._values = Values(
            seed, slots, np.zeros(most, np.uint64), np.zeros((most, 5), np.int32), store, np.zeros(2, np.int64)
        )
        self._keys = Keys(
            seed,
            np.zeros(4 * _KEYS, np.int32),
            np.zeros((_KEYS, 3), np.int32),
            np.zeros(_KEYS, np.int32),
            np.zeros(1, np.int64),
        )
        self._combinations = Combinations(
            seed,
            np.zeros(4 * COMBINATIONS, np.int32),
            np.zeros(COMBINATIONS, np.uint64),
            np.zeros((COMBINATIONS, 2), np.int64),
            np.zeros(32 * COMBINATIONS, np.int32),
            np.zeros(2, np.int64),
        )
        self.rows = RowCodes(
            np.zeros(rows, np.int32), np.zeros(rows, np.int64), np.zeros(rows, np.int32), np.zeros(_ROW_CODES, np.int32)
        )
        self.flags = np.zeros(most, np.uint8)
        self.answers = np.zeros(COMBINATIONS, np.uint8)
        self.key_routes: npt.NDArray[np.int32] = self._keys.route
        self.forget()

    def forget(self) -> None:
        """Forget all values, keys and combinations."""
        for slots in (self._values.slots, self._keys.slots, self._combinations.slots):
            slots[:] = 0
        self._values.used[:] = (1, 0)
        self._keys.used[:] = 0
        self._combinations.used[:] = (1, 0)

    @property
    def full(self) -> bool:
        """Tell whether the bounds are reached."""
        values, store = self._values.used.tolist()
        few_left = 4 * self.combination_count >= 3 * COMBINATIONS or 2 * self.key_count >= _KEYS
        return bool(values >= ENTRIES or store >= STORE_BYTES or few_left)

    @property
    def value_count(self) -> int:
        """Return the number of entries, that of "absent" included."""
        return int(self._values.used[0])

    @property
    def key_count(self) -> int:
        """Return the number of keys."""
        return int(self._keys.used[0])

    @property
    def combination_count(self) -> int:
        """Return the number of combinations, plus one: 0 is none."""
        return int(self._combinations.used[0])

    def key(self, number: int) -> tuple[int, int, int]:
        """Return layout, code of the channel and code of the event id."""
        layout, channel, event_id = self._keys.keys[number].tolist()
        return layout, channel, event_id

    def combination_routes(self, begin: int, end: int) -> npt.NDArray[np.int64]:
        """Return the routes of a range of combinations."""
        routes: npt.NDArray[np.int64] = self._combinations.table[begin:end, 0]
        return routes

    def vectors(self, numbers: npt.NDArray[np.int64], width: int) -> npt.NDArray[np.int64]:
        """Return the codes of combinations of one route, as many as it has columns, one a row."""
        places = self._combinations.table[numbers, 1]
        codes: npt.NDArray[np.int32] = self._combinations.vectors[places[:, None] + np.arange(width)]
        return codes.astype(np.int64)

    def columns_and_kinds(self, begin: int, end: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Return the columns and kinds of a range of entries."""
        entries = self._values.entries[begin:end]
        return entries[:, _COLUMN], entries[:, _KIND]

    def values(
        self, entries: npt.NDArray[np.int64], cell: Callable[[int, int, bytes], str | None]
    ) -> Iterator[tuple[int, int, str | Undecided | None]]:
        """Yield entry, column and cell of entries, which are in order; the cell is UNDECIDED where `cell` raises ValueError."""
        if not len(entries):
            return
        table = self._values.entries
        base = int(table[entries[0], _AT])
        store = self._values.store[base : self._values.used[1]].tobytes()
        for entry, (column, kind, size, at, name) in zip(entries.tolist(), table[entries].tolist(), strict=True):
            try:
                yield entry, column, cell(name, kind, store[at - base : at - base + size])
            except ValueError:
                yield entry, column, UNDECIDED

    def value(self, entry: int) -> tuple[int, int, bytes]:
        """Return name, kind and bytes of an entry."""
        _, kind, size, at, name = self._values.entries[entry].tolist()
        return name, kind, self._values.store[at : at + size].tobytes()

    def find_keys(self, block: Block, first: int, last: int, gate_names: Any) -> int:
        """Give rows their key; return the row reached, before `last` when there is no more room."""
        tables = block.data, block.row_table, block.token_table
        return int(_find_keys(*tables, first, last, gate_names, self._values, self._keys, self.rows))

    def encode(self, block: Block, first: int, last: int, routes: RouteArrays) -> int:
        """Write the codes of rows; return the row reached, before `last` when there is no more room."""
        tables = block.data, block.row_table, block.token_table
        return int(_encode(*tables, first, last, self._keys, routes, self._values, self.rows))

    def combine(self, first: int, last: int, routes: RouteArrays) -> int:
        """Give rows with a candidate their combination; return the row reached, before `last` when there is no more room."""
        return int(_combine(first, last, self._keys, routes, self.flags, self.rows, self._combinations))


@inlined
def _code(values: Any, data: Any, at: Any, size: Any, column: Any, kind: Any, name: Any) -> Any:
    """Return the code of a value in a column, a new one when it was not met before; -1 when there is no room."""
    start = (np.uint64(column) << np.uint64(40)) ^ (np.uint64(kind) << np.uint64(32)) ^ np.uint64(name)
    found = hash_bytes(data, at, size, values.seed, start)
    mask = len(values.slots) - 1
    slot = np.int64(found & np.uint64(mask))
    for _ in range(MOST_PROBES):
        entry = np.int64(values.slots[slot])
        if entry <= 0:
            return _new_code(values, slot, found, data, at, size, column, kind, name)
        known = values.entries[entry]
        if (
            values.hashes[entry] == found
            and known[_COLUMN] == column
            and known[_KIND] == kind
            and known[_NAME] == name
            and known[_SIZE] == size
            and same_bytes(values.store, np.int64(known[_AT]), data, at, size)
        ):
            return entry
        slot = (slot + 1) & mask
    return np.int64(-1)


@inlined
def _new_code(values: Any, slot: Any, found: Any, data: Any, at: Any, size: Any, column: Any, kind: Any, name: Any) -> Any:
    entry = values.used[0]
    place = values.used[1]
    if entry >= len(values.entries) or place + size + 16 > len(values.store):
        return np.int64(-1)
    values.slots[slot] = entry
    values.hashes[entry] = found
    values.entries[entry, _COLUMN] = column
    values.entries[entry, _KIND] = kind
    values.entries[entry, _SIZE] = size
    values.entries[entry, _AT] = place
    values.entries[entry, _NAME] = name
    for k in range(size):
        values.store[place + k] = data[at + k]
    values.used[0] = entry + 1
    values.used[1] = place + size
    return entry


@inlined
def _token_code(values: Any, data: Any, tokens: Any, token: Any, column: Any) -> Any:
    """Return the code of a token's value in a column; -1 when there is no room."""
    at, size = np.int64(tokens[token, _TOKEN_AT]), np.int64(tokens[token, _TOKEN_SIZE])
    return _code(values, data, at, size, column, np.int64(tokens[token, _TOKEN_KIND]), np.int64(tokens[token, _TOKEN_NAME]))


@inlined
def _first_token(rows: Any, row: Any) -> Any:
    return rows[row - 1, _ROW_END] if row else np.int64(0)


@inlined
def _key(keys: Any, layout: Any, channel: Any, event_id: Any) -> Any:
    """Return the number of a key, a new one when it was not met before; -1 when there is no room."""
    mask = len(keys.slots) - 1
    which = (np.uint64(channel) << np.uint64(32)) ^ np.uint64(event_id)
    slot = np.int64(product(which ^ keys.seed[0], np.uint64(layout) ^ keys.seed[1]) & np.uint64(mask))
    while keys.slots[slot] > 0:
        key = np.int64(keys.slots[slot]) - 1
        if keys.keys[key, 0] == layout and keys.keys[key, 1] == channel and keys.keys[key, 2] == event_id:
            return key
        slot = (slot + 1) & mask
    key = keys.used[0]
    if key >= len(keys.keys):
        return np.int64(-1)
    keys.keys[key, 0] = layout
    keys.keys[key, 1] = channel
    keys.keys[key, 2] = event_id
    keys.used[0] = key + 1
    keys.slots[slot] = key + 1
    return key


@kernel
def _find_keys(
    data: Any, rows: Any, tokens: Any, first: Any, last: Any, gate_names: Any, values: Any, keys: Any, out: Any
) -> Any:
    for row in range(first, last):
        out.key[row] = UNSEEN
        if rows[row, _ROW_FLAGS] & SLOW:
            continue
        layout = rows[row, _ROW_LAYOUT]
        channel = event_id = np.int64(-1)
        for token in range(_first_token(rows, row), rows[row, _ROW_END]):
            if tokens[token, _TOKEN_NAME] == gate_names[layout, 0]:
                channel = np.int64(token)
            elif tokens[token, _TOKEN_NAME] == gate_names[layout, 1]:
                event_id = np.int64(token)
        channel_code = event_id_code = np.int64(0)
        if channel >= 0:
            channel_code = _token_code(values, data, tokens, channel, np.int64(_CHANNEL_COLUMN))
        if event_id >= 0:
            event_id_code = _token_code(values, data, tokens, event_id, np.int64(_EVENT_ID_COLUMN))
        if channel_code < 0 or event_id_code < 0:
            return row
        key = _key(keys, layout, channel_code, event_id_code)
        if key < 0:
            return row
        out.key[row] = key
    return last


@kernel
def _encode(data: Any, rows: Any, tokens: Any, first: Any, last: Any, keys: Any, routes: Any, values: Any, out: Any) -> Any:
    used = np.int64(0)
    for row in range(first, last):
        out.at[row] = -1
        key = np.int64(out.key[row])
        if key < 0 or keys.route[key] < 0:
            continue
        route = np.int64(keys.route[key])
        base, width = np.int64(routes.routes[route, 0]), np.int64(routes.routes[route, 1])
        if used + width > len(out.codes):
            return row
        for k in range(width):
            out.codes[used + k] = 0
            routes.ranks[k] = _ABSENT
        for token in range(_first_token(rows, row), rows[row, _ROW_END]):
            name = np.int64(tokens[token, _TOKEN_NAME])
            for feed in range(routes.starts[route, name], routes.starts[route, name + 1]):
                column = np.int64(routes.feeds[feed, 0])
                if routes.feeds[feed, 1] > routes.ranks[column]:
                    continue
                code = _token_code(values, data, tokens, token, base + column)
                if code < 0:
                    return row
                routes.ranks[column] = routes.feeds[feed, 1]
                out.codes[used + column] = code
        out.at[row] = used
        used += width
    return last


@inlined
def _heat(routes: Any, route: Any, flags: Any, codes: Any, at: Any) -> Any:
    """Return the bits of a vector of codes: HOT when it has a candidate, BAD when only the slow reader can tell."""
    base, width = np.int64(routes.routes[route, 0]), np.int64(routes.routes[route, 1])
    heat = np.int64(HOT if routes.routes[route, 2] else COLD)
    for k in range(width):
        code = codes[at + k]
        if code:
            heat |= np.int64(flags[code])
        elif routes.absent_hot[base + k]:
            heat |= HOT
    return heat


@inlined
def _note_fields(routes: Any, route: Any, flags: Any, codes: Any, at: Any) -> Any:
    """Note the columns that have a value."""
    base, width = np.int64(routes.routes[route, 0]), np.int64(routes.routes[route, 1])
    for k in range(width):
        if flags[codes[at + k]] & OCCURS:
            routes.seen[base + k] = 1


@inlined
def _new_combination(combinations: Any, slot: Any, found: Any, route: Any, width: Any, codes: Any, at: Any) -> Any:
    known = combinations.used[0]
    place = combinations.used[1]
    if known >= len(combinations.table) or place + width > len(combinations.vectors):
        return np.int64(-1)
    combinations.slots[slot] = known
    combinations.hashes[known] = found
    combinations.table[known, 0] = route
    combinations.table[known, 1] = place
    for k in range(width):
        combinations.vectors[place + k] = codes[at + k]
    combinations.used[0] = known + 1
    combinations.used[1] = place + width
    return known


@inlined
def _combination(combinations: Any, route: Any, width: Any, codes: Any, at: Any) -> Any:
    """Return the number of a vector of codes, a new one when it was not met before; -1 when there is no room."""
    found = combinations.seed[0] ^ np.uint64(route)
    for k in range(width):
        found = product(found ^ np.uint64(codes[at + k]), combinations.seed[1])
    mask = len(combinations.slots) - 1
    slot = np.int64(found & np.uint64(mask))
    for _ in range(MOST_PROBES):
        known = np.int64(combinations.slots[slot])
        if known <= 0:
            return _new_combination(combinations, slot, found, route, width, codes, at)
        if combinations.hashes[known] == found and combinations.table[known, 0] == route:
            place = combinations.table[known, 1]
            same = True
            for k in range(width):
                same &= combinations.vectors[place + k] == codes[at + k]
            if same:
                return known
        slot = (slot + 1) & mask
    return np.int64(-1)


@kernel
def _combine(first: Any, last: Any, keys: Any, routes: Any, flags: Any, out: Any, combinations: Any) -> Any:
    for row in range(first, last):
        out.combination[row] = 0
        at = out.at[row]
        if at < 0:
            continue
        route = np.int64(keys.route[out.key[row]])
        heat = _heat(routes, route, flags, out.codes, at)
        if heat & BAD:
            out.combination[row] = -1
            continue
        _note_fields(routes, route, flags, out.codes, at)
        if heat & HOT:
            found = _combination(combinations, route, np.int64(routes.routes[route, 1]), out.codes, at)
            if found < 0:
                return row
            out.combination[row] = found
    return last


__all__ = ["BAD", "BY_SLOW", "COLD", "FOUND", "HOT", "NOTHING", "NO_RULES", "OCCURS", "UNDECIDED", "UNSEEN", "Codes"]
