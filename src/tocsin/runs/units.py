"""The work of a scan in units: whole files, and parts of large ones."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from tocsin.errors import SourceError
from tocsin.sources.expand import damage
from tocsin.sources.files import FoundFile
from tocsin.sources.interface import Source
from tocsin.sources.json import JsonSource
from tocsin.sources.json_text import text_encoding

PART_BYTES: Final = 64 << 20
"""Size of the parts of a large file of JSON lines, in bytes."""
LINES: Final[Source] = JsonSource()
"""The source of parts: that of their whole file, whatever a part alone may look like."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of work: a file (`path` None: standard input), or the bytes from `start` to `end` of one of JSON lines."""

    number: int
    file: int
    path: Path | None
    label: str
    size_bytes: int
    start: int = 0
    end: int = -1
    part: int = 0


def plan_units(files: Sequence[FoundFile], stdin: bool) -> list[Unit]:
    """Return the units of a scan, large files first divided where their format allows it."""
    units: list[Unit] = []
    if stdin:
        units.append(Unit(0, 0, None, "-", 0))
    for file in files:
        number = units[-1].file + 1 if units else 0
        for part, (start, end) in enumerate(_ranges(file)):
            size = (end if end >= 0 else file.size_bytes) - start
            units.append(Unit(len(units), number, file.path, file.label, size, start, end, part))
    return units


def _ranges(file: FoundFile) -> Iterator[tuple[int, int]]:
    if file.size_bytes < 2 * PART_BYTES:
        yield 0, -1
        return
    try:
        with file.path.open("rb") as opened:
            if _is_json_lines(opened):
                yield from _line_ranges(opened, file.size_bytes)
                return
    except OSError:
        pass  # the worker that reads the file reports why it cannot
    yield 0, -1


def _is_json_lines(file: BinaryIO) -> bool:
    head = file.read(1 << 20)
    if text_encoding(head) != "utf-8" or not LINES.recognise(head):
        return False
    return JsonSource.is_lines(head.removeprefix(codecs.BOM_UTF8)) and b"\n" in head


def _line_ranges(file: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Yield ranges that begin and end at line breaks; the byte order mark is in none."""
    file.seek(0)
    start = len(codecs.BOM_UTF8) if file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else 0
    while start < size:
        end = start + PART_BYTES
        end = _next_line(file, end, size) if end < size else size
        yield start, end
        start = end


def _next_line(file: BinaryIO, at: int, size: int) -> int:
    file.seek(at)
    while block := file.read(1 << 16):
        found = block.find(b"\n")
        if found >= 0:
            return at + found + 1
        at += len(block)
    return size


class FileSlice:
    """The bytes of a part of a file, readable like a file.

    Raises: SourceError F010 when the file shrank, F004 when it cannot be read on.
    """

    def __init__(self, file: BinaryIO, unit: Unit) -> None:
        self._file = file
        self._label = unit.label
        self._left = unit.end - unit.start
        file.seek(unit.start)

    def readinto(self, target: memoryview) -> int:
        """Fill the target as far as there are bytes; return their number."""
        with self._told():
            size = int(self._file.readinto(target[: self._left]))  # type: ignore[attr-defined]
        self._count(size)
        return size

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        with self._told():
            data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._count(len(data))
        return data

    def _count(self, size: int) -> None:
        if not size and self._left:
            raise SourceError("F010", f"the file became {self._left} bytes shorter while it was read")
        self._left -= size

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Make a failure of the device a loss with its place: what was read before it stays read."""
        try:
            yield
        except OSError as error:
            what = (
                f"a part cannot be read after byte {self._file.tell()}, and later parts count their lines without what it lost"
            )
            raise damage(self._label, what, error) from error


__all__ = ["LINES", "PART_BYTES", "FileSlice", "Unit", "plan_units"]
