"""The findings that a report is made of: JSON Lines as a scan writes them, read as often as needed, a line at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from tocsin.errors import SourceError, Where
from tocsin.findings import Finding

_HINT: Final = "a report is made of what 'tocsin scan -o findings.jsonl' writes"
_DECODER: Final = msgspec.json.Decoder(Finding)


class FindingsFile:
    """A file of findings. Every reading gives the same findings, or raises.

    Raises: SourceError F001 when it cannot be opened, F006 for a line that is no finding, F010 when it changed meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = self._stat()

    def __iter__(self) -> Iterator[Finding]:
        """Yield the findings in their order."""
        try:
            with self.path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield self._finding(line, number)
        except OSError as error:
            if isinstance(error, SourceError):
                raise
            raise self._unreadable(error) from error
        if self._stat() != self._state:
            raise SourceError("F010", f"{self.path}: changed while it was read", hint="make the report again")

    def _finding(self, line: bytes, number: int) -> Finding:
        try:
            return _DECODER.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            where = Where(str(self.path), number)
            raise SourceError("F006", f"the line is no finding: {error}", where=where, hint=_HINT) from error

    def _stat(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError as error:
            raise self._unreadable(error) from error
        return found.st_size, found.st_mtime_ns

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError("F001", f"{self.path}: cannot be opened: {error.strerror or error}")


__all__ = ["FindingsFile"]
