"""What the sources of text formats share: decoding to lines, losses by line, groups of events.

A text is UTF-8, or UTF-16 with a byte order mark or recognised by its NUL bytes; UTF-16 is turned into UTF-8 block by
block, so that everything after works on UTF-8. A line that is no UTF-8 is read as Latin-1, which loses nothing.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from tocsin.errors import SourceError
from tocsin.events import Event
from tocsin.sources.interface import RECORD_BYTES, Loss, Records, Stream, group_events

BLOCK_BYTES: Final = 256 << 10
"""How much is read at once, in bytes."""
GROUP_EVENTS: Final = 2000
"""The most events that are held back before they are yielded."""
GROUP_BYTES: Final = 4 << 20
"""The most raw bytes of events that are held back before they are yielded."""

_BOMS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_HEAD_BYTES: Final = 16384
_SAMPLE_BYTES: Final = 4096
_SAMPLE_CHARS: Final = 40
_FEW: Final = 20


class Line(NamedTuple):
    """A line without its line break: 1-based number, text, size in bytes as UTF-8."""

    number: int
    text: str
    size_bytes: int


class Sized(NamedTuple):
    """An event, its raw size, and whether it counts (see `Records.counted`)."""

    event: Event
    size_bytes: int
    counted: bool = True


class Losses:
    """What could not be read of one file, told in few losses.

    Neighbouring lines of one fault are joined; after twenty faults the rest is only counted.
    """

    def __init__(self, most: int = _FEW) -> None:
        self._most = most
        self._reported = 0
        self._more = 0
        self._open: tuple[str, str, str] | None = None
        self._first = self._last = 0

    def add(self, code: str, reason: str, first: int, last: int = 0, sample: str = "") -> Iterator[Loss]:
        """Note lost lines; yield the loss that this completes. The start of `sample`, the first line, is quoted."""
        if self._open and self._open[:2] == (code, reason) and first == self._last + 1:
            self._last = max(first, last)
            return
        yield from self._flush()
        self._open = (code, reason, sample)
        self._first, self._last = first, max(first, last)

    def close(self) -> Iterator[Loss]:
        """Yield what is left at the end of the file."""
        yield from self._flush()
        if self._more:
            yield Loss(SourceError("F006", f"{self._more} more lines could not be read"))
            self._more = 0

    def _flush(self) -> Iterator[Loss]:
        if self._open is None:
            return
        code, reason, sample = self._open
        self._open = None
        if self._reported >= self._most:
            self._more += self._last - self._first + 1
            return
        self._reported += 1
        place = f"line {self._first}" if self._first == self._last else f"lines {self._first}-{self._last}"
        quoted = f": {sample[:_SAMPLE_CHARS]!r}" if sample else ""
        yield Loss(SourceError(code, f"{place}: {reason}{quoted}"))


def encoding_of(head: bytes) -> tuple[str, int]:
    """Return the encoding that the first bytes show, and the length of the byte order mark."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name, len(mark)
    sample = head[:_SAMPLE_BYTES]
    half = len(sample) // 2
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if half > 1 and odd * 2 > half and even * 10 < half:
        return "utf-16-le", 0
    if half > 1 and even * 2 > half and odd * 10 < half:
        return "utf-16-be", 0
    return "utf-8", 0


def head_text(head: bytes, size: int = _HEAD_BYTES) -> str:
    """Return the text of the first bytes, for `recognise`; the last character may be cut off."""
    name, skip = encoding_of(head)
    data = head[skip : skip + size]
    if name != "utf-8":
        return data.decode(name, "ignore")
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return data.decode("latin-1")


def head_lines(head: bytes, most: int, size: int = _HEAD_BYTES) -> list[str]:
    """Return the first lines that are not blank, for `recognise`; the last may be cut off."""
    lines = [line.rstrip("\r") for line in head_text(head, size).split("\n")]
    return [line for line in lines if line.strip("\0 \t")][:most]


def decode(data: bytes) -> str:
    """Return the text of some bytes: UTF-8, or else Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def utf8_blocks(stream: Stream, faults: list[SourceError]) -> Iterator[bytes]:
    """Yield the stream in blocks, UTF-16 turned into UTF-8, without the byte order mark.

    A stream that breaks off ends here, and its error is added to `faults`, so that what was read before is kept.
    """
    name, skip = encoding_of(stream.head)
    decoder = codecs.getincrementaldecoder(name)("replace")
    try:
        stream.read(skip)
        for block in stream.blocks(BLOCK_BYTES):
            yield block if name == "utf-8" else decoder.decode(block).encode()
    except SourceError as error:
        faults.append(error)
    yield decoder.decode(b"", final=True).encode()


def read_lines(stream: Stream, losses: Losses, limit: int = RECORD_BYTES) -> Iterator[Line | Loss]:
    """Yield the lines of a text, in bounded memory; a line longer than `limit` bytes is a loss (F013).

    Lines end in LF or CR LF. The caller closes `losses`.
    """
    faults: list[SourceError] = []
    for number, data in enumerate(_byte_lines(utf8_blocks(stream, faults), limit), 1):
        if data is None:
            yield from losses.add("F013", f"longer than {limit} bytes", number)
        else:
            text = decode(data[:-1] if data.endswith(b"\r") else data)
            yield Line(number, text, len(data) + 1)
    yield from map(Loss, faults)


def _byte_lines(blocks: Iterable[bytes], limit: int) -> Iterator[bytes | None]:
    """Yield lines without LF; None for one that is too long, of which no more than `limit` is ever held."""
    parts: list[bytes] = []
    held = 0
    for block in blocks:
        *complete, rest = block.split(b"\n")
        for piece in complete:
            held += len(piece)
            yield b"".join((*parts, piece)) if held <= limit else None
            parts, held = [], 0
        held += len(rest)
        if held > limit:
            parts = []
        elif rest:
            parts.append(rest)
    if held:
        yield b"".join(parts) if held <= limit else None


def grouped(found: Iterable[Sized | Loss]) -> Iterator[Records | Loss]:
    """Yield events as records, in groups of bounded size; losses as they come."""
    waiting: list[Sized] = []
    held = 0
    for item in found:
        if isinstance(item, Loss):
            yield item
            continue
        waiting.append(item)
        held += item.size_bytes
        if len(waiting) >= GROUP_EVENTS or held >= GROUP_BYTES:
            yield from _records(waiting)
            waiting, held = [], 0
    yield from _records(waiting)


def _records(items: list[Sized]) -> Iterator[Records]:
    for counted in (True, False):
        events = [item.event for item in items if item.counted == counted]
        size = sum(item.size_bytes for item in items if item.counted == counted)
        yield from group_events(events, size, counted)


__all__ = [
    "BLOCK_BYTES",
    "GROUP_BYTES",
    "GROUP_EVENTS",
    "Line",
    "Losses",
    "Sized",
    "decode",
    "encoding_of",
    "grouped",
    "head_lines",
    "head_text",
    "read_lines",
    "utf8_blocks",
]
