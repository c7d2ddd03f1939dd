"""Definitions of templates, brought into a form without offsets, by which a template is found again in any chunk."""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.kernels.evtx_work import (
    BODY,
    CHUNK,
    DEFINITION_HEAD,
    FORM,
    FORM_WORDS,
    KNOWN_TYPE,
    LONGEST_NAME,
    MOST_PROBES,
    NAMED,
    OPEN,
    RECORDS,
    STRING,
    SUBSTITUTION,
    TEXT,
    TOKEN,
)
from tocsin.kernels.jit import CHECKED, inlined, kernel
from tocsin.kernels.simd import load8, product

small = kernel if CHECKED else inlined
"""With checks at every access inlining everything would take minutes to compile."""


@small
def word(data: Any, at: Any) -> Any:
    """Return eight bytes as a word."""
    return load8(data, at)


@small
def u16(data: Any, at: Any) -> Any:
    """Return two bytes as a number."""
    return np.int64(word(data, at) & np.uint64(0xFFFF))


@small
def u32(data: Any, at: Any) -> Any:
    """Return four bytes as a number."""
    return np.int64(word(data, at) & np.uint64(0xFFFFFFFF))


@small
def i64(data: Any, at: Any) -> Any:
    """Return eight bytes as a signed number; one over 2**63 is negative, which no check lets pass."""
    return np.int64(word(data, at))


@kernel
def _in_body(work: Any, first: int, last: int) -> Any:
    """Tell whether bytes of the chunk lie in the body of one record, up to the one that is being read."""
    low, high = 0, work.state[RECORDS]
    while high - low > 1:
        middle = (low + high) >> 1
        if work.starts[middle] <= first:
            low = middle
        else:
            high = middle
    return first >= work.starts[low] + BODY and last <= work.starts[low + 1]


@small
def _add_words(data: Any, at: Any, length: Any, form: Any, size: Any) -> Any:
    """Append bytes to a template's form, the last word filled with zeros; return the new size."""
    for k in range(0, length - 7, 8):
        form[size] = word(data, at + k)
        size += 1
    rest = length & 7
    if rest:
        form[size] = word(data, at + length - rest) & ((np.uint64(1) << np.uint64(8 * rest)) - np.uint64(1))
        size += 1
    return size


@small
def _add_name(data: Any, base: Any, at: Any, end: Any, work: Any, size: Any) -> Any:
    """Append the name to which a reference leads; return the place after the reference (and the name if it stands there).

    The place is beyond the end, and the size unchanged, when the name is not understood.
    """
    name = u32(data, at) if at + 4 <= end else CHUNK
    length = u16(data, base + name + 6) if name + 8 <= CHUNK else CHUNK
    if length > LONGEST_NAME or not _in_body(work, name, name + 10 + 2 * length):
        return end + 1, size
    form = work.form
    form[size - 1] |= np.uint64(length << 8)
    size = _add_words(data, base + name + 8, 2 * length, form, size)
    at += 4
    return at + 10 + 2 * length if at - base == name else at, size


@small
def _add_text(data: Any, at: Any, end: Any, form: Any, size: Any) -> Any:
    """Append a literal text; return the place after it, which is beyond the end when it is not understood."""
    length = 2 * u16(data, at + 1) if at + 3 <= end and data[at] == STRING else CHUNK
    if at + 3 + length > end or size + (length >> 3) + 1 > FORM_WORDS:
        return end + 1, size
    form[size - 1] |= np.uint64(length << 7)
    return at + 3 + length, _add_words(data, at + 3, length, form, size)


@kernel
def _write_form(data: Any, base: int, definition: int, work: Any) -> int:
    """Write a definition without offsets and sizes; return how many words that takes, or -1 when it is not understood.

    Each token is a word: its number, and from bit 8 the number of its substitution, or the length in UTF-16 of its name
    or text, which follows.
    """
    if definition + DEFINITION_HEAD > CHUNK:
        return -1
    at = base + definition + DEFINITION_HEAD
    end = at + u32(data, at - 4)
    if not _in_body(work, definition, end - base) or at + 4 > end or data[at] != 0x0F:
        return -1
    at += 4
    form = work.form
    size = 0
    while at < end and data[at] != 0:
        kind = TOKEN[data[at]]
        if size + LONGEST_NAME > FORM_WORDS or kind == 0:
            return -1
        form[size] = data[at]
        size += 1
        at += 1
        if kind == OPEN:
            more = 4 if data[at - 1] == 0x41 else 0
            at, size = _add_name(data, base, at + 6, end, work, size)
            at += more
        elif kind == NAMED:
            at, size = _add_name(data, base, at, end, work, size)
        elif kind == TEXT:
            at, size = _add_text(data, at, end, form, size)
        elif kind == SUBSTITUTION:
            form[size - 1] |= np.uint64(u16(data, at) << 8)
            at = at + 3 if at + 3 <= end and KNOWN_TYPE[data[at + 2]] else end + 1
        if at > end:
            return -1
    return size


@kernel
def fold(words: Any, count: int, seed: Any) -> Any:
    """Return the hash of a template's form, which is never negative. `seed`: two secret words."""
    found = np.uint64(count)
    for k in range(count):
        found = product(found ^ words[k] ^ seed[0], seed[1])
    return np.int64(found >> np.uint64(1))


@kernel
def find_template(data: Any, base: int, definition: int, templates: Any, work: Any) -> Any:
    """Return the number of the template that is defined at an offset; -1: not understood; -2: never met."""
    count = _write_form(data, base, definition, work)
    work.state[FORM] = count
    if count < 0:
        return -1
    mask = len(templates.table) - 1
    place = fold(work.form, count, templates.seed) & mask
    for _ in range(MOST_PROBES):
        number = templates.table[place] - 1
        if number < 0:
            return -2
        if templates.store_size[number] == count:
            at = templates.store_at[number]
            same = 0
            while same < count and templates.store[at + same] == work.form[same]:
                same += 1
            if same == count:
                return number
        place = (place + 1) & mask
    return -1


__all__ = ["find_template", "fold", "i64", "small", "u16", "u32", "word"]
