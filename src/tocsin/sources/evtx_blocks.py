"""EVTX files as blocks of tokens: the fast reader. What it does not understand exactly is read the slow way, record by record.

A row stands for a record that the kernel understood; every other record is yielded as `Records`. A file with a damaged chunk
goes the slow way as a whole, so that its losses are told as ever.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import chain, groupby
from typing import Final

import numpy as np
import numpy.typing as npt

from tocsin.errors import SourceError
from tocsin.events import KEYWORDS, TIME, Brief, Event, Gate
from tocsin.events.values import NULL_CELL
from tocsin.kernels import evtx_work as kernels
from tocsin.kernels.block import PAD_BYTES, SUSPECT, Block, Rows
from tocsin.kernels.evtx import walk
from tocsin.rules.windows_channels import SPACELESS, SYSMON_LINUX
from tocsin.sources.evtx import (
    CHUNK_BYTES,
    HEADER_BYTES,
    EvtxSource,
    chunk_fault,
    names_sound,
    parse,
    read_chunks,
    told_chunks_lost,
    without_names,
)
from tocsin.sources.evtx_cells import SURE_KINDS, cell
from tocsin.sources.evtx_records import HEADER, Record, decode
from tocsin.sources.evtx_screen import Utf16Screen
from tocsin.sources.evtx_tables import CONSTANT_BYTES, TemplateTables
from tocsin.sources.evtx_templates import Names
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.json import JsonSorter
from tocsin.sources.json_text import LossCounter
from tocsin.sources.screen import MOST_SCREENS

_CHUNKS_AT_ONCE: Final = 16
_FILE_MAGIC: Final = b"ElfFile\0"
_CHUNK_MAGIC: Final = b"ElfChnk\0"
_UNUSED: Final = bytes(CHUNK_BYTES)
_SPACED: Final = 1
_NUMBERS_A_FIELD: Final = 3
_TOKENS_A_CHUNK: Final = 8192


class EvtxBlocks:
    """Reads EVTX files into a block of its own, which it keeps for the whole run.

    Each field has three numbers: of the field of that name in the event's data, in System, and of a data field whose
    name has spaces and is this name without them (semantics 21).
    """

    name = "evtx"
    layouts: Sequence[str] = ("evtx", "evtx spaced")
    sure_kinds = SURE_KINDS
    null_kind = kernels.NULL_TYPE
    time_kinds: Sequence[int] = (kernels.STRING, kernels.FILETIME, kernels.SYSTIME)

    def __init__(self, fields: Sequence[str], block: Block) -> None:
        self.block = block
        wanted = (*fields, "Channel", "EventID", "TimeCreated_SystemTime", "Computer", "EventRecordID")
        self._numbers = {name: number * _NUMBERS_A_FIELD for number, name in enumerate(dict.fromkeys(wanted))}
        self.name_count = _NUMBERS_A_FIELD * len(self._numbers)
        self._tables = TemplateTables(Names(*(self._numbering(part) for part in range(_NUMBERS_A_FIELD))), block.data)
        self.name_count = _NUMBERS_A_FIELD * len(self._numbers)
        self._work = kernels.work_space(_CHUNKS_AT_ONCE)
        rows = len(block.row_table)
        self._arrays = kernels.Rows(block.row_table, block.token_table, np.zeros(rows, np.int32), np.zeros(rows, np.int32))
        self._bytes = block.data.data
        self._sorter = JsonSorter(nested=True)
        own_id = self._numbers["EventRecordID"]
        self._brief_names: list[tuple[int, ...]] = [
            (self._numbers[name] + 1,) for name in ("TimeCreated_SystemTime", "Computer")
        ]
        self._brief_names += [(own_id, own_id + 1)]
        self._screens: dict[tuple[str, ...], Utf16Screen] = {}

    def _numbering(self, part: int) -> Callable[[str], int]:
        numbers = {name: number + part for name, number in self._numbers.items() if name not in (TIME, KEYWORDS)}
        return lambda name: numbers.get(name, -1)

    # -- what a consumer asks

    def warm_up(self) -> None:
        """Load or compile the kernels."""
        self._run(CONSTANT_BYTES, 0)

    def names(self, layout: int, field: str) -> tuple[int, ...] | None:
        """Return data's name, then System's, then that of a data field whose name has spaces."""
        if field == TIME:
            return (self._numbers["TimeCreated_SystemTime"] + 1,)
        number = self._numbers.get(field)
        if number is None or field == KEYWORDS:
            return None
        return (number, number + 1, number + 2) if layout == _SPACED else (number, number + 1)

    def gate_names(self, layout: int) -> tuple[int, int]:
        """Return System's channel and event id."""
        return self._numbers["Channel"] + 1, self._numbers["EventID"] + 1

    def time_names(self, layout: int) -> tuple[int, ...]:
        """Return System's time."""
        return self._brief_names[0]

    def host_names(self, layout: int) -> tuple[int, ...]:
        """Return System's computer."""
        return self._brief_names[1]

    def gate(self, layout: int, channel: str, event_id: str) -> Gate | None:
        """Return the gate; null stands for an absent part, since System has no null."""
        channel, event_id = ("" if part == NULL_CELL else part for part in (channel, event_id))
        if channel == SYSMON_LINUX or (layout == _SPACED and channel in SPACELESS):
            return None
        if channel.startswith("\0") or event_id.startswith("\0"):
            return None
        return Gate("windows", channel, event_id)

    def cell(self, name: int, kind: int, raw: bytes) -> str | None:
        """Return the cell of a value of a BinXML type. Raises: ValueError when only the slow reader can tell."""
        return cell(kind, raw)

    # -- reading

    def read(self, stream: Stream) -> Iterator[Rows | Records | Loss]:
        """Read a file to its end. Between two yields the consumer may clear the block, and does when room is short."""
        plain = False
        if stream.path:
            descriptor = os.open(stream.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                plain = os.pread(descriptor, len(_FILE_MAGIC), 0) == _FILE_MAGIC  # otherwise it is compressed, or damaged
                if plain and (yield from self._read_file(stream, descriptor)):
                    return
            finally:
                os.close(descriptor)
        if plain or not stream.head.startswith(_FILE_MAGIC) or len(stream.head) < HEADER_BYTES:
            yield from EvtxSource().read(stream)
            return
        losses = LossCounter(stream.label)
        try:
            yield from self._read_stream(stream, losses)
        except SourceError as error:
            yield Loss(error)
        yield from losses.end()

    def _read_file(self, stream: Stream, descriptor: int) -> Generator[Rows | Records | Loss, None, bool]:
        """Read a sound file by its descriptor. Return False, before anything is yielded, when it is not sound."""
        chunks, rest = divmod(os.fstat(descriptor).st_size - HEADER_BYTES, CHUNK_BYTES)
        base, room = self._room()
        if rest or chunks < 0 or (chunks > room and not _sound(descriptor, chunks)):
            return False
        data = self._bytes[base : base + min(room, chunks) * CHUNK_BYTES]
        if os.preadv(descriptor, [data], HEADER_BYTES) != len(data):
            return False
        losses = LossCounter(stream.label)
        number = used = 0
        while number < chunks:
            count = len(data) // CHUNK_BYTES
            self._run(base, count)
            if number == 0 and self._work.state[kernels.ODD_CHUNKS] and kernels.UNSOUND in self._work.chunk_state[:count]:
                return False
            number += count
            used += self._used(count)
            stream.position = HEADER_BYTES + number * CHUNK_BYTES
            yield from self._rows(base, count, number - count, losses)
            if number < chunks:
                base, room = self._room()
                data = self._bytes[base : base + min(room, chunks - number) * CHUNK_BYTES]
                if os.preadv(descriptor, [data], HEADER_BYTES + number * CHUNK_BYTES) != len(data):
                    yield from losses.add("F005", f"the file ends before chunk {number}")
                    break
        yield from told_chunks_lost(stream.head, used, losses)
        yield from losses.end()
        return True

    def _read_stream(self, stream: Stream, losses: LossCounter) -> Iterator[Rows | Records | Loss]:
        """Read chunk by chunk, as they come; what is damaged is told, and costs only itself. Raises: SourceError."""
        header = stream.read(HEADER_BYTES)
        number = used = 0
        while True:
            base, room = self._room()
            found = stream.read(room * CHUNK_BYTES)
            if not found:
                break
            count = -(-len(found) // CHUNK_BYTES)
            self._bytes[base : base + count * CHUNK_BYTES] = found.ljust(count * CHUNK_BYTES, b"\0")
            for at in range(count):
                fault = chunk_fault(found[at * CHUNK_BYTES : (at + 1) * CHUNK_BYTES], number + at)
                if fault:
                    yield from losses.add(*fault)
            self._run(base, count)
            used += self._used(count)
            yield from self._rows(base, count, number, losses)
            number += count
        yield from told_chunks_lost(header, used, losses)

    def _room(self) -> tuple[int, int]:
        """Return where the next chunk may lie, and how many chunks there is room for."""
        block = self.block
        base = max(CONSTANT_BYTES, block.used)
        if block.is_full:
            raise RuntimeError("the block was not cleared in time")
        tokens = len(block.token_table) - block.tokens
        return base, min(_CHUNKS_AT_ONCE, (block.size_bytes - base) // CHUNK_BYTES, tokens // _TOKENS_A_CHUNK)

    def _run(self, base: int, count: int, skip: Sequence[int] = ()) -> None:
        """Run the kernel over chunks, and understand the templates that it meets for the first time."""
        work, state = self._work, self._work.state
        state[kernels.ROWS] = self.block.rows
        state[kernels.TOKENS] = self.block.tokens
        state[kernels.CHUNK_NUMBER] = state[kernels.SLOW_ROWS] = state[kernels.ODD_CHUNKS] = 0
        work.chunk_state[:count] = kernels.SOUND
        for at in skip:
            work.chunk_state[at] = kernels.SKIP
        while walk(self.block.data, base, count, self._tables.arrays, self._arrays, work) == kernels.UNKNOWN:
            if not self._tables.add(work.form[: state[kernels.FORM]]):
                work.chunk_state[state[kernels.CHUNK_NUMBER]] = kernels.SKIP
                state[kernels.ODD_CHUNKS] += 1

    def _used(self, count: int) -> int:
        """Return how many of the chunks that the kernel met last are not empty."""
        return int(np.count_nonzero(self._work.chunk_state[:count] != kernels.UNUSED))

    def _rows(self, base: int, count: int, number: int, losses: LossCounter) -> Iterator[Rows | Records | Loss]:
        """Yield what the kernel wrote for the chunks at a place, and what it did not understand."""
        block, state = self.block, self._work.state
        first = block.rows
        if state[kernels.SLOW_ROWS] or state[kernels.ODD_CHUNKS]:
            yield from self._slowly(base, count, number, losses)
        end = base + count * CHUNK_BYTES
        block.data[end : end + PAD_BYTES] = 0
        block.used = end
        block.rows, block.tokens = int(state[kernels.ROWS]), int(state[kernels.TOKENS])
        yield first, block.rows

    def _slowly(self, base: int, count: int, number: int, losses: LossCounter) -> Iterator[Records | Loss]:
        """Yield what the kernel did not understand; chunks that it misunderstood lose their rows."""
        state = self._work.chunk_state
        items, failed = self._slow_rows(base)
        if failed:
            self._run(base, count, sorted(failed))
            items, _ = self._slow_rows(base)
        for at in range(count):
            chunk = b"" if state[at] in (kernels.SOUND, kernels.UNUSED) else self._chunk(base + at * CHUNK_BYTES)
            if chunk.startswith(_CHUNK_MAGIC):
                chunk = chunk if names_sound(chunk) else without_names(chunk)
                items += yield from read_chunks(HEADER, [(number + at, chunk)], losses)
        yield from self._sorter.sort(items, losses)

    def _slow_rows(self, base: int) -> tuple[list[tuple[int, str]], set[int]]:
        """Decode the records that the kernel did not understand; also return the chunks that hold more than it thought."""
        work = self._work
        slow = int(work.state[kernels.SLOW_ROWS])
        items: list[tuple[int, str]] = []
        failed: set[int] = set()
        for at in np.unique(work.slow_chunk[:slow]).tolist():
            found, errors = parse(HEADER + self._chunk(base + at * CHUNK_BYTES))
            if errors or len(found) != work.chunk_records[at]:
                failed.add(at)
            else:
                items += [found[place] for place in work.slow_place[:slow][work.slow_chunk[:slow] == at].tolist()]
        return items, failed

    def _chunk(self, base: int) -> bytes:
        return self.block.data[base : base + CHUNK_BYTES].tobytes()

    # -- what a consumer asks of rows

    def suspects(self, needles: tuple[str, ...]) -> npt.NDArray[np.bool_]:
        """Return for each row whether it may hold one of the folded needles; without needles every row may."""
        block = self.block
        rows = block.rows
        screen = self._screens.get(needles)
        if screen is None:
            if len(self._screens) >= MOST_SCREENS:
                self._screens.clear()
            screen = self._screens[needles] = Utf16Screen(needles)
        if screen.everywhere:
            return np.ones(rows, np.bool_)
        constants = np.append(screen.constants(self._tables.texts), False)  # the last one is that of no nested template
        found: npt.NDArray[np.bool_] = (block.row_flags[:rows] & SUSPECT) != 0
        found |= constants[self._arrays.outer[:rows]] | constants[self._arrays.inner[:rows]]
        found |= screen.suspects(block.data, *self._stretches(rows), block.row_at[:rows], block.row_size[:rows])
        return found

    def _stretches(self, rows: int) -> tuple[list[int], list[int]]:
        """Return where the records begin and end that lie one after another: a chunk is often half empty."""
        begins = self.block.row_at[:rows]
        ends = begins + self.block.row_size[:rows]
        breaks = np.flatnonzero(begins[1:] != ends[:-1]) + 1
        return begins[np.append(0, breaks)].tolist(), ends[np.append(breaks - 1, rows - 1)].tolist()

    def events(self, rows: Sequence[int]) -> list[Event]:
        """Return the whole events of some rows, which are in order; many rows of one chunk cost little more than one."""
        found = []
        for item in self._texts(rows):
            for records in self._sorted([item]):
                found += [records.decoder.event(records.gate, records.raws[0], records.numbers[0])]
        return found

    def briefs(self, rows: Sequence[int]) -> list[Brief | None]:
        """Return what findings need of rows, which are in order; None where only the whole event tells it."""
        return [self._brief(row, text) for row, (_, text) in zip(rows, self._texts(rows), strict=True)]

    def _brief(self, row: int, text: str) -> Brief | None:
        """Return time, host and record, which are System's, and the record id as rules see it."""
        block = self.block
        first = int(block.row_end[row - 1]) if row else 0
        tokens = {token[0]: token for token in block.token_table[first : int(block.row_end[row])].tolist()}
        values = [""] * 3
        for at, numbers in enumerate(self._brief_names):
            for number in numbers:
                if number in tokens:
                    _, kind, place, size = tokens[number]
                    values[at] = cell(kind, block.data[place : place + size].tobytes())
                    break
        if any(value.startswith("\0") for value in values):
            return None
        time, host, own_id = values
        return Brief(time, host, int(block.row_number[row]), own_id, text.encode())

    def records(self, rows: Sequence[int]) -> Iterator[Records]:
        """Yield rows, which are in order, as records for the slow way."""
        yield from self._sorted(self._texts(rows))

    def _sorted(self, items: list[Record]) -> Iterator[Records]:
        losses = LossCounter("")
        for item in chain(self._sorter.sort(items, losses), losses.end()):
            if isinstance(item, Loss):
                raise item.error
            yield item

    def _texts(self, rows: Sequence[int]) -> list[Record]:
        """Return record id and JSON of some rows, which are in order."""
        found: list[Record] = []
        places = self.block.row_at[np.array(rows, np.int64)].tolist()
        for base, group in groupby(places, lambda place: place & -CHUNK_BYTES):
            found += decode(self._chunk(base), [place - base for place in group])
        return found


def _sound(descriptor: int, chunks: int) -> bool:
    """Tell whether each chunk has its magic and says how many records it holds, or is unused."""
    for number in range(chunks):
        at = HEADER_BYTES + number * CHUNK_BYTES
        head = os.pread(descriptor, 24, at)
        if not (head.startswith(_CHUNK_MAGIC) and _promised(head)) and os.pread(descriptor, CHUNK_BYTES, at) != _UNUSED:
            return False
    return True


def _promised(chunk: bytes) -> bool:
    """Tell whether a chunk's header says how many records it holds."""
    first, last = struct.unpack_from("<QQ", chunk, 8)
    return bool(0 < last - first + 1 <= CHUNK_BYTES // 24)


__all__ = ["EvtxBlocks"]
