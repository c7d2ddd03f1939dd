"""JSON lines to tokens: each line is checked completely, and each value at a wanted path becomes a token.

A line is either understood exactly or flagged as slow: nothing is guessed. A path is known by its container and key, so
that nested objects cost no more than flat ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from tocsin.kernels.block import SLOW, SUSPECT, Block
from tocsin.kernels.jit import inlined, kernel
from tocsin.kernels.json_scan import (
    ESCAPED,
    NULL,
    OTHER,
    TEXT,
    scalar_end,
    skip_nested,
    skip_space,
    string_end,
)
from tocsin.kernels.simd import WIDTH, breaks, load8, low_bytes, lowest_bit, mixed, same_bytes

MAX_ROW_TOKENS: Final = 2048
"""The most tokens of one line; one with more is slow."""
_OPEN_MOST: Final = 16
_MOST_CONTAINERS: Final = 64
_QUOTE, _COMMA, _COLON, _AT_SIGN, _ARRAY, _OBJECT, _OBJECT_END = b'",:@[{}'
_TELLING: Final = 24
_TEXT_KEY: Final = np.uint64(int.from_bytes(b'{"#text"', "little"))
_CONTAINERS: Final = 64

# What a key leads to (bits of `PathTable.key_flags`).
REFUSE: Final = 1
"""The line is slow when this key occurs."""
OBJECT_ONLY: Final = 2
"""The line is slow when the value is neither an object nor null."""
NOT_NULL: Final = 4
"""The line is slow when the value is null."""
TELLS_CHANNEL: Final = 8
TELLS_EVENT_ID: Final = 16
"""A line without a value other than null for a key of each of these two, in its own layout, is slow where there are such."""
TEXT_ONLY: Final = 32
"""The line is slow when the value is an array, or an object that holds more than `#text` or is written with spaces."""

# What unknown keys of a container mean (bits of `PathTable.container_flags`).
STRICT: Final = 1
"""The line is slow when an unknown key occurs."""
FIELDS: Final = 2
"""The container holds fields: a key with a space marks the line as spaced."""
NO_AT: Final = 4
"""The line is slow when a key begins with `@`."""


class Paths(NamedTuple):
    """Wanted paths as the kernel reads them.

    An open hash table of keys; the keys: container, place and size in `text`, name, inner container, flags; the containers:
    flags, layout, for the line itself what must be told, and the bit that notes that a line has it.
    """

    slots: Any
    keys: Any
    text: Any
    containers: Any


@dataclass
class PathTable:
    """Wanted paths: `add` gives a key of a container a name, an inner container, or both. Container 0 is the line itself.

    `layout` of a container is what a line is that holds it; `compile` returns the arrays that the kernel reads.
    """

    keys: list[tuple[int, bytes, int, int, int]] = field(default_factory=list)
    container_flags: list[int] = field(default_factory=lambda: [FIELDS])
    container_layout: list[int] = field(default_factory=lambda: [0])
    container_bit: list[int] = field(default_factory=lambda: [0])

    def container(self, flags: int, layout: int, beside: int = -1) -> int:
        """Make a container and return its number; a line that holds it and the one `beside` it is slow.

        Raises: ValueError when there are more than the kernel can tell apart.
        """
        number = len(self.container_flags)
        if number >= _CONTAINERS:
            raise ValueError(f"more than {_CONTAINERS} containers")
        self.container_flags.append(flags)
        self.container_layout.append(layout)
        self.container_bit.append(number if beside < 0 else self.container_bit[beside])
        return number

    def add(self, container: int, key: str, name: int = -1, inner: int = -1, flags: int = 0) -> None:
        """Add a key; each key of a container once."""
        self.keys.append((container, key.encode(), name, inner, flags))

    def compile(self) -> Paths:
        """Return an open hash table of keys, the keys with their texts, and the flags and layout of each container."""
        count = 1 << max(4, (4 * len(self.keys)).bit_length())
        slots = np.full(count, -1, np.int32)
        text = np.frombuffer(b"".join(key for _, key, *_ in self.keys) + bytes(32), np.uint8).copy()
        table = np.zeros((len(self.keys), 6), np.int32)
        at = 0
        for number, (container, key, *rest) in enumerate(self.keys):
            table[number] = (container, at, len(key), *rest)
            slot = int(_hash_of(text, np.int64(at), np.int64(len(key)), np.int64(container))) & (count - 1)
            while slots[slot] >= 0:
                slot = (slot + 1) & (count - 1)
            slots[slot] = number
            at += len(key)
        containers = np.zeros((len(self.container_flags), 4), np.int32)
        containers[:, 0], containers[:, 1] = self.container_flags, self.container_layout
        containers[:, 3] = self.container_bit
        containers[0, 2] = np.bitwise_or.reduce(table[:, _FLAGS]) & _TELLING
        return Paths(slots, table, text, containers)


_IN, _AT, _SIZE, _NAME, _INNER, _FLAGS = range(6)


@inlined
def _key_hash(data: Any, at: Any, size: Any, container: Any) -> Any:
    """Return the hash of a key in a container: of its first 16 bytes and its size, which tell nearly all apart."""
    low = low_bytes(load8(data, at), min(size, 8))
    high = low_bytes(load8(data, at + 8), size - 8) if size > 8 else np.uint64(0)
    return mixed(low ^ (np.uint64(size) << np.uint64(56)), high ^ (np.uint64(container) << np.uint64(48)))


@kernel
def _hash_of(data: Any, at: Any, size: Any, container: Any) -> Any:
    return _key_hash(data, at, size, container)


@inlined
def _find_key(slots: Any, keys: Any, text: Any, data: Any, at: Any, size: Any, container: Any) -> Any:
    """Return the number of a key in a container, or -1."""
    mask = len(slots) - 1
    slot = np.int64(_key_hash(data, at, size, container) & np.uint64(mask))
    while slots[slot] >= 0:
        k = np.int64(slots[slot])
        if keys[k, _IN] == container and keys[k, _SIZE] == size and same_bytes(text, keys[k, _AT], data, at, size):
            return k
        slot = (slot + 1) & mask
    return np.int64(-1)


@inlined
def _line_end(data: Any, at: Any, end: Any) -> Any:
    """Return the place of the next line break, or `end`."""
    i = at
    while i < end:
        found = breaks(data, i)
        if found:
            return min(i + lowest_bit(found), end)
        i += WIDTH
    return end


@inlined
def _has_space(data: Any, at: Any, size: Any) -> Any:
    for k in range(size):
        if data[at + k] == 32:
            return True
    return False


@inlined
def _read_key(data: Any, start: Any) -> Any:
    """Return the place of a key's text, its size, and the place of its value; -1 for the last when there is no plain key."""
    bad = np.int64(-1)
    at = np.int64(start + 1)
    if data[start] != _QUOTE:
        return at, bad, bad
    end, escapes = string_end(data, at)
    if end < 0 or escapes:
        return at, bad, bad
    colon = skip_space(data, end + 1)
    return at, end - at, (skip_space(data, colon + 1) if data[colon] == _COLON else bad)


