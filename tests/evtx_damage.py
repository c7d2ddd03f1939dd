"""Damages EVTX files at random, in the places where it hurts."""

from __future__ import annotations

import re
import struct
from random import Random

HEADER = 4096
CHUNK = 65536
_TYPES = (*range(0x16), 0x21, 0x81, 0x86)
_TOKENS = (*range(7), 0x0C, 0x0D, 0x0E, 0x0F, 0x41, 0x46)
_NUMBERS = (0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 65535, 65536, 65540, 512, 550)
_NAMES = ("Data", "Name", "#text", "@Name", "Image", "xmlns", "Binary", "Channel", "EventID", "Computer", "#attributes", "a b")
_TEXT = re.compile(rb"\x05\x01(.)\x00((?:[ -~]\x00)+)")
_UNITS = (0xD800, 0xDC00, 0xDBFF, 0xDFFF, 0, 0x130, 0xDF, 0x212A)


def damaged(random: Random, data: bytes) -> bytes:
    """Return a file of a few of the chunks of another one, with one to many bytes changed; sometimes cut off or shuffled."""
    file = bytearray(data[: HEADER + CHUNK * random.randrange(1, 4)])
    chunks = (len(file) - HEADER) // CHUNK
    damage = random.choice((_flip, _token, _number, _table, _noise, _copy, _type, _unit, _name))
    for _ in range(random.choice((1, 1, 2, 5, 20, 200))):
        at = HEADER + CHUNK * random.randrange(chunks)
        used = min(CHUNK, max(1024, int.from_bytes(file[at + 48 : at + 52], "little")))
        damage(random, file, at, at + used)
    if random.random() < 0.05:
        del file[random.randrange(len(file)) :]
    elif random.random() < 0.05:
        one, other = (HEADER + CHUNK * random.randrange(chunks) for _ in range(2))
        file[one : one + CHUNK], file[other : other + CHUNK] = file[other : other + CHUNK], file[one : one + CHUNK]
    return bytes(file)


def _flip(random: Random, file: bytearray, start: int, end: int) -> None:
    file[random.randrange(start, end)] ^= 1 << random.randrange(8)


def _token(random: Random, file: bytearray, start: int, end: int) -> None:
    file[random.randrange(start + 512, end)] = random.choice(_TOKENS)


def _number(random: Random, file: bytearray, start: int, end: int) -> None:
    struct.pack_into("<I", file, random.randrange(start, end - 4), random.choice((*_NUMBERS, random.randrange(CHUNK))))


def _table(random: Random, file: bytearray, start: int, end: int) -> None:
    struct.pack_into("<I", file, start + 128 + 4 * random.randrange(96), random.randrange(70000))


def _noise(random: Random, file: bytearray, start: int, end: int) -> None:
    at = random.randrange(start + 512, end - 64)
    file[at : at + 64] = random.randbytes(64)


def _copy(random: Random, file: bytearray, start: int, end: int) -> None:
    size = random.randrange(256)
    source, target = (random.randrange(start + 512, end - size) for _ in range(2))
    file[target : target + size] = file[source : source + size]


def _type(random: Random, file: bytearray, start: int, end: int) -> None:
    """Change type or size in what looks like the description of a value."""
    for _ in range(50):
        at = random.randrange(start + 512, end - 4)
        if file[at + 1] == 0 and file[at + 3] == 0 and file[at + 2] < 0x22 and file[at] < 40:
            file[at + 2 if random.random() < 0.7 else at] = random.choice(_TYPES)
            return


def _unit(random: Random, file: bytearray, start: int, end: int) -> None:
    """Put an odd unit into what looks like UTF-16."""
    for _ in range(50):
        at = random.randrange(start + 512, end - 4)
        if file[at + 1] == 0 and file[at + 3] == 0 and 32 <= file[at] < 127 and 32 <= file[at + 2] < 127:
            struct.pack_into("<H", file, at, random.choice(_UNITS))
            return


def _name(random: Random, file: bytearray, start: int, end: int) -> None:
    """Put a name that means something in place of a constant of a template, such as that of an element of `Data`."""
    found = _TEXT.search(file, random.randrange(start + 512, end), end)
    size = found[1][0] if found else 0
    fitting = [name for name in _NAMES if len(name) == size]
    if found and fitting and 2 * size <= len(found[2]):
        file[found.start(2) : found.start(2) + 2 * size] = random.choice(fitting).encode("utf-16-le")
