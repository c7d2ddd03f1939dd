"""EVTX chunks to rows and tokens: a record is its template and its substitution array.

A template's definition is brought into a form without offsets (`evtx_forms`), by which it is found again in any chunk; what it
means is told once, in Python (`sources.evtx_templates`). A record is either understood exactly or listed as slow.
Every offset and size is checked before it is followed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.kernels.block import SUSPECT
from tocsin.kernels.evtx_forms import (
    find_template,
    i64,
    small,
    u16,
    u32,
    word,
)
from tocsin.kernels.evtx_work import (
    ABSENT,
    ALIAS,
    ANSI,
    BINARY,
    BINXML,
    BROKEN,
    CHUNK,
    CHUNK_NUMBER,
    CIRCULAR,
    CONST_AT,
    CONST_NAME,
    CONST_SIZE,
    DEFINITION_HEAD,
    DONE,
    EMPTY,
    FILETIME,
    FIRST_RECORD,
    GENERATION,
    HIGHEST_ID,
    IS_RECORD_ID,
    LATEST_TIME,
    MAX_SLOTS,
    MODE,
    MOST_NAMES,
    MUST_BE_TIME,
    NAME,
    NULL_TYPE,
    ODD_CHUNKS,
    OUTER,
    RECORD_HEAD,
    RECORD_ID,
    RECORDS,
    ROWS,
    SID,
    SIZE_T,
    SKIP,
    SLOT,
    SLOW_ROWS,
    SMALLEST_RECORD,
    SOUND,
    SPECIAL,
    STRING,
    STRING_ARRAY,
    SYSTIME,
    TOKENS,
    UINT64,
    UNKNOWN,
    UNSOUND,
    UNUSED,
    WHEN_EMPTY,
    WIDTH,
)
from tocsin.kernels.jit import kernel


@kernel
def _names_sound(data: Any, base: int) -> int:
    """Check the chunk's table of names, which the library reads before anything else.

    BROKEN: an entry leaves the chunk, or may be no UTF-16. CIRCULAR: a chain never ends.
    """
    count = 0
    for bucket in range(64):
        at = u32(data, base + 128 + 4 * bucket)
        while at > 0:
            count += 1
            if count > MOST_NAMES:
                return CIRCULAR
            if at + 8 > CHUNK:
                return BROKEN
            length = u16(data, base + at + 6)
            if at + 10 + 2 * length > CHUNK:
                return BROKEN
            for char in range(base + at + 9, base + at + 9 + 2 * length, 2):
                if 0xD8 <= data[char] < 0xE0:
                    return BROKEN
            following = u32(data, base + at)
            at = 0 if following == at else following
    return SOUND


@small
def _special_fits(data: Any, at: Any, size: Any, kind: Any) -> Any:
    """Tell whether a value whose width is not fixed is one that the library reads as it lies."""
    if kind in (NULL_TYPE, ANSI, BINARY, BINXML):
        return True
    if kind == STRING:
        return size & 1 == 0
    if kind == FILETIME:
        return size == 8 and 0 <= i64(data, at) < LATEST_TIME
    if kind == SIZE_T:
        return size in (4, 8)
    if kind == SID:
        return size >= 8 and size == 8 + 4 * np.int64(data[at + 1])
    if kind == STRING_ARRAY:
        return size == 0 or (size & 1 == 0 and data[at + size - 2] == 0 and data[at + size - 1] == 0)
    return kind == SYSTIME and size == 16 and _time_fits(data, at)


@kernel
def _time_fits(data: Any, at: int) -> Any:
    """Tell whether a SYSTEMTIME is surely a date; what is doubtful goes to the slow reader."""
    return (
        1601 <= u16(data, at) < 9000
        and 1 <= u16(data, at + 2) <= 12
        and 1 <= u16(data, at + 6) <= 28
        and u16(data, at + 8) < 24
        and u16(data, at + 10) < 60
        and u16(data, at + 12) < 60
        and u16(data, at + 14) < 1000
    )


@small
def _instance(data: Any, base: int, at: int, end: int, role: int, templates: Any, work: Any) -> tuple[int, int]:
    """Take a template instance apart: its values go to the scratch arrays. Return its template and how many values it has.

    `role`: what the template must be. The template is -1 when the record is slow, -2 when the template was never met.
    """
    if at + 10 > end or data[at] != 0x0C:
        return -1, 0
    definition = u32(data, at + 6)
    at += 10
    if definition == at - base:
        if at + DEFINITION_HEAD > end:
            return -1, 0
        at += DEFINITION_HEAD + u32(data, at + 20)
    if definition >= CHUNK or at + 4 > end:
        return -1, 0
    stamp = work.state[GENERATION] << 32
    known = work.seen[definition] - stamp
    if known < 0:
        template = find_template(data, base, definition, templates, work)
        if template < -1:
            return template, 0
        known = template + 1
        work.seen[definition] = stamp + known
    template = known - 1
    if template < 0 or templates.role[template] != role:
        return -1, 0
    level = 0 if role == OUTER else 1
    count = u32(data, at)
    if count > MAX_SLOTS or at + 4 + 4 * count > end:
        return -1, 0
    return (template, count) if _values(data, at + 4, count, end, level, template, templates, work) else (-1, 0)


@small
def _values(data: Any, at: Any, count: int, end: int, level: int, template: int, templates: Any, work: Any) -> Any:
    """Note type, place and size of each value; tell whether all of them can be read as they lie."""
    value = at + 4 * count
    nested, array = templates.nested_slot[template], templates.array_slot[template]
    first = level * MAX_SLOTS
    for k in range(count):
        descriptor = word(data, at + 4 * k)
        size, kind = np.int64(descriptor & np.uint64(0xFFFF)), np.uint8((descriptor >> np.uint64(16)) & np.uint64(0xFF))
        if value + size > end:
            return False
        width = WIDTH[kind]
        if width != size:
            if width != SPECIAL or not _special_fits(data, value, size, kind):
                return False
            if (kind == BINXML and size > 0 and k != nested) or (kind == STRING_ARRAY and k != array):
                return False
        work.kind[first + k] = kind
        work.at[first + k] = value
        work.size[first + k] = size
        value += size
    if 0 <= nested < count and work.kind[first + nested] != BINXML and not _empty(data, first + nested, work):
        return False
    return value == end or data[value] == 0


@small
def _empty(data: Any, slot: Any, work: Any) -> Any:
    """Tell whether a value counts as empty."""
    kind, size, at = work.kind[slot], work.size[slot], work.at[slot]
    if kind == NULL_TYPE:
        return True
    if kind == STRING:
        return size == 0 or (data[at] == 0 and data[at + 1] == 0)
    if kind == ANSI:
        for k in range(size):
            if data[at + k] != 0:
                return False
        return True
    return size == 0


@small
def _passes(data: Any, slot: int, mode: int, work: Any) -> Any:
    """Tell whether a value is what a use demands of it; take the record id."""
    kind, at = work.kind[slot], work.at[slot]
    if mode & MUST_BE_TIME:
        return kind in (FILETIME, SYSTIME)
    if mode & IS_RECORD_ID:
        number = i64(data, at) if kind == UINT64 else -1
        work.state[RECORD_ID] = number
        return 0 <= number < HIGHEST_ID
    return work.size[slot] != 24 or data[at] != 0x4C


@small
def _emit(data: Any, level: int, template: int, count: int, tokens: int, found: tuple[Any, ...]) -> int:
    """Write the tokens of an instance; return how many tokens there are then, or -1 when the record is slow."""
    templates, rows, work = found
    start = templates.use_end[template - 1] if template else 0
    const = templates.constant_end[template - 1] if template else 0
    most = 2 * (templates.use_end[template] - start) + templates.constant_end[template] - const
    if tokens + most > len(rows.tokens):
        return -1
    for use in range(start, templates.use_end[template]):
        slot, mode = templates.uses[use, SLOT], templates.uses[use, MODE]
        kind, size, at = np.uint8(NULL_TYPE), np.int32(0), np.int64(0)
        if slot < count and not _empty(data, level * MAX_SLOTS + slot, work):
            slot += level * MAX_SLOTS
            if mode > WHEN_EMPTY and not _passes(data, slot, mode, work):
                return -1
            kind, size, at = work.kind[slot], work.size[slot], work.at[slot]
        elif mode & WHEN_EMPTY == ABSENT:
            continue
        elif mode & WHEN_EMPTY == EMPTY:
            kind = np.uint8(STRING)
        for column in (NAME, ALIAS):
            if templates.uses[use, column] >= 0:
                rows.tokens[tokens, 0] = templates.uses[use, column]
                rows.tokens[tokens, 1] = kind
                rows.tokens[tokens, 2] = at
                rows.tokens[tokens, 3] = size
                tokens += 1
    for use in range(const, templates.constant_end[template]):
        rows.tokens[tokens, 0] = templates.constants[use, CONST_NAME]
        rows.tokens[tokens, 1] = STRING
        rows.tokens[tokens, 2] = templates.constants[use, CONST_AT]
        rows.tokens[tokens, 3] = templates.constants[use, CONST_SIZE]
        tokens += 1
    return tokens


@small
def _record(data: Any, base: int, at: int, end: int, number: int, found: tuple[Any, ...]) -> int:
    """Write the row of a record whose BinXML lies between two places. Return 0, -1 (slow) or -2 (unknown template)."""
    templates, rows, work = found
    row, tokens = work.state[ROWS], work.state[TOKENS]
    if at + 5 > end or data[at] != 0x0F or row >= len(rows.rows):
        return -1
    place, stop, levels = at + 4, end, 1
    work.instance[1, 0] = -1
    for level in range(2):
        role = OUTER if level == 0 else templates.nested_role[work.instance[0, 0]]
        template, count = _instance(data, base, place, stop, role, templates, work)
        if template < 0:
            return template
        work.instance[level, 0], work.instance[level, 1] = template, count
        slot = templates.nested_slot[template]
        if level == 1 or slot < 0 or slot >= count or work.kind[slot] != BINXML or work.size[slot] == 0:
            break
        place, stop, levels = work.at[slot], work.at[slot] + work.size[slot], 2
        place += 4 if data[place] == 0x0F else 0
    work.state[RECORD_ID] = number
    flags = layout = 0
    for level in range(levels):
        template, count = work.instance[level, 0], work.instance[level, 1]
        tokens = _emit(data, level, template, count, tokens, found)
        if tokens < 0:
            return -1
        layout |= templates.layout[template]
        flags |= _ansi_flag(work, level * MAX_SLOTS, count)
    rows.rows[row, 0] = at - RECORD_HEAD
    rows.rows[row, 1] = end - at + SMALLEST_RECORD
    rows.rows[row, 2] = work.state[RECORD_ID]
    rows.rows[row, 3] = layout
    rows.rows[row, 4] = tokens
    rows.rows[row, 5] = flags
    rows.outer[row] = work.instance[0, 0]
    rows.inner[row] = work.instance[1, 0]
    work.state[ROWS] = row + 1
    work.state[TOKENS] = tokens
    return 0


@small
def _ansi_flag(work: Any, first: int, count: int) -> int:
    """Return SUSPECT when there is a text that is not UTF-16."""
    found = False
    for k in range(first, first + count):
        found |= work.kind[k] == ANSI and work.size[k] > 0
    return SUSPECT if found else 0


@kernel
def _is_chunk(data: Any, base: int) -> Any:
    """Tell a chunk by its magic, ElfChnk."""
    return word(data, base) == np.uint64(0x006B6E6843666C45)


@kernel
def _is_unused(data: Any, base: int) -> Any:
    """Tell whether a chunk is all zeros."""
    found = np.uint64(0)
    for at in range(base, base + CHUNK, 8):
        found |= word(data, at)
    return found == 0


@small
def _chunk(data: Any, base: int, chunk: int, found: tuple[Any, ...]) -> int:
    """Write the rows of a chunk. Return its state, or -2 when a template was never met."""
    work = found[2]
    promised = i64(data, base + 16) - i64(data, base + 8) + 1
    if not _is_chunk(data, base):
        return UNUSED if _is_unused(data, base) else UNSOUND
    state = _names_sound(data, base)
    if state == CIRCULAR:
        return state
    if not 0 < promised <= CHUNK // RECORD_HEAD or (i64(data, base + 8) < 0) != (i64(data, base + 16) < 0):
        return UNSOUND
    if state != SOUND:
        return state
    place, offset = 0, FIRST_RECORD
    free, last = u32(data, base + 48), i64(data, base + 32)
    while offset < free and offset + RECORD_HEAD <= CHUNK:
        magic, size = u32(data, base + offset), u32(data, base + offset + 4)
        if magic == 0:
            break
        number = i64(data, base + offset + 8)
        time = i64(data, base + offset + 16)
        if magic != 0x2A2A or size < SMALLEST_RECORD or offset + size > CHUNK or not 0 <= time < LATEST_TIME:
            return BROKEN
        at = base + offset
        work.starts[place], work.starts[place + 1], work.state[RECORDS] = offset, offset + size, place + 1
        outcome = _record(data, base, at + RECORD_HEAD, at + size - 4, number, found)
        if outcome == -2:
            return outcome
        if outcome < 0:
            work.slow_chunk[work.state[SLOW_ROWS]] = chunk
            work.slow_place[work.state[SLOW_ROWS]] = place
            work.state[SLOW_ROWS] += 1
        place += 1
        offset += size
        if number == last:
            break
    work.chunk_records[chunk] = place
    return SOUND if place == promised else BROKEN


@kernel
def walk(data: Any, base: int, chunks: int, templates: Any, rows: Any, work: Any) -> int:
    """Write the rows of the chunks that lie one after another from a place, going on where the last call stopped."""
    found = (templates, rows, work)
    state = work.state
    while state[CHUNK_NUMBER] < chunks:
        chunk = state[CHUNK_NUMBER]
        before = state[ROWS], state[TOKENS], state[SLOW_ROWS]
        if work.chunk_state[chunk] != SKIP:
            state[GENERATION] += 1
            outcome = _chunk(data, base + chunk * CHUNK, chunk, found)
            if outcome != SOUND:
                state[ROWS], state[TOKENS], state[SLOW_ROWS] = before
            if outcome == -2:
                return UNKNOWN
            work.chunk_state[chunk] = outcome
            state[ODD_CHUNKS] += outcome != SOUND and outcome != UNUSED
        state[CHUNK_NUMBER] += 1
    return DONE


__all__ = ["walk"]
