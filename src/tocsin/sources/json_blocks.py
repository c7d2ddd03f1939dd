"""JSON lines in blocks: the fast reader of the shapes that carry most evidence; all else goes to `JsonSource`."""

from __future__ import annotations

import codecs
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import hyperscan
import msgspec
import numpy as np
import numpy.typing as npt

from tocsin.errors import SourceError
from tocsin.events import Brief, Event, Gate
from tocsin.events.values import NULL_CELL, encode
from tocsin.kernels.block import PAD_BYTES, SUSPECT, Block, Rows
from tocsin.kernels.json import read_lines
from tocsin.kernels.json_scan import ESCAPED, FALSE, INTEGER, NULL, TEXT, TRUE
from tocsin.sources.hits import find_hits
from tocsin.sources.interface import RECORD_BYTES, Loss, Records, Stream
from tocsin.sources.json import JsonSorter, JsonSource, all_network
from tocsin.sources.json_briefs import FIELDS, BriefReader
from tocsin.sources.json_layouts import FLAT, Path
from tocsin.sources.json_paths import LAYOUTS, JsonPaths, gate_of
from tocsin.sources.json_shapes import plain
from tocsin.sources.json_text import BLOCK_BYTES, LONG_HINT, LossCounter, load_value, text_encoding
from tocsin.sources.screen import FOLDING_TO_ASCII, MOST_SCREENS, literal_database

_WORDS: Final = {TRUE: "true", FALSE: "false"}
_SYSTEM_ELEMENT: Final = 3
_TEXT_KEYS: Final = frozenset({"#text", "#attributes"})
_read_text: Final = msgspec.json.Decoder(str).decode


@dataclass(slots=True)
class _Rest:
    """What was read of a stream and is not in rows yet; whether that is all, and why the stream broke off."""

    data: bytes
    ended: bool = False
    fault: SourceError | None = None


