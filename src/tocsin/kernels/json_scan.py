"""The parts of JSON text, as kernels read them: where strings, numbers, words and nested values end, if they are valid."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tocsin.kernels.jit import inlined, kernel
from tocsin.kernels.simd import WIDTH, escape_masks, load8, low_bytes, lowest_bit, text_masks

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

MAX_DIGITS: Final = 100
"""The longest number; with it and an exponent of two digits no number is out of the range of a double."""
MAX_DEPTH: Final = 60
"""The deepest nesting of a skipped value."""


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
def string_end(data: Any, start: Any) -> Any:
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
def scalar_end(data: Any, i: Any) -> Any:
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
def skip_space(data: Any, at: Any) -> Any:
    """Return the first place from one on that is no blank; a line break is none."""
    i = np.int64(at)
    while data[i] == 32 or data[i] == 9 or data[i] == 13:
        i += 1
    return i


@kernel
def skip_nested(data: Any, start: Any) -> Any:
    """Return the place after an array or object, and bit 2 when an escape in it may hide a keyword; -1: not valid here."""
    i = np.int64(start)
    kinds = np.uint64(0)  # one bit a level: 1 for an object
    depth = 0
    wide = np.int64(0)
    wants_value = True
    while True:
        i = skip_space(data, i)
        byte = data[i]
        if wants_value:
            if byte == 123 or byte == 91:
                if depth >= MAX_DEPTH:
                    return np.int64(-1), wide
                kinds = (kinds << np.uint64(1)) | np.uint64(1 if byte == 123 else 0)
                depth += 1
                i = skip_space(data, i + 1)
                if data[i] == (125 if byte == 123 else 93):
                    wants_value = False
                    continue
                if byte == 91:
                    continue
            elif byte == 34:
                i, escapes = string_end(data, i + 1)
                if i < 0:
                    return i, wide
                wide |= escapes
                i += 1
                wants_value = False
                continue
            else:
                i, _ = scalar_end(data, i)
                if i < 0:
                    return i, wide
                wants_value = False
                continue
        elif byte == 44:
            i = skip_space(data, i + 1)
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
        i, escapes = string_end(data, i + 1)
        if i < 0:
            return i, wide
        wide |= escapes
        i = skip_space(data, i + 1)
        if data[i] != 58:
            return np.int64(-1), wide
        i += 1


__all__ = [
    "ESCAPED",
    "FALSE",
    "INTEGER",
    "MAX_DEPTH",
    "MAX_DIGITS",
    "NULL",
    "OTHER",
    "TEXT",
    "TRUE",
    "scalar_end",
    "skip_nested",
    "skip_space",
    "string_end",
]
