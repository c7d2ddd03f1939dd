"""Single records of a chunk, decoded by the EVTX library without decoding the rest of the chunk.

The library walks a chunk from record to record by their sizes. In a copy of the chunk, each record before a wanted one is
made to reach up to it, and to hold nothing. The kernel has seen to it that no template or name of its rows lies where bytes
are changed, so that a wanted record reads as ever.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from tocsin.kernels.evtx_work import BODY
from tocsin.sources.evtx import HEADER_BYTES, parse

HEADER: Final = b"ElfFile\0" + bytes(24) + struct.pack("<IHHHH", 128, 1, 3, HEADER_BYTES, 1) + bytes(HEADER_BYTES - 44)
"""A file header with the sizes and the version that the library needs."""
Record = tuple[int, str]
"""Record id and JSON, as the library gives them."""
_FIRST: Final = 512
_FREE: Final = 48
_NAME_TABLE: Final = slice(128, 384)


def decode(chunk: bytes, places: Sequence[int]) -> list[Record]:
    """Return what the library makes of the rows at some offsets of a chunk, which are in order.

    Raises: ValueError when the library does not read them, though the kernel did.
    """
    changed = bytearray(chunk)
    changed[_NAME_TABLE] = bytes(_NAME_TABLE.stop - _NAME_TABLE.start)  # only a cache: names are found by their offset
    wanted = []
    at = _FIRST
    for place in places:
        if at != place:
            struct.pack_into("<I", changed, at + 4, place - at)
            changed[at + BODY - 1] = 0
            wanted.append(False)
        wanted.append(True)
        at = place + int.from_bytes(chunk[place + 4 : place + 8], "little")
    struct.pack_into("<I", changed, _FREE, at)
    found, errors = parse(HEADER + changed)
    if errors or len(found) != len(wanted):
        raise ValueError("the EVTX library does not read what the kernel read")
    return [item for keep, item in zip(wanted, found, strict=True) if keep]


__all__ = ["HEADER", "Record", "decode"]
