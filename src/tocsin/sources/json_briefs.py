"""What a finding shows of an event beside its text: time, host and record, read from the tokens of a row alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.events import Brief
from tocsin.events.time import normal_time
from tocsin.kernels.block import BlockReader

FIELDS: Final = ("TimeCreated_SystemTime", "TimeCreated", "Computer", "EventRecordID")
"""The fields that a reader of blocks must number for this."""


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
            moment, other, host, number = [self._text(tokens, names) for names in self._names[int(block.row_layout[row])]]
        except ValueError:
            return None
        return Brief(normal_time(moment or other), host, int(block.row_number[row]), number, json)

    def _text(self, tokens: dict[int, int], names: Sequence[int]) -> str:
        token = next((tokens[name] for name in names if name in tokens), None)
        if token is None:
            return ""
        block = self._reader.block
        at, size = int(block.token_at[token]), int(block.token_size[token])
        kind, name = int(block.token_kind[token]), int(block.token_name[token])
        cell = self._reader.cell(name, kind, block.data[at : at + size].tobytes()) or ""
        if cell.startswith("\0"):
            raise ValueError("no plain text")
        return cell


__all__ = ["FIELDS", "BriefReader"]
