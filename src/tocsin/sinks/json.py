"""JSON: one object `{"findings": [...], "complete": true}`, a finding a line inside."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from tocsin.findings import Coverage
from tocsin.findings.text import safe_json


class JsonSink:
    """One object. `complete` stands last, where it is known; without it the output was cut off and is no valid JSON."""

    name: ClassVar[str] = "json"

    def __init__(self) -> None:
        self._before = b"\n"

    def begin(self, out: BinaryIO) -> None:
        """Open the object and its list."""
        self._before = b"\n"
        out.write(b'{"findings": [')

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Write one finding, with a comma before it when it is not the first."""
        out.write(self._before + safe_json(line))
        self._before = b",\n"

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Close the list and say whether the scan was complete, as the coverage defines it."""
        out.write(b'\n], "complete": ' + (b"true" if coverage.complete else b"false") + b"}\n")


__all__ = ["JsonSink"]
