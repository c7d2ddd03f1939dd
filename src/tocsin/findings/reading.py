"""Findings that a scan wrote as JSON Lines, read again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

import msgspec

from tocsin.errors import SourceError, Where
from tocsin.findings.finding import Finding

LINE_BYTES: Final = 256 << 20
_HINT: Final = "it is made by: tocsin scan PATH -o findings.jsonl"
_decode: Final = msgspec.json.Decoder(Finding).decode
T = TypeVar("T")


def read_lines(file: BinaryIO, label: str, decode: Callable[[bytes], T]) -> Iterator[tuple[int, T | SourceError]]:
    """Yield what each line of findings is decoded to after its number, and an error F006 for one that is none.

    Blank lines are passed over. A line of more than 256 MiB is an error F013, and ends the reading.
    """
    number = 0
    while line := file.readline(LINE_BYTES + 1):
        number += 1
        where = Where(label, number)
        if len(line) > LINE_BYTES:
            yield number, SourceError("F013", f"a line is longer than {LINE_BYTES >> 20} MiB", where=where, hint=_HINT)
            return
        if not line.strip():
            continue
        try:
            yield number, decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            yield number, SourceError("F006", f"the line is no finding: {error}", where=where, hint=_HINT)


def read_findings(file: BinaryIO, label: str) -> Iterator[Finding | SourceError]:
    """Yield each finding of a stream, and an error for each line that is none, as `read_lines` tells them."""
    for _, found in read_lines(file, label, _decode):
        yield found


class FindingsFile:
    """A file of findings that is read as often as needed, a line at a time. Every reading gives the same findings, or raises.

    Raises: SourceError F001 when it cannot be opened, F006 for a line that is no finding, F010 when it changed meanwhile, F013.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = self._stat()

    def __iter__(self) -> Iterator[Finding]:
        """Yield the findings in their order."""
        try:
            with self.path.open("rb") as file:
                for item in read_findings(file, str(self.path)):
                    if isinstance(item, SourceError):
                        raise item
                    yield item
        except OSError as error:
            if isinstance(error, SourceError):
                raise
            raise self._unreadable(error) from error
        if self._stat() != self._state:
            raise SourceError("F010", f"{self.path}: changed while it was read", hint="begin again when it is written")

    def _stat(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError as error:
            raise self._unreadable(error) from error
        return found.st_size, found.st_mtime_ns

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError("F001", f"{self.path}: cannot be opened: {error.strerror or error}")


__all__ = ["LINE_BYTES", "FindingsFile", "read_findings", "read_lines"]
