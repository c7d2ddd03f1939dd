"""Findings that a scan wrote as JSON Lines, read again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from tocsin.errors import SourceError, Where
from tocsin.findings.finding import Finding

LINE_BYTES: Final = 256 << 20
_HINT: Final = "it is made by: tocsin scan PATH -o findings.jsonl"
_decode: Final = msgspec.json.Decoder(Finding).decode


def read_findings(file: BinaryIO, label: str) -> Iterator[Finding | SourceError]:
    """Yield each finding of a stream, and an error F004 for each line that is none; blank lines are passed over.

    A line of more than 256 MiB is an error too, and ends the reading.
    """
    number = 0
    while line := file.readline(LINE_BYTES + 1):
        number += 1
        if len(line) > LINE_BYTES:
            yield SourceError("F004", f"a line is longer than {LINE_BYTES >> 20} MiB", where=Where(label, number), hint=_HINT)
            return
        if not line.strip():
            continue
        try:
            yield _decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            yield SourceError("F004", f"the line is no finding: {error}", where=Where(label, number), hint=_HINT)


__all__ = ["LINE_BYTES", "read_findings"]
