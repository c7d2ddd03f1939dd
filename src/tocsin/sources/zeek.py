"""Zeek's tab-separated logs, each described by its own header; also several in one file, rotated or without an end.

The directives `#separator`, `#set_separator`, `#empty_field`, `#unset_field`, `#path`, `#fields` and `#types` begin a log, and
may come again anywhere. Other lines that begin with `#` are comments. Rows without any header are read as far as they
are surely those of a connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final, NamedTuple

from tocsin.errors import SourceError
from tocsin.sources.interface import RECORD_BYTES, Loss, Records, Stream, group_events
from tocsin.sources.text import Losses, decode, head_lines, utf8_blocks
from tocsin.sources.zeek_headless import is_row, layout_of
from tocsin.sources.zeek_layout import Layout, decoder_of, unescape

_HEAD_LINES: Final = 40
_SEPARATOR: Final = re.compile(r"#separator (?:\\x[0-9a-fA-F]{2}|[^\\\s]){1,8}\s*")
_SETTINGS: Final[dict[str, str]] = {
    "#set_separator": "set_separator",
    "#empty_field": "empty",
    "#unset_field": "unset",
    "#path": "path",
}
_START: Final = Layout(())


class ZeekSource:
    """Tab-separated logs of Zeek."""

    name: ClassVar[str] = "zeek"

    def recognise(self, head: bytes) -> bool:
        """Tell by a directive before the first row, or by that row."""
        for line in head_lines(head, _HEAD_LINES):
            if not line.startswith("#"):
                return is_row(line)
            if _SEPARATOR.fullmatch(line) or line.startswith("#fields\t"):
                return True
        return False

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield the rows."""
        faults: list[SourceError] = []
        losses = Losses()
        reader = _Reader(losses, stream.label)
        for chunk in _chunks(utf8_blocks(stream, faults), RECORD_BYTES):
            yield from reader.read(chunk)
        yield from losses.close()
        yield from map(Loss, faults)


class _Chunk(NamedTuple):
    """Whole lines without the last line break; `data` is None for a line that is too long, `cut`: the file ends inside it."""

    data: bytes | None
    cut: bool = False


def _chunks(blocks: Iterable[bytes], limit: int) -> Iterator[_Chunk]:
    """Yield lines, many at a time; no more than `limit` of one is ever held."""
    parts: list[bytes] = []
    held = 0
    for block in blocks:
        at = block.rfind(b"\n")
        if at < 0:
            held += len(block)
            parts = [*parts, block] if held <= limit else []
            continue
        start = 0
        if held > limit:
            start = block.find(b"\n") + 1
            parts = []
            yield _Chunk(None)
        if start <= at:
            yield _Chunk(b"".join((*parts, block[start:at])))
        parts, held = ([block[at + 1 :]] if at + 1 < len(block) else []), len(block) - at - 1
    if held:
        yield _Chunk(b"".join(parts) if held <= limit else None, cut=True)


class _Reader:
    """Reads lines, knowing the header that is in force."""

    def __init__(self, losses: Losses, label: str) -> None:
        self._losses = losses
        self._label = label
        self._layout = _START
        self._number = 0

    def read(self, chunk: _Chunk) -> Iterator[Records | Loss]:
        """Yield the rows of a chunk."""
        if chunk.data is None:
            self._number += 1
            yield from self._losses.add("F013", f"longer than {RECORD_BYTES} bytes", self._number)
            return
        data = chunk.data.replace(b"\r\n", b"\n") if b"\r" in chunk.data else chunk.data
        lines = data.removesuffix(b"\r").split(b"\n")
        if b"\n#" not in data and not data.startswith(b"#"):
            yield from self._rows(lines, chunk.cut)
            return
        rows: list[bytes] = []
        for line in lines:
            if not line.startswith(b"#"):
                rows.append(line)
                continue
            yield from self._rows(rows)
            rows = []
            self._number += 1
            self._direct(decode(line))
        yield from self._rows(rows, chunk.cut)

    def _direct(self, line: str) -> None:
        """Take a directive; a comment changes nothing."""
        if _SEPARATOR.fullmatch(line):
            self._layout = replace(_START, separator=unescape(line.split(" ")[1].strip()))
            return
        name, *values = line.split(self._layout.separator)
        if name == "#fields":
            self._layout = replace(self._layout, fields=tuple(values), types=())
        elif name == "#types":
            self._layout = replace(self._layout, types=tuple(values))
        elif name in _SETTINGS and values:
            changed: dict[str, Any] = {_SETTINGS[name]: unescape(self._layout.separator.join(values))}
            self._layout = replace(self._layout, **changed)

    def _rows(self, lines: list[bytes], cut: bool = False) -> Iterator[Records | Loss]:
        """Yield rows; those whose number of columns is not that of the header follow, with what can be read of them."""
        if not lines:
            return
        if not self._layout.fields:
            yield from self._guess(lines)
        first = self._number + 1
        self._number += len(lines)
        layout = self._layout
        breaks = len(layout.fields) - 1
        separator = layout.separator.encode()
        counts = [line.count(separator) for line in lines]
        if breaks > 0 and counts.count(breaks) == len(lines):
            yield self._records(lines, range(first, first + len(lines)))
            return
        numbered = list(enumerate(lines, first))
        whole = [item for item, count in zip(numbered, counts, strict=True) if count == breaks and item[1]]
        if whole:
            yield self._records([line for _, line in whole], [number for number, _ in whole])
        for (number, line), count in zip(numbered, counts, strict=True):
            if count != breaks and line:
                is_cut = cut and number == self._number and count < breaks
                yield from self._broken_row(line, number, count + 1, is_cut)

    def _guess(self, lines: list[bytes]) -> Iterator[Loss]:
        """Take the columns of rows without a header from what a connection's rows have."""
        at, row = next(((at, decode(line)) for at, line in enumerate(lines) if line), (0, ""))
        if self._layout == _START and is_row(row):
            self._layout, is_known = layout_of(self._label, row)
            if not is_known:
                yield from self._losses.add("F006", "no header: columns from the seventh have no names", self._number + at + 1)

    def _records(self, rows: list[bytes], numbers: Sequence[int]) -> Records:
        decoder = decoder_of(self._layout)
        return Records(decoder, self._layout.gate, list(rows), list(numbers), sum(map(len, rows)))

    def _broken_row(self, row: bytes, number: int, columns: int, cut: bool) -> Iterator[Records | Loss]:
        layout = self._layout
        sample = decode(row[:200])
        if not layout.fields:
            yield from self._losses.add("F006", "a row before any #fields", number, sample=sample)
            return
        reason = f"{columns} columns, where the header has {len(layout.fields)}"
        if cut:
            yield from self._losses.add("F005", f"the file ends inside a row: {reason}", number, sample=sample)
        else:
            yield from self._losses.add("F006", reason, number, sample=sample)
        if columns > 1:
            yield from group_events([layout.event(row, number)], len(row))


__all__ = ["ZeekSource"]