class JsonBlocks:
    """Reads JSON lines into its block."""

    name: Final = "json"
    layouts: Sequence[str] = LAYOUTS
    sure_kinds = frozenset({TEXT, ESCAPED, INTEGER, TRUE, FALSE, NULL})
    null_kind = NULL
    time_kinds: Sequence[int] = (TEXT, ESCAPED)

    def __init__(self, fields: Iterable[str], block: Block) -> None:
        self.block = block
        self._paths = JsonPaths.of((*fields, *FIELDS))
        self._table = self._paths.table.compile()
        self._path_of: list[Path] = list(self._paths.numbers)
        self.name_count = len(self._path_of)
        self.names = self._paths.names
        self.gate_names = self._paths.gate_names
        self._sorter = JsonSorter()
        self._own_names = [[self._paths.system_names(layout, field) for field in FIELDS] for layout in range(len(LAYOUTS))]
        self._briefs = BriefReader(self, self._own_names)
        self._databases: dict[tuple[str, ...], hyperscan.Database] = {}

    def warm_up(self) -> None:
        """Load or compile the kernels."""
        read_lines(self.block, 0, 0, 0, self._table)

    def time_names(self, layout: int) -> tuple[int, ...]:
        """Return the names of the time, those that count first in the beginning."""
        moment, other, *_ = self._own_names[layout]
        return tuple(moment) + tuple(other)

    def host_names(self, layout: int) -> tuple[int, ...]:
        """Return System's computer."""
        return self._own_names[layout][FIELDS.index("Computer")]

    def gate(self, layout: int, channel: str, event_id: str) -> Gate | None:
        """Return the gate of these cells; None when only the slow reader can tell."""
        return gate_of(layout, channel, event_id)

    def cell(self, name: int, kind: int, raw: bytes) -> str | None:
        """Return the cell of a distinct value. Raises: ValueError when only the slow reader can tell."""
        if kind in (TEXT, INTEGER):
            return raw.decode()
        if kind == ESCAPED:
            return _read_text(b'"%b"' % raw)
        path = self._path_of[name]
        is_element = len(path) == _SYSTEM_ELEMENT and path[1] == "System"
        if kind == NULL:
            return None if is_element else NULL_CELL
        return _WORDS[kind] if kind in _WORDS else _cell_of_json(path, raw, is_element)

    def suspects(self, needles: tuple[str, ...]) -> npt.NDArray[np.bool_]:
        """Return for each row whether it may hold one of the needles. Cost: one search of the raw bytes."""
        block = self.block
        database = self._databases.get(needles)
        if database is None:
            if len(self._databases) >= MOST_SCREENS:
                self._databases.clear()
            database = self._databases[needles] = block_database(needles)
        row_at = block.row_at[: block.rows]
        hits = find_hits(database, block.view, 0, block.used, row_at)
        found: npt.NDArray[np.bool_] = (block.row_flags[: block.rows] & SUSPECT) != 0
        if hits:
            found[np.searchsorted(row_at, [place for _, place in hits], side="right") - 1] = True
        return found

    def events(self, rows: Sequence[int]) -> list[Event]:
        """Return the whole events of rows."""
        gate = Gate("", "", "")  # the decoder tells it anew
        return [FLAT.event(gate, self.block.raw(row), int(self.block.row_number[row])) for row in rows]

    def briefs(self, rows: Sequence[int]) -> list[Brief | None]:
        """Return what findings need of rows; None where only the whole event tells it."""
        texts = [self.block.raw(row).strip() for row in rows]  # one with a carriage return inside is written anew
        return [None if b"\r" in text else self._briefs.brief(row, text) for row, text in zip(rows, texts, strict=True)]

    def records(self, rows: Sequence[int]) -> Iterator[Records]:
        """Yield rows as records for the slow way. They hold copies of the rows' bytes."""
        items = [(int(self.block.row_number[row]), self.block.raw(row)) for row in rows]
        losses = LossCounter("")
        for item in chain(self._sorter.sort(items, losses), losses.end()):
            if isinstance(item, Loss):
                raise item.error
            yield item

    def read(self, stream: Stream) -> Iterator[Rows | Records | Loss]:
        """Read a stream to its end; rows that only the slow reader understands follow as records.

        The block may be cleared between two items, and must be when it is full.
        """
        mark = b"" if stream.is_lines else codecs.BOM_UTF8
        head = stream.head.removeprefix(mark)
        if not (stream.is_lines or _is_lines(stream.head, head)) or all_network(head):
            yield from JsonSource().read(stream)
            return
        losses = LossCounter(stream.label)
        rest = _Rest(stream.read(len(stream.head)).removeprefix(mark))
        while True:
            start = self.block.used
            end = self._fill(rest, stream)
            if end == start:
                if rest.ended and not rest.data:
                    break
                if start:
                    self.block.used = self.block.size_bytes  # whoever takes the rows makes room
                    yield self.block.rows, self.block.rows
                else:
                    rest.data = yield from self._read_long_line(rest.data, stream, losses)
                continue
            first = self.block.rows
            place, stream.lines = read_lines(self.block, start, end, stream.lines, self._table)
            rest.data = self.block.data[place:end].tobytes() + rest.data
            self.block.used = place
            slow = [(int(self.block.row_number[row]), self.block.raw(row)) for row in self.block.slow_rows(first)]
            yield first, self.block.rows
            yield from self._sorter.sort(slow, losses)
        yield from losses.end()
        if rest.fault:
            raise rest.fault

    def _fill(self, rest: _Rest, stream: Stream) -> int:
        """Put the rest, and more of the stream, into the block; return the end of whole lines, what follows them is the rest.

        When the stream breaks off, the whole lines before that are its end.
        """
        block = self.block
        start, room = block.used, block.room
        data, beyond = rest.data[:room], rest.data[room:]
        filled = start + len(data)
        block.data[start:filled] = np.frombuffer(data, np.uint8)
        if filled < block.size_bytes and not rest.ended:
            try:
                size = stream.readinto(block.view[filled : block.size_bytes])
            except SourceError as error:
                size, rest.fault = 0, error
                filled = block.last_break(start, filled)
            filled += size
            rest.ended = not size
        end = filled if rest.ended and not beyond else block.last_break(start, filled)
        rest.data = block.data[end:filled].tobytes() + beyond
        block.data[end : end + PAD_BYTES] = 0
        return end

    def _read_long_line(self, line: bytes, stream: Stream, losses: LossCounter) -> Generator[Records | Loss, None, bytes]:
        """Read a line that is longer than the block, slowly; return what follows it."""
        parts, size = list[bytes](), 0
        after = b""
        for block in chain([line], stream.blocks(BLOCK_BYTES)):
            cut = block.find(b"\n")
            part = block if cut < 0 else block[:cut]
            size += len(part)
            parts = [*parts, part] if size <= RECORD_BYTES else []
            if cut >= 0:
                after = block[cut + 1 :]
                break
        stream.lines += 1
        if size > RECORD_BYTES:
            yield from losses.add("F013", f"line {stream.lines}: longer than {RECORD_BYTES} bytes, and skipped; {LONG_HINT}")
        else:
            yield from self._sorter.sort([(stream.lines, b"".join(parts))], losses)
        return after


def block_database(needles: tuple[str, ...]) -> hyperscan.Database:
    """Return what finds needles, and what may be a part of one, in the bytes of a block."""
    return literal_database(tuple([text.encode() for text in (*needles, *FOLDING_TO_ASCII)]), hyperscan.HS_MODE_BLOCK)


def _is_lines(start: bytes, head: bytes) -> bool:
    """Tell whether the first bytes of a stream, and they without the byte order mark, are those of JSON lines."""
    return text_encoding(start) == "utf-8" and b"\n" in head.lstrip() and JsonSource.is_lines(head)


def _cell_of_json(path: Path, raw: bytes, is_element: bool) -> str:
    """Return the cell of a number, array or object."""
    value = load_value(raw)
    if path[0] != "Event" or not isinstance(value, (dict, list)):
        return encode(value)
    if is_element and (not isinstance(value, dict) or "#text" not in value or not value.keys() <= _TEXT_KEYS):
        raise ValueError(f"{path[-1]} has an unusual form")
    if path[-1] == "Data" and (not isinstance(value, dict) or value.keys() != {"#text"}):
        raise ValueError("Data elements with names, or several")
    if len(path) > _SYSTEM_ELEMENT and path[1] == "System":
        raise ValueError(f"the attribute {path[-1]} is no text")
    return encode(plain(value))


__all__ = ["JsonBlocks", "block_database"]
