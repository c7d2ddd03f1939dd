"""JSON Lines: one finding a line, so that the output is valid up to the last line at any time."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from tocsin.findings import Coverage
from tocsin.findings.text import safe_json


class JsonLinesSink:
    """A finding a line, in UTF-8; characters that a terminal would obey or hide are escaped."""

    name: ClassVar[str] = "jsonl"

    def begin(self, out: BinaryIO) -> None:
        """Write nothing."""

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Write one finding."""
        out.write(safe_json(line) + b"\n")

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Write nothing: the form has no place for what was looked at, which `--coverage` tells."""


__all__ = ["JsonLinesSink"]
