"""What a source is: it recognises a format by content and reads records that know their gate.

A source yields `Records` (raw records of one gate, with the decoder that understands them) and `Loss` (a part that could not
be read). It never raises for damaged content: what can be read is read, the rest is a loss with its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final, Protocol

import pyarrow as pa

from tocsin.errors import SourceError
from tocsin.events import HOST, KEYWORDS, TIME, Demand, Event, Gate, cell_column
from tocsin.events.values import encode, encode_texts
from tocsin.kernels.block import BlockReader, Rows

HEAD_BYTES = 65536
"""How much of a stream a source may see before it recognises the format, in bytes."""
_NAMED_LINES: Final = 5
_LOG_MAGIC: Final = b"ElfFile\0"
_LOG_HEAD_BYTES: Final = 4104
"""A Windows log is told by its header and the magic of its first chunk; there may be very many small ones."""
RECORD_BYTES = 64 << 20
"""The longest single record that is kept in memory, in bytes; a longer one is a loss (F013)."""


class Decoder(Protocol):
    """How the raw records of one shape are understood. One instance serves a whole run."""

    def columns(self, gate: Gate, raws: Sequence[Any], demand: Demand) -> dict[str, pa.DictionaryArray]:
        """Return a column of cells for each field of the demand that may occur; rows in the order of `raws`."""
        ...

    def event(self, gate: Gate, raw: Any, number: int) -> Event:
        """Return the whole event of one raw record."""
        ...


@dataclass(frozen=True, slots=True)
class Records:
    """Raw records of one gate in reading order.

    `numbers` are their record ids or 1-based lines; `counted` is False for a second view of records that were already
    yielded (the joined auditd event), which must not count as events again.
    """

    decoder: Decoder
    gate: Gate
    raws: list[Any]
    numbers: list[int]
    size_bytes: int
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Loss:
    """A part of a file that could not be read, and why."""

    error: SourceError


@dataclass(frozen=True, slots=True)
class LostLines(Loss):
    """Lines that are not of a file's format: the first of them, how many they are, and the fault of the first."""

    what: str
    count: int
    lines: tuple[int, ...]
    fault: str

    def after(self, lines: int) -> LostLines:
        """Return the same loss, so many lines later."""
        return lost_lines(self.what, self.count, tuple(line + lines for line in self.lines), self.fault)

    def and_later(self, other: LostLines) -> LostLines:
        """Return this loss and that of lines after it as one."""
        return lost_lines(self.what, self.count + other.count, self.lines + other.lines, self.fault)


def lost_lines(what: str, count: int, lines: Sequence[int], fault: str) -> LostLines:
    """Return the loss of lines that are not `what`."""
    first = tuple(lines[:_NAMED_LINES])
    if count == 1:
        message = f"line {first[0]}: not {what}: {fault}"
    else:
        named = ", ".join(map(str, first)) + (", ..." if count > len(first) else "")
        message = f"{count} lines are not {what}: {named}; the first, line {first[0]}: {fault}"
    return LostLines(SourceError("F006", message), what, count, first, fault)


