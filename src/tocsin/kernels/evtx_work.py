"""What the kernels of EVTX share: numbers that mean something, what is known of templates, and scratch space."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Small = npt.NDArray[np.int32]
Large = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

CHUNK: Final = 65536
FORM_WORDS: Final = 8192
"""The longest form of a template; a longer one is slow."""
MAX_SLOTS: Final = 1024
"""The most substitutions of a template instance; a record with more is slow."""
FIRST_RECORD: Final = 512
RECORD_HEAD: Final = 24
SMALLEST_RECORD: Final = 28
BODY: Final = 25
"""Where the part of a record begins that `sources.evtx_records` leaves as it is: after the header and one byte."""
DEFINITION_HEAD: Final = 24
MOST_NAMES: Final = 4096
LONGEST_NAME: Final = 255
MOST_PROBES: Final = 256
"""Taken slots of the table of templates after which one is not looked for any further, and slow."""

# What `walk` returns.
DONE: Final = 0
UNKNOWN: Final = 1
"""A template is met for the first time: its form is in `Work.form`."""

# What became of a chunk (`Work.chunk_state`).
SOUND: Final = 0
BROKEN: Final = 1
"""Only the slow reader can tell what this chunk holds; it has no rows."""
CIRCULAR: Final = 2
"""Its names are chained in a circle, which the slow reader must not follow; it has no rows."""
UNSOUND: Final = 3
"""It has no magic, or does not say how many records it holds; it has no rows."""
UNUSED: Final = 4
"""All zeros."""
SKIP: Final = 5
"""Set by the caller: leave this chunk out."""

# Numbers in `Work.state`.
ROWS: Final = 0
TOKENS: Final = 1
CHUNK_NUMBER: Final = 2
SLOW_ROWS: Final = 3
GENERATION: Final = 4
FORM: Final = 5
RECORD_ID: Final = 6
RECORDS: Final = 8
ODD_CHUNKS: Final = 7
"""How many chunks are neither sound nor unused nor left out."""
STATES: Final = 9

# What a template is (`Templates.role`).
REFUSED: Final = 0
OUTER: Final = 1
INNER: Final = 2
"""A section of data, nested in an event."""
INNER_USER: Final = 3
"""The one element in UserData, nested in an event."""

# What a use of a substitution means when the value is empty, and what else must hold.
ABSENT: Final = 0
EMPTY: Final = 1
NULL: Final = 2
WHEN_EMPTY: Final = 3
MUST_BE_TIME: Final = 4
IS_RECORD_ID: Final = 8
MUST_NOT_BE_LINUX: Final = 16

# Columns of `Templates.uses` and `Templates.constants`.
SLOT, NAME, ALIAS, MODE = range(4)
CONST_NAME, CONST_AT, CONST_SIZE = range(3)

# Value types of BinXML.
NULL_TYPE: Final = 0x00
STRING: Final = 0x01
ANSI: Final = 0x02
INT8, UINT8, INT16, UINT16, INT32, UINT32, INT64, UINT64 = range(0x03, 0x0B)
REAL32, REAL64, BOOL, BINARY, GUID, SIZE_T, FILETIME, SYSTIME, SID, HEX32, HEX64 = range(0x0B, 0x16)
BINXML: Final = 0x21
STRING_ARRAY: Final = 0x81

SPECIAL: Final = -1
REFUSE: Final = -2
WIDTH: Final = np.full(256, REFUSE, np.int32)
"""The width that a value of a type must have."""
for _kinds, _size in (
    ((INT8, UINT8), 1),
    ((INT16, UINT16), 2),
    ((INT32, UINT32, REAL32, BOOL, HEX32), 4),
    ((INT64, UINT64, REAL64, HEX64), 8),
    ((GUID,), 16),
    ((NULL_TYPE, STRING, ANSI, BINARY, SIZE_T, FILETIME, SYSTIME, SID, BINXML, STRING_ARRAY), SPECIAL),
):
    WIDTH[list(_kinds)] = _size
OPEN, CLOSE, NAMED, SUBSTITUTION, TEXT = range(1, 6)
TOKEN: Final = np.zeros(256, np.uint8)
"""What a token of a definition is; 0: nothing that is understood."""
for _kind, _tokens in (
    (OPEN, (0x01, 0x41)),
    (CLOSE, (0x02, 0x03, 0x04)),
    (NAMED, (0x06, 0x46, 0x09, 0x49)),
    (SUBSTITUTION, (0x0D, 0x0E)),
    (TEXT, (0x05, 0x45)),
):
    TOKEN[list(_tokens)] = _kind
KNOWN_TYPE: Final = np.zeros(256, np.uint8)
KNOWN_TYPE[[*range(0x16), 0x20, 0x21, 0x23, *range(0x81, 0x96)]] = 1
HIGHEST_ID: Final = 10**18
"""An event's own record id counts when it has at most 18 digits."""
LATEST_TIME: Final = 2_500_000_000_000_000_000
"""FILETIME of the year 9523; the library refuses times only after 9999."""


class Templates(NamedTuple):
    """What is known of templates; `table` is an open hash table of their numbers, plus one, and `seed` that of its hash.

    `store`: their forms, in words; `store_at` and `store_size` count words.
    """

    seed: Words
    table: Small
    store: Words
    store_at: Large
    store_size: Small
    role: Bytes
    layout: Bytes
    nested_slot: Small
    nested_role: Bytes
    array_slot: Small
    use_end: Small
    uses: Small
    constant_end: Small
    constants: Small


class Rows(NamedTuple):
    """Where rows and tokens are written: the block's own tables, and the templates of each row."""

    rows: Large
    tokens: Small
    outer: Small
    inner: Small


class Work(NamedTuple):
    """Scratch space and counters.

    `seen` maps an offset in the chunk to a template, for one chunk at a time. `form`: of a template. `kind`, `at`, `size`:
    the values of the outer, then of the nested instance; `instance`: their templates and how many values they have.
    `starts`: where the chunk's records begin, and where the last one ends. `slow_chunk` and `slow_place` tell which record
    of which chunk is slow; `chunk_records` counts all records of a chunk.
    """

    state: Large
    seen: Large
    form: Words
    kind: Bytes
    at: Large
    size: Small
    instance: Small
    starts: Small
    slow_chunk: Small
    slow_place: Small
    chunk_state: Bytes
    chunk_records: Small


def work_space(chunks: int) -> Work:
    """Return the scratch space for walking so many chunks at once."""
    slow = chunks * (CHUNK // SMALLEST_RECORD)
    return Work(
        np.zeros(STATES, np.int64),
        np.zeros(CHUNK, np.int64),
        np.zeros(FORM_WORDS + 1, np.uint64),
        np.zeros(2 * MAX_SLOTS, np.uint8),
        np.zeros(2 * MAX_SLOTS, np.int64),
        np.zeros(2 * MAX_SLOTS, np.int32),
        np.zeros((2, 2), np.int32),
        np.zeros(CHUNK // SMALLEST_RECORD + 2, np.int32),
        np.zeros(slow, np.int32),
        np.zeros(slow, np.int32),
        np.zeros(chunks, np.uint8),
        np.zeros(chunks, np.int32),
    )
