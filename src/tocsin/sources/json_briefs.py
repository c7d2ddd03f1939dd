"""What a finding shows of an event beside its text: time, host and record, read from the tokens of a row alone."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final

from tocsin.events import Brief
from tocsin.events.time import normal_time
from tocsin.kernels.block import NO_KIND, BlockReader
from tocsin.kernels.json_scan import ESCAPED, TEXT

FIELDS: Final = ("TimeCreated_SystemTime", "TimeCreated", "Computer", "EventRecordID")
"""The fields that a reader of blocks must number for this, those of a time first."""
_TIMES: Final = 2
_TEXTS: Final = (TEXT, ESCAPED)
"""Of other kinds than these, such as 0, a time may count as missing."""


class BriefReader:
    """Reads what the slow way would say of a row, or nothing when a value is not a plain text."""

    def __init__(self, reader: BlockReader, names: Sequence[Sequence[Sequence[int]]]) -> None:
        """Take, for each layout of the reader, the names of each of `FIELDS`, in the order that counts."""
        self._reader = reader
        self._names = names

    def brief(self, row: int, json: bytes) -> Brief | None:
        """Return what is known of a row whose text is `json`; None when only the whole event tells it."""
        block = self._reader.block
        begin, end = (int(block.row_end[row - 1]) if row else 0), int(block.row_end[row])
        tokens = {name: begin + at for at, name in enumerate(block.token_name[begin:end].tolist())}
        try:
            names = self._names[int(block.row_layout[row])]
            moment, other = [self._text(tokens, found, _TEXTS) for found in names[:_TIMES]]
            host, number = [self._text(tokens, found) for found in names[_TIMES:]]
        except ValueError:
            return None
        return Brief(normal_time(moment or other), host, int(block.row_number[row]), number, json)

    def _text(self, tokens: dict[int, int], names: Sequence[int], kinds: Container[int] = range(NO_KIND)) -> str:
        """Return the text of the first of the names that a row has, empty when it has none. Raises: ValueError for others."""
        token = next((tokens[name] for name in names if name in tokens), None)
        if token is None:
            return ""
        block = self._reader.block
        at, size = int(block.token_at[token]), int(block.token_size[token])
        kind, name = int(block.token_kind[token]), int(block.token_name[token])
        cell = self._reader.cell(name, kind, block.data[at : at + size].tobytes()) or ""
        if kind not in kinds or cell.startswith("\0"):
            raise ValueError("no plain text")
        return cell


__all__ = ["FIELDS", "BriefReader"]