class Stream:
    """A readable stream with its first bytes already known. `read(-1)` is never needed; `label` names it in messages.

    `path` is a file from which it comes, perhaps compressed, for a library that wants to open files itself. An error in
    the middle is raised after all bytes before it were returned. `modified` is when the file or archive member was last
    changed, in seconds since the epoch, 0 when that is not known. `position` counts the bytes that were read, `lines` the
    lines when it was read as lines. `is_lines`: it is known to be lines in UTF-8, of the format that its whole file has.
    """

    def __init__(self, file: BinaryIO, label: str) -> None:
        self._file = file
        self._error: SourceError | None = None
        self.label = label
        self.path: Path | None = None
        self.modified = 0.0
        self.position = 0
        self.lines = 0
        self.is_lines = False
        self.head = self._read_full(_LOG_HEAD_BYTES)
        if len(self.head) == _LOG_HEAD_BYTES and not self.head.startswith(_LOG_MAGIC):
            self.head += self._read_full(HEAD_BYTES - _LOG_HEAD_BYTES, kept=True)
        self._waiting = self.head

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes, fewer only at the end or before an error. Raises: SourceError, as `readinto` does."""
        if self._waiting:
            data, self._waiting = self._waiting[:size], self._waiting[size:]
            if len(data) < size:
                data += self._read_full(size - len(data), kept=True)
        else:
            data = self._read_full(size)
        self.position += len(data)
        return data

    def readinto(self, target: memoryview) -> int:
        """Fill the target, less only at the end or before an error; return the number of bytes, 0 only at the end.

        Saves a copy where the file can do the same. Raises: SourceError when it comes before any byte.
        """
        fill = getattr(self._file, "readinto", None)
        if self._waiting or fill is None:
            data = self.read(len(target))
            target[: len(data)] = data
            return len(data)
        if self._error:
            raise self._error
        filled = 0
        try:
            while filled < len(target) and (size := fill(target[filled:])):
                filled += size
        except SourceError as error:
            self._error = error
            if not filled:
                raise
        self.position += filled
        return filled

    def blocks(self, size: int) -> Iterator[bytes]:
        """Yield the rest in blocks of `size` bytes, the last one shorter."""
        while block := self.read(size):
            yield block

    def _read_full(self, size: int, kept: bool = False) -> bytes:
        """Read until there is enough, or the end; an error is raised when nothing, and nothing kept, came before it."""
        if self._error:
            if kept:
                return b""
            raise self._error
        parts: list[bytes] = []
        missing = size
        try:
            while missing and (data := self._file.read(missing)):
                parts.append(data)
                missing -= len(data)
        except SourceError as error:
            self._error = error
            if not parts and not kept:
                raise
        return parts[0] if len(parts) == 1 else b"".join(parts)


class Source(Protocol):
    """A format. The registry in `sources/__init__.py` lists one instance of each, most specific first."""

    name: ClassVar[str]

    def recognise(self, head: bytes) -> bool:
        """Tell from the first bytes whether this is the format."""
        ...

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Read the stream to its end, in bounded memory."""
        ...


class BlockSource(BlockReader, Protocol):
    """A source that reads into a block: a fast reader of the format `name`.

    `read` yields `Rows` (first row of the block, last row plus one) as they are added, and records for what only the slow
    way understands. Whoever takes the rows may clear the block between two items, and must when it is full. Rows with the
    flag `SLOW` are no events: they come as records too.
    """

    name: str

    def read(self, stream: Stream) -> Iterator[Rows | Records | Loss]:
        """Read a stream to its end."""
        ...

    def warm_up(self) -> None:
        """Load or compile the kernels."""
        ...

    def records(self, rows: Sequence[int]) -> Iterator[Records]:
        """Yield rows of the block as records for the slow way; they outlive the block."""
        ...


class EventDecoder:
    """The decoder of formats whose raw records are decoded events already; slow, and right for every format."""

    def columns(self, gate: Gate, raws: Sequence[Event], demand: Demand) -> dict[str, pa.DictionaryArray]:
        """Return a column of cells for each field of the demand."""
        found = {name: cell_column([_cell(event, name) for event in raws]) for name in demand.fields if name != KEYWORDS}
        if KEYWORDS in demand.fields:
            found[KEYWORDS] = cell_column([_keywords(event, demand.screen) for event in raws])
        return found

    def event(self, gate: Gate, raw: Event, number: int) -> Event:
        """Return the event itself."""
        return raw


def _cell(event: Event, name: str) -> str | None:
    if name == TIME:
        return event.time or None
    if name == HOST:
        return encode(event.host) if event.host else None
    present, value = event.find(name)
    return encode(value) if present else None


def _keywords(event: Event, screen: tuple[str, ...]) -> str | None:
    """Return the cell of all values; absent when none of the needles occurs, so that no keyword can match."""
    values = list(event.values())
    if screen:
        text = "\n".join(values).casefold()
        if not any(needle in text for needle in screen):
            return None
    return encode_texts(values)


EVENTS = EventDecoder()
"""The one instance of `EventDecoder`, so that records of one gate from many files share a batch."""


def group_events(events: Sequence[Event], size_bytes: int, counted: bool = True) -> Iterator[Records]:
    """Yield decoded events as records, grouped by gate, in order of first appearance."""
    groups: dict[Gate, list[Event]] = {}
    for event in events:
        groups.setdefault(event.gate, []).append(event)
    for gate, members in groups.items():
        share = size_bytes * len(members) // max(1, len(events))
        yield Records(EVENTS, gate, list(members), [event.record for event in members], share, counted)


__all__ = [
    "EVENTS",
    "HEAD_BYTES",
    "RECORD_BYTES",
    "BlockSource",
    "Decoder",
    "EventDecoder",
    "Loss",
    "LostLines",
    "Records",
    "Source",
    "Stream",
    "group_events",
    "lost_lines",
]
