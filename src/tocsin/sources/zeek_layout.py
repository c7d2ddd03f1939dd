"""The columns of a Zeek log: what its header says of them, how a row becomes an event, and just the columns that rules read."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from tocsin.events import KEYWORDS, TIME, Demand, Event, Gate, cell_column
from tocsin.events.time import normal_time
from tocsin.events.values import encode, encode_texts
from tocsin.sources.interface import EVENTS
from tocsin.sources.screen import KeywordScreen
from tocsin.sources.text import decode
from tocsin.sources.zeek_logs import log_of_keys

_LIST: Final = re.compile(r"(?:set|vector|list|table)\[(.*)\]")
_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,3})?")
_INTEGERS: Final = frozenset({"count", "int", "port"})
_DECIMALS: Final = frozenset({"double", "interval"})
_BOOLS: Final = {"T": True, "F": False}
_ESCAPED: Final = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")
_BACKSLASHES_TOO: Final = re.compile(r"(?:[^\\]|\\\\|\\x[0-9a-fA-F]{2})*")
_UNDO: Final = re.compile(r"\\\\|(?:\\x[0-9a-fA-F]{2})+")
_FEW_ROWS: Final = 16
"""Up to so many rows are read one by one: setting up the parser costs as much."""
_MOST_KEPT: Final = 1000
"""The decoder of a layout with more columns is not kept: no log has that many, and a hostile file any number of headers."""
_MADE: Final = "0123456789.+-eatrufls"
"""A needle of these characters may occur in a typed value (`true`, `1e-05`) without being in the row."""
_TEXT_CODES: Final = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Layout:
    """What the header of a log says; `path` is the log's name."""

    fields: tuple[str, ...]
    types: tuple[str, ...] = ()
    path: str = ""
    separator: str = "\t"
    set_separator: str = ","
    empty: str = "(empty)"
    unset: str = "-"

    @cached_property
    def gate(self) -> Gate:
        """Return the gate of all rows; a log that does not name itself is told by its columns."""
        return Gate("zeek", self.path or log_of_keys(frozenset(self.fields)), "")

    def kind(self, at: int) -> str:
        """Return the type of a column; one that the header does not give is text."""
        return self.types[at] if at < len(self.types) else "string"

    def value(self, text: str, kind: str) -> Any:
        """Return the typed value of a column that is set; text that does not fit its type stays text."""
        parts = _LIST.fullmatch(kind)
        if parts is None:
            return "" if text == self.empty else _scalar(text, kind)
        if text == self.empty:
            return []
        items = text.split(self.set_separator) if self.set_separator else [text]
        return [None if item == self.unset else "" if item == self.empty else _scalar(item, parts[1]) for item in items]

    def row_fields(self, row: bytes) -> dict[str, Any]:
        """Return the fields of a row; unset ones are absent, as in Zeek's JSON."""
        texts = decode(row).split(self.separator)
        return {
            name: self.value(text, self.kind(at))
            for at, (name, text) in enumerate(zip(self.fields, texts, strict=False))
            if text != self.unset
        }

    def event(self, row: bytes, number: int) -> Event:
        """Return the event of a row."""
        found = self.row_fields(row)
        return Event(self.gate, found, found, normal_time(found.get("ts")), "", number, decode(row))


def _scalar(text: str, kind: str) -> Any:
    if kind in _INTEGERS and _INTEGER.fullmatch(text):
        return int(text)
    if kind in _DECIMALS and _DECIMAL.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    if kind == "bool" and text in _BOOLS:
        return _BOOLS[text]
    return unescape(text) if "\\" in text else text


def unescape(text: str) -> str:
    r"""Undo Zeek's escapes: `\xNN` is a byte, `\\` a backslash.

    Old versions wrote backslashes as they are: a text in which one stands alone keeps them all.
    """
    return (_UNDO if _BACKSLASHES_TOO.fullmatch(text) else _ESCAPED).sub(_undone, text)


def _undone(found: re.Match[str]) -> str:
    text = found.group()
    return "\\" if text == "\\\\" else decode(bytes.fromhex(text.replace("\\x", "")))


