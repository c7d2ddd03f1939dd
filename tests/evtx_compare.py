"""Compares the fast reader of EVTX with the slow one, record by record and field by field."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tocsin.events import TIME, Event, Gate
from tocsin.events.values import encode
from tocsin.kernels.block import Block
from tocsin.sources.evtx import EvtxSource
from tocsin.sources.evtx_blocks import EvtxBlocks
from tocsin.sources.interface import Loss, Records, Stream

Cells = dict[str, str]


@dataclass
class Reading:
    """What a reader made of a file: each event with its cells, how many of them came slowly, and the losses."""

    events: Counter[tuple[object, ...]] = field(default_factory=Counter)
    fast: int = 0
    slow: int = 0
    losses: list[str] = field(default_factory=list)


def open_stream(source: Path | bytes) -> Stream:
    """Return the stream of a file, or of bytes that have no path."""
    stream = Stream(io.BytesIO(source if isinstance(source, bytes) else source.read_bytes()), str(source)[:80])
    stream.path = source if isinstance(source, Path) else None
    return stream


def all_fields(paths: Iterable[Path]) -> list[str]:
    """Return the names of all fields of all events in some files, and some that never occur."""
    names: set[str] = {"NeverThere", "Some.Path"}
    for path in paths:
        for event in slow_events(open_stream(path), []):
            names.update(event.fields)
    return sorted(names)


def slow_events(stream: Stream, losses: list[str]) -> Iterator[Event]:
    """Yield what the slow reader reads."""
    yield from _events(EvtxSource().read(stream), losses)


def _events(items: Iterable[object], losses: list[str]) -> Iterator[Event]:
    for item in items:
        if isinstance(item, Loss):
            losses.append(str(item.error))
        elif isinstance(item, Records):
            for raw, number in zip(item.raws, item.numbers, strict=True):
                yield item.decoder.event(item.gate, raw, number)


def key(event: Event, gate: Gate, cells: Cells, time: str | None) -> tuple[object, ...]:
    """Return what two readings of one event have in common."""
    return (gate, event.record, event.host, event.time, time, json.dumps(event.original), tuple(sorted(cells.items())))


def slow_key(event: Event, fields: frozenset[str]) -> tuple[object, ...]:
    """Return the key of an event from the slow reader."""
    cells = {name: encode(value) for name, value in event.fields.items() if name in fields}
    return key(event, event.gate, cells, event.time or None)


def read_slowly(source: Path | bytes, fields: frozenset[str]) -> Reading:
    """Return the slow reader's events."""
    reading = Reading()
    for event in slow_events(open_stream(source), reading.losses):
        reading.events[slow_key(event, fields)] += 1
        reading.slow += 1
    return reading


class FastReading:
    """Reads files fast, one after another, into one block."""

    def __init__(self, fields: Iterable[str], block: Block | None = None) -> None:
        self.fields = frozenset(fields)
        self.blocks = EvtxBlocks(sorted(self.fields), block or Block())
        self._names = {
            layout: {name: self.blocks.names(layout, name) or () for name in (*self.fields, TIME)}
            for layout in range(len(self.blocks.layouts))
        }

    def read(self, source: Path | bytes) -> Reading:
        """Return the fast reader's events; rows that it leaves to the slow way are counted as slow."""
        reading = Reading()
        block = self.blocks.block
        for item in self.blocks.read(open_stream(source)):
            if isinstance(item, tuple):
                self._add_rows(range(*item), reading)
                block.clear()
                continue
            for event in _events([item], reading.losses):
                reading.events[slow_key(event, self.fields)] += 1
                reading.slow += 1
        return reading

    def _add_rows(self, rows: range, reading: Reading) -> None:
        events = self.blocks.events(rows)
        for some in (rows[len(rows) // 2 :][:1], rows[1::3]):  # decoded without those between them
            assert [event.original for event in self.blocks.events(some)] == [events[row - rows[0]].original for row in some]
        for row, event in zip(rows, events, strict=True):
            assert int(self.blocks.block.row_number[row]) == event.record
            found = self.row(row)
            if found is None:
                reading.events[slow_key(event, self.fields)] += 1
                reading.slow += 1
                continue
            gate, cells, time = found
            reading.events[key(event, gate, cells, time)] += 1
            reading.fast += 1

    def row(self, row: int) -> tuple[Gate, Cells, str | None] | None:
        """Return gate, cells and time of a row from its tokens; None when only the slow reader can tell."""
        block = self.blocks.block
        layout = int(block.row_layout[row])
        first = int(block.row_end[row - 1]) if row else 0
        tokens: dict[int, tuple[int, bytes]] = {}
        for name, kind, at, size in block.token_table[first : int(block.row_end[row])].tolist():
            assert name not in tokens
            tokens[name] = (kind, block.data[at : at + size].tobytes())
        try:
            cells = {
                name: cell for name, numbers in self._names[layout].items() if (cell := self._cell(numbers, tokens)) is not None
            }
            parts = [self._cell((name,), tokens) or "" for name in self.blocks.gate_names(layout)]
        except ValueError:
            return None
        gate = self.blocks.gate(layout, *parts)
        time = cells.pop(TIME, None)
        return None if gate is None else (gate, cells, time)

    def _cell(self, numbers: tuple[int, ...], tokens: dict[int, tuple[int, bytes]]) -> str | None:
        for number in numbers:
            if number in tokens:
                return self.blocks.cell(number, *tokens[number])
        return None
