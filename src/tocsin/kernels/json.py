"""JSON lines to tokens: each line is checked completely, and each value at a wanted path becomes a token.

A line is either understood exactly or flagged as slow: nothing is guessed. A path is known by its container and key, so
that nested objects cost no more than flat ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tocsin.kernels.block import SLOW, SUSPECT, Block
from tocsin.kernels.jit import inlined, kernel
from tocsin.kernels.simd import WIDTH, breaks, escape_masks, load8, low_bytes, lowest_bit, mixed, same_bytes, text_masks

TEXT: Final = 0
"""Kind of a text without escapes; the token is what stands between the quotes."""
ESCAPED: Final = 1
"""Kind of a text with escapes."""
INTEGER: Final = 2
"""Kind of a whole number of at most 18 digits; the token is its shortest form."""
TRUE: Final = 3
FALSE: Final = 4
NULL: Final = 5
OTHER: Final = 6
"""Kind of any other value: the token is its JSON, an array or object included."""

MAX_ROW_TOKENS: Final = 2048
"""The most tokens of one line; one with more is slow."""
MAX_DIGITS: Final = 100
"""The longest number; with it and an exponent of two digits no number is out of the range of a double."""
MAX_DEPTH: Final = 60
"""The deepest nesting of a skipped value."""
_OPEN_MOST: Final = 16
_TELLING: Final = 24
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

# What unknown keys of a container mean (bits of `PathTable.container_flags`).
STRICT: Final = 1
"""The line is slow when an unknown key occurs."""
FIELDS: Final = 2
"""The container holds fields: a key with a space marks the line as spaced."""
NO_AT: Final = 4
"""The line is slow when a key begins with `@`."""


Paths = tuple[Any, Any, Any, Any]
"""Wanted paths as the kernel reads them."""


@dataclass
class PathTable:
    """Wanted paths: `add` gives a key of a container a name, an inner container, or both. Container 0 is the line itself.

    `layout` of a container is what a line is that holds it; `compile` returns the arrays that the kernel reads.
    """

    keys: list[tuple[int, bytes, int, int, int]] = field(default_factory=list)
    container_flags: list[int] = field(default_factory=lambda: [FIELDS])
    container_layout: list[int] = field(default_factory=lambda: [0])

    def container(self, flags: int, layout: int) -> int:
        """Make a container and return its number. Raises: ValueError when there are more than the kernel can tell apart."""
        if len(self.container_flags) >= _CONTAINERS:
            raise ValueError(f"more than {_CONTAINERS} containers")
        self.container_flags.append(flags)
        self.container_layout.append(layout)
        return len(self.container_flags) - 1

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
        containers = np.zeros((len(self.container_flags), 3), np.int32)
        containers[:, 0], containers[:, 1] = self.container_flags, self.container_layout
        containers[0, 2] = np.bitwise_or.reduce(table[:, _FLAGS]) & _TELLING
        return slots, table, text, containers


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
def _hex(byte: Any) -> Any:
    """Return the value of a hexadecimal digit, or -1."""
    if 48 <= byte <= 57:
        return np.int64(byte) - 48
    low = byte | 32
    if 97 <= low <= 102:
        return np.int64(low) - 87
    return np.int64(-1)


@inlined
def _unicode_escape(data: Any, at: Any) -> Any:
    """Return the character that four hexadecimal digits name; 0 for NUL, for a surrogate, and when they are no digits."""
    found = np.int64(0)
    for k in range(4):
        digit = _hex(data[at + k])
        if digit < 0:
            return np.int64(0)
        found = found * 16 + digit
    return np.int64(0) if 0xD800 <= found <= 0xDFFF else found


@inlined
def _may_be_searched(char: Any) -> Any:
    """Tell whether a character written as an escape may hide a part of a keyword from a search of the raw bytes.

    Keywords are searched by runs of ASCII without the characters that formats escape (`plans.gates.longest_plain`); beyond
    ASCII only what folds to ASCII counts, all of which lies outside of the range left out here.
    """
    if char < 0x7F:
        return (
            char >= 32 and char != 34 and char != 38 and char != 39 and char != 47 and char != 60 and char != 62 and char != 92
        )
    return char == 0xDF or 0x130 <= char <= 0x212A or char >= 0xFB00


@kernel
def _is_utf8(data: Any, at: Any, end: Any) -> Any:
    """Tell whether bytes are valid UTF-8 (RFC 3629)."""
    i = at
    while i < end:
        lead = data[i]
        if lead < 0x80:
            i += 1
            continue
        low, high = 0x80, 0xBF
        if 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more = 2
            if lead == 0xE0:
                low = 0xA0
            elif lead == 0xED:
                high = 0x9F
        elif 0xF0 <= lead <= 0xF4:
            more = 3
            if lead == 0xF0:
                low = 0x90
            elif lead == 0xF4:
                high = 0x8F
        else:
            return False
        if i + more >= end:
            return False
        if data[i + 1] < low or data[i + 1] > high:
            return False
        for k in range(2, more + 1):
            if data[i + k] < 0x80 or data[i + k] > 0xBF:
                return False
        i += more + 1
    return True


_EVEN: Final = np.uint64(0x5555555555555555)
_ONE: Final = np.uint64(1)


@inlined
def _escaped(slashes: Any, carry: Any) -> Any:
    """Return which characters a backslash before them escapes, and whether the first one of the next bytes is.

    A run of backslashes escapes every second character, counted from its start: adding the runs that start at an odd
    place to the backslashes carries a bit to the end of each, which tells runs of odd length.
    """
    slashes &= ~carry
    follows = (slashes << _ONE) | carry
    odd_starts = slashes & ~_EVEN & ~follows
    ends = odd_starts + slashes
    return (_EVEN ^ (ends << _ONE)) & follows, np.uint64(1 if ends < slashes else 0)


@inlined
def _string_end(data: Any, start: Any) -> Any:
    """Return the place of the quote that ends a text, and 1 when it has escapes, 3 when some may hide a keyword.

    -1: only the slow reader can tell.
    """
    i = np.int64(start)
    escapes = np.int64(0)
    wide = carry = np.uint64(0)
    while True:
        quotes, slashes, control, beyond = text_masks(data, i)
        below = ~np.uint64(0)
        escaped = np.uint64(0)
        if slashes | carry:
            escaped, carry = _escaped(slashes, carry)
            quotes &= ~escaped
        if quotes:
            below = (quotes & (~quotes + _ONE)) - _ONE
        if control & below:
            return np.int64(-1), escapes
        wide |= beyond & below
        escaped &= below
        if escaped:
            escapes |= 1
            known, unicode = escape_masks(data, i)
            if escaped & ~known:
                return np.int64(-1), escapes
            unicode &= escaped
            while unicode:
                char = _unicode_escape(data, i + lowest_bit(unicode) + 1)
                if char == 0:
                    return np.int64(-1), escapes
                if _may_be_searched(char):
                    escapes |= 2
                unicode &= unicode - _ONE
        if quotes:
            i += lowest_bit(quotes)
            if wide and not _is_utf8(data, start, i):
                return np.int64(-1), escapes
            return i, escapes
        i += WIDTH


@inlined
def _is_end(byte: Any) -> Any:
    """Tell whether a byte may follow a number or a word."""
    return byte == 44 or byte == 125 or byte == 93 or byte == 32 or byte == 13 or byte == 10 or byte == 9


@inlined
def _digits_end(data: Any, at: Any) -> Any:
    i = np.int64(at)
    while 48 <= data[i] <= 57:
        i += 1
    return i


@inlined
def _number_end(data: Any, start: Any) -> Any:
    """Return the place after a number and its kind; -1 when it is none, or so large that parsers differ."""
    i = np.int64(start)
    if data[i] == 45:
        i += 1
    first = i
    i = _digits_end(data, first)
    if i == first or (data[first] == 48 and i > first + 1):
        return np.int64(-1), OTHER
    kind = INTEGER
    if i - first > 18 or (data[first] == 48 and first > start):
        kind = OTHER
    if data[i] == 46:
        kind = OTHER
        point = i + 1
        i = _digits_end(data, point)
        if i == point:
            return np.int64(-1), OTHER
    if data[i] | 32 == 101:
        kind = OTHER
        i += 1
        if data[i] == 43 or data[i] == 45:
            i += 1
        power = i
        i = _digits_end(data, power)
        if i == power or i > power + 2:
            return np.int64(-1), OTHER
    if i - start > MAX_DIGITS:
        return np.int64(-1), OTHER
    return (i if _is_end(data[i]) else np.int64(-1)), kind


@inlined
def _scalar_end(data: Any, i: Any) -> Any:
    """Return the place after a number or word, and its kind; -1 when it is neither."""
    byte = data[i]
    if byte == 45 or 48 <= byte <= 57:
        return _number_end(data, i)
    word = load8(data, i)
    if low_bytes(word, 4) == np.uint64(0x65757274):
        return (np.int64(i + 4) if _is_end(data[i + 4]) else np.int64(-1)), TRUE
    if low_bytes(word, 5) == np.uint64(0x65736C6166):
        return (np.int64(i + 5) if _is_end(data[i + 5]) else np.int64(-1)), FALSE
    if low_bytes(word, 4) == np.uint64(0x6C6C756E):
        return (np.int64(i + 4) if _is_end(data[i + 4]) else np.int64(-1)), NULL
    return np.int64(-1), OTHER


@inlined
def _skip_space(data: Any, at: Any) -> Any:
    i = np.int64(at)
    while data[i] == 32 or data[i] == 9 or data[i] == 13:
        i += 1
    return i


@kernel
def _skip_nested(data: Any, start: Any) -> Any:
    """Return the place after an array or object, and bit 2 when an escape in it may hide a keyword; -1: not valid here."""
    i = np.int64(start)
    kinds = np.uint64(0)  # one bit a level: 1 for an object
    depth = 0
    wide = np.int64(0)
    wants_value = True
    while True:
        i = _skip_space(data, i)
        byte = data[i]
        if wants_value:
            if byte == 123 or byte == 91:
                if depth >= MAX_DEPTH:
                    return np.int64(-1), wide
                kinds = (kinds << np.uint64(1)) | np.uint64(1 if byte == 123 else 0)
                depth += 1
                i = _skip_space(data, i + 1)
                if data[i] == (125 if byte == 123 else 93):
                    wants_value = False
                    continue
                if byte == 91:
                    continue
            elif byte == 34:
                i, escapes = _string_end(data, i + 1)
                if i < 0:
                    return i, wide
                wide |= escapes
                i += 1
                wants_value = False
                continue
            else:
                i, _ = _scalar_end(data, i)
                if i < 0:
                    return i, wide
                wants_value = False
                continue
        elif byte == 44:
            i = _skip_space(data, i + 1)
            wants_value = True
            if not kinds & np.uint64(1):
                continue
        elif byte == (125 if kinds & np.uint64(1) else 93):
            kinds >>= np.uint64(1)
            depth -= 1
            i += 1
            if depth == 0:
                return i, wide
            continue
        else:
            return np.int64(-1), wide
        # here: a key of an object
        if data[i] != 34:
            return np.int64(-1), wide
        i, escapes = _string_end(data, i + 1)
        if i < 0:
            return i, wide
        wide |= escapes
        i = _skip_space(data, i + 1)
        if data[i] != 58:
            return np.int64(-1), wide
        i += 1


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
def _read_line(
    data: Any, start: Any, slots: Any, keys: Any, text: Any, containers: Any, stack: Any, tokens: Any, token: Any
) -> Any:
    """Read the object that begins at a place, and write its tokens.

    Return the place after it (-1: slow), the next token, the layout, and bit 2 when an escape may hide a keyword.
    """
    limit = token + MAX_ROW_TOKENS
    bad = np.int64(-1)
    depth = 0
    container = np.int64(0)
    met = np.uint64(1)
    layout = np.int64(0)
    spaced = told = np.int64(0)
    wide = np.int64(0)
    i = _skip_space(data, start + 1)
    closing = data[i] == 125
    while True:
        if closing:
            i += 1
            if depth == 0:
                whole = told & containers[0, 2] == containers[0, 2]
                return (i if whole else bad), token, layout + spaced, wide
            depth -= 1
            container = stack[depth]
        else:
            if data[i] != 34:
                return bad, token, layout, wide
            at = i + 1
            i, escapes = _string_end(data, at)
            if i < 0 or escapes:
                return bad, token, layout, wide
            size = i - at
            i = _skip_space(data, i + 1)
            if data[i] != 58:
                return bad, token, layout, wide
            i = _skip_space(data, i + 1)
            key = _find_key(slots, keys, text, data, at, size, container)
            flags = containers[container, 0]
            name, inner = np.int64(-1), np.int64(-1)
            if key >= 0:
                name, inner = np.int64(keys[key, _NAME]), np.int64(keys[key, _INNER])
                if keys[key, _FLAGS] & REFUSE:
                    return bad, token, layout, wide
            elif flags & STRICT:
                return bad, token, layout, wide
            if flags & FIELDS and spaced == 0 and _has_space(data, at, size):
                spaced = np.int64(1)
            if flags & NO_AT and size and data[at] == 64:
                return bad, token, layout, wide
            byte = data[i]
            if inner >= 0:  # of a key that comes twice the last value counts, and tokens of an inner one cannot be taken back
                bit = np.uint64(1) << np.uint64(inner)
                if met & bit:
                    return bad, token, layout, wide
                met |= bit
            if byte == 123 and inner >= 0:
                if depth >= _OPEN_MOST:
                    return bad, token, layout, wide
                if containers[inner, 1] > layout:
                    layout = np.int64(containers[inner, 1])
                    told = np.int64(0)
                stack[depth] = container
                depth += 1
                container = inner
                i = _skip_space(data, i + 1)
                closing = data[i] == 125
                continue
            at = i
            if byte == 34:
                at = i + 1
                i, escapes = _string_end(data, at)
                kind = ESCAPED if escapes else TEXT
                size = i - at
                wide |= escapes
                i += 1
                if size < -1:
                    return bad, token, layout, wide
            elif byte == 123 or byte == 91:
                i, escapes = _skip_nested(data, i)
                kind = OTHER
                size = i - at
                wide |= escapes
            else:
                i, kind = _scalar_end(data, i)
                size = i - at
            if i <= 0:
                return bad, token, layout, wide
            if key >= 0 and keys[key, _FLAGS] & (NOT_NULL if kind == NULL else OBJECT_ONLY):
                return bad, token, layout, wide
            if name >= 0:
                if kind != NULL and containers[container, 1] == layout:
                    told |= np.int64(keys[key, _FLAGS])
                if token >= limit:
                    return bad, token, layout, wide
                tokens[token, 0] = name
                tokens[token, 1] = kind
                tokens[token, 2] = at
                tokens[token, 3] = size
                token += 1
        i = _skip_space(data, i)
        if data[i] == 44:
            i = _skip_space(data, i + 1)
            closing = False
        elif data[i] == 125:
            closing = True
        else:
            return bad, token, layout, wide


@kernel
def _read_lines(
    data: Any,
    start: Any,
    end: Any,
    line: Any,
    slots: Any,
    keys: Any,
    text: Any,
    containers: Any,
    stack: Any,
    rows: Any,
    tokens: Any,
    row: Any,
    token: Any,
) -> Any:
    """Read lines into rows until the end, or until there is no room; return the place, line, row and token reached."""
    i = start
    while i < end and row < len(rows) and token + MAX_ROW_TOKENS <= len(tokens):
        at = _skip_space(data, i)
        line += 1
        if at >= end or data[at] == 10:
            i = at + 1
            continue
        before = token
        slow = data[at] != 123
        after = at
        if not slow:
            after, token, layout, wide = _read_line(data, at, slots, keys, text, containers, stack, tokens, token)
            if after >= 0:
                after = _skip_space(data, after)
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
        block.data, start, end, line, *paths, stack, block.row_table, block.token_table, block.rows, block.tokens
    )
    return int(place), int(line)


__all__ = [
    "ESCAPED",
    "FALSE",
    "FIELDS",
    "INTEGER",
    "NOT_NULL",
    "NO_AT",
    "NULL",
    "OBJECT_ONLY",
    "OTHER",
    "REFUSE",
    "STRICT",
    "TELLS_CHANNEL",
    "TELLS_EVENT_ID",
    "TEXT",
    "TRUE",
    "PathTable",
    "Paths",
    "read_lines",
]