@dataclass
class ZeekDecoder:
    """The decoder of the rows of one layout, which are raw lines."""

    layout: Layout
    _screens: dict[tuple[str, ...], KeywordScreen] = field(default_factory=dict)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: at for at, name in enumerate(self.layout.fields)}

    @cached_property
    def _is_plain(self) -> bool:
        """Tell whether the parser of tables reads such rows as they are."""
        names, separator = self.layout.fields, self.layout.separator
        return len(self._places) == len(names) > 1 and len(separator) == 1 and separator.isascii() and separator not in "\r\n"

    def columns(self, gate: Gate, raws: Sequence[bytes], demand: Demand) -> dict[str, pa.DictionaryArray]:
        """Return the columns of the demand; rows that the parser of tables does not understand are read slowly."""
        places = {name: at for name in demand.fields if (at := self._place(name)) >= 0}
        codes = self._codes(raws, sorted(set(places.values())))
        if codes is None:
            return EVENTS.columns(gate, [self.event(gate, raw, 0) for raw in raws], demand)
        found = {name: self._column(codes[at], name, at) for name, at in places.items()}
        if KEYWORDS in demand.fields:
            found[KEYWORDS] = self._keywords(raws, demand.screen)
        return found

    def event(self, gate: Gate, raw: bytes, number: int) -> Event:
        """Return the whole event."""
        return self.layout.event(raw, number)

    def _place(self, name: str) -> int:
        return self._places.get("ts" if name == TIME else name, -1)

    def _codes(self, raws: Sequence[bytes], places: list[int]) -> dict[int, pa.DictionaryArray] | None:
        """Return the texts of some columns; None when the rows are to be read one by one."""
        if not self._is_plain or len(raws) <= _FEW_ROWS:
            return None
        data = b"\n".join(raws)
        if b"\r" in data or data.startswith(codecs.BOM_UTF8) or not _is_utf8(data):
            return None
        if not places:
            return {}
        names = [str(at) for at in range(len(self.layout.fields))]
        wanted = [str(at) for at in places]
        try:
            table = pc.read_csv(
                pa.BufferReader(data),
                pc.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
                pc.ParseOptions(delimiter=self.layout.separator, quote_char=False, ignore_empty_lines=False),
                pc.ConvertOptions(include_columns=wanted, column_types=dict.fromkeys(wanted, _TEXT_CODES)),
            )
        except (pa.ArrowException, OverflowError):
            return None
        if table.num_rows != len(raws):
            return None
        return {at: table.column(name).combine_chunks() for at, name in zip(places, wanted, strict=True)}

    def _column(self, codes: Any, name: str, at: int) -> pa.DictionaryArray:
        """Return the column of cells. Cost: one conversion for each distinct text."""
        texts = codes.dictionary.to_pylist()
        cells = (
            [self._time(text) for text in texts] if name == TIME else [self._cell(text, self.layout.kind(at)) for text in texts]
        )
        if cells == texts:
            return codes
        places: dict[str | None, int] = {None: -1}
        moved = np.fromiter((places.setdefault(cell, len(places) - 1) for cell in cells), np.int32, len(cells))
        numbers = moved[codes.indices.to_numpy()]
        return pa.DictionaryArray.from_arrays(
            pa.array(numbers, pa.int32(), mask=numbers < 0), pa.array(list(places)[1:], pa.string())
        )

    def _cell(self, text: str, kind: str) -> str | None:
        return None if text == self.layout.unset else encode(self.layout.value(text, kind))

    def _time(self, text: str) -> str | None:
        return None if text == self.layout.unset else normal_time(self.layout.value(text, "time")) or None

    def _keywords(self, raws: Sequence[bytes], screen: tuple[str, ...]) -> pa.DictionaryArray:
        """Return the cells of all values, of the rows that may hold a needle.

        A row with a backslash may hold one in escapes.
        """
        if any(not set(needle).difference(_MADE) for needle in screen):
            wanted = set(range(len(raws)))
        else:
            if screen not in self._screens:
                self._screens[screen] = KeywordScreen(screen)
            wanted = self._screens[screen].rows(raws) | {row for row, raw in enumerate(raws) if b"\\" in raw}
        return cell_column(
            [encode_texts(self.layout.event(raw, 0).values()) if row in wanted else None for row, raw in enumerate(raws)]
        )


def _is_utf8(data: bytes) -> bool:
    try:
        return data.isascii() or bool(data.decode())
    except UnicodeDecodeError:
        return False


def decoder_of(layout: Layout) -> ZeekDecoder:
    """Return the decoder of a layout, the same for all logs with one header, so that their rows share a batch."""
    return _kept_decoder(layout) if len(layout.fields) <= _MOST_KEPT else ZeekDecoder(layout)


@lru_cache(maxsize=512)
def _kept_decoder(layout: Layout) -> ZeekDecoder:
    return ZeekDecoder(layout)


__all__ = ["Layout", "ZeekDecoder", "decoder_of", "unescape"]