@inlined
def _read_value(data: Any, start: Any) -> Any:
    """Return a value's place, size, kind, the place after it (-1: not valid), and bit 2 when an escape may hide a keyword."""
    byte = data[start]
    if byte == _QUOTE:
        end, escapes = string_end(data, start + 1)
        after = end + 1 if end >= 0 else end
        return np.int64(start + 1), end - start - 1, (ESCAPED if escapes else TEXT), after, escapes
    if byte == _OBJECT or byte == _ARRAY:
        end, escapes = skip_nested(data, start)
        return np.int64(start), end - start, OTHER, end, escapes
    end, kind = scalar_end(data, start)
    return np.int64(start), end - start, kind, end, np.int64(0)


@kernel
def _is_text(data: Any, at: Any) -> Any:
    """Tell whether a valid value is no array, and no object but one that holds `#text` alone."""
    if data[at] != _OBJECT:
        return data[at] != _ARRAY
    if load8(data, at) != _TEXT_KEY or data[at + 8] != _COLON:
        return False
    _, _, _, end, _ = _read_value(data, at + 9)
    return end >= 0 and data[end] == _OBJECT_END


@inlined
def _is_refused(key_flags: Any, container_flags: Any, known: Any, data: Any, at: Any, size: Any) -> Any:
    """Tell whether a key makes the line slow, whatever its value."""
    if key_flags & REFUSE or (container_flags & STRICT and not known):
        return True
    return container_flags & NO_AT and size > 0 and data[at] == _AT_SIGN


@inlined
def _read_line(data: Any, start: Any, paths: Any, stack: Any, tokens: Any, token: Any) -> Any:
    """Read the object that begins at a place, and write its tokens.

    Return the place after it (-1: slow), the next token, the layout, and bit 2 when an escape may hide a keyword.
    """
    limit = token + MAX_ROW_TOKENS
    required = paths.containers[0, 2]
    depth = 0
    container = layout = spaced = told = wide = np.int64(0)
    met = np.uint64(1)
    i = skip_space(data, start + 1)
    closing = data[i] == _OBJECT_END
    while True:
        if closing:
            i += 1
            if depth == 0:
                whole = told & required == required
                return (i if whole else np.int64(-1)), token, layout + spaced, wide
            depth -= 1
            container = stack[depth]
        else:
            at, size, i = _read_key(data, i)
            if i < 0:
                break
            key = _find_key(paths.slots, paths.keys, paths.text, data, at, size, container)
            in_flags = np.int64(paths.containers[container, 0])
            flags, name, inner = np.int64(0), np.int64(-1), np.int64(-1)
            if key >= 0:
                flags, name = np.int64(paths.keys[key, _FLAGS]), np.int64(paths.keys[key, _NAME])
                inner = np.int64(paths.keys[key, _INNER])
            if _is_refused(flags, in_flags, key >= 0, data, at, size):
                break
            if in_flags & FIELDS and spaced == 0 and _has_space(data, at, size):
                spaced = np.int64(1)
            if inner >= 0:  # of a key that comes twice the last value counts, and tokens of an inner one cannot be taken back
                bit = np.uint64(1) << np.uint64(paths.containers[inner, 3])
                if met & bit:
                    break
                met |= bit
                if data[i] == _OBJECT:
                    if depth >= _OPEN_MOST:
                        break
                    if paths.containers[inner, 1] > layout:
                        layout = np.int64(paths.containers[inner, 1])
                        told = np.int64(0)
                    stack[depth] = container
                    depth += 1
                    container = inner
                    i = skip_space(data, i + 1)
                    closing = data[i] == _OBJECT_END
                    continue
            at, size, kind, i, escapes = _read_value(data, i)
            wide |= escapes
            if i < 0 or flags & (NOT_NULL if kind == NULL else OBJECT_ONLY) or (name >= 0 and token >= limit):
                break
            if flags & TEXT_ONLY and kind == OTHER and not _is_text(data, at):
                break
            if name >= 0:
                if kind != NULL and paths.containers[container, 1] == layout:
                    told |= flags
                tokens[token, 0] = name
                tokens[token, 1] = kind
                tokens[token, 2] = at
                tokens[token, 3] = size
                token += 1
        i = skip_space(data, i)
        closing = data[i] == _OBJECT_END
        if data[i] == _COMMA:
            i = skip_space(data, i + 1)
        elif not closing:
            break
    return np.int64(-1), token, layout, wide


@kernel
def _read_lines(
    data: Any, start: Any, end: Any, line: Any, paths: Any, stack: Any, rows: Any, tokens: Any, row: Any, token: Any
) -> Any:
    """Read lines into rows until the end, or until there is no room; return the place, line, row and token reached."""
    i = start
    while i < end and row < len(rows) and token + MAX_ROW_TOKENS <= len(tokens):
        at = skip_space(data, i)
        line += 1
        if at >= end or data[at] == 10:
            i = at + 1
            continue
        before = token
        slow = data[at] != 123
        after = at
        if not slow:
            after, token, layout, wide = _read_line(data, at, paths, stack, tokens, token)
            if after >= 0:
                after = skip_space(data, after)
            slow = after < 0 or after > end or (after < end and data[after] != 10)
            rows[row, 3] = layout
            rows[row, 5] = SUSPECT if wide & 2 else 0
        if slow:
            token = before
            after = _line_end(data, i, end)
            rows[row, 5] = SLOW
        rows[row, 0] = i
        rows[row, 1] = after - i
        rows[row, 2] = line
        rows[row, 4] = token
        row += 1
        i = after + 1
    return min(i, end), line, row, token


def read_lines(block: Block, start: int, end: int, line: int, paths: Paths) -> tuple[int, int]:
    """Add the lines of `data[start:end]` to a block; return the place reached and the number of the last line.

    The bytes after `end` must be zero for `PAD_BYTES`. The place is before `end` when rows or tokens ran out.
    """
    stack = np.zeros(_OPEN_MOST, np.int64)
    place, line, block.rows, block.tokens = _read_lines(
        block.data, start, end, line, paths, stack, block.row_table, block.token_table, block.rows, block.tokens
    )
    return int(place), int(line)


__all__ = [
    "FIELDS",
    "NOT_NULL",
    "NO_AT",
    "OBJECT_ONLY",
    "REFUSE",
    "STRICT",
    "TELLS_CHANNEL",
    "TELLS_EVENT_ID",
    "TEXT_ONLY",
    "PathTable",
    "Paths",
    "read_lines",
]
