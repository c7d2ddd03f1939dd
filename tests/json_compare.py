"""Compares the fast reader of JSON lines with the slow one, line by line and field by field."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, BinaryIO, cast

from tocsin.errors import SourceError, TocsinError
from tocsin.events import TIME, Event, Gate
from tocsin.events.values import decode, encode, scalar_text
from tocsin.kernels.block import SLOW, Block, Rows
from tocsin.sources.interface import BlockSource, Loss, Records, Source, Stream
from tocsin.sources.json import JsonSource
from tocsin.sources.json_blocks import JsonBlocks
from tocsin.sources.json_events import json_events
from tocsin.sources.json_layouts import _SYSTEM as SYSTEM
from tocsin.sources.json_shapes import FLAT_NAMES
from tocsin.sources.json_text import load_object

FIELDS = (
    *FLAT_NAMES,
    *(name for names in FLAT_NAMES.values() for name in names if name != "@timestamp"),
    *("Image", "CommandLine", "User", "Port", "List", "Data", "My Field", "MyField", "Threat Name", "ThreatName"),
    *("Level", "Task", "Keywords", "Version", "Correlation", "Provider", "Execution", "Security", "Name", "a", "b"),
    *("TimeCreated_SystemTime", "Correlation_ActivityID", "Security_UserID", "EventID_Qualifiers", "Level_x", "#text"),
)
"""Fields that a fast reader is asked for."""

Cells = dict[str, tuple[str | None, ...]]
Item = Loss | Records | Rows


@dataclass
class Reading:
    """What a reader made of some lines: its events, each with number, gate and fields, and how many losses."""

    events: Counter[tuple[object, ...]] = field(default_factory=Counter)
    losses: Counter[str] = field(default_factory=Counter)
    fast: int = 0


@dataclass
class FastJson:
    """A fast reader, and what it says of each row."""

    size_bytes: int = 1 << 16
    rows: int = 1 << 10
    tokens: int = 1 << 14
    reader: JsonBlocks = field(init=False)

    def __post_init__(self) -> None:
        """Make the reader."""
        self.reader = JsonBlocks(FIELDS, Block(self.size_bytes, self.rows, self.tokens))

    def read(self, data: bytes, file: type[io.RawIOBase] | type[io.BytesIO] = io.BytesIO) -> Reading:
        """Return the events of some bytes; every row's gate, cells and brief must be those of its event."""
        reading = Reading()
        self.reader.block.clear()
        for item in _items(self.reader, data, file):
            if isinstance(item, Loss):
                reading.losses[item.error.code] += 1
            elif isinstance(item, Records):
                reading.events.update(_keys(item))
            else:
                self._take(*item, reading)
                if self.reader.block.is_full:
                    self.reader.block.clear()
        return reading

    def _take(self, first: int, last: int, reading: Reading) -> None:
        block = self.reader.block
        for row in range(first, last):
            if block.row_flags[row] & SLOW:
                continue
            event = self.check(row)
            reading.fast += event is not None
            for records in self.reader.records([row]) if event is None else ():
                reading.events.update(_keys(records))
            if event is not None:
                reading.events[_key(event)] += 1

    def check(self, row: int) -> Event | None:
        """Return the event of a row that is as its cells say; None when only the slow reader can tell it."""
        found = self.cells(row)
        if found is None:
            return None
        gate, cells = found
        event = truth(self.reader.block.raw(row), int(self.reader.block.row_number[row]))
        assert isinstance(event, Event)
        assert gate == event.gate
        assert cells == cells_of(event) or _has_odd_system(event)
        (whole,) = self.reader.events([row])
        assert _key(whole) == _key(replace(event, json=whole.json))
        (brief,) = self.reader.briefs([row])
        number = scalar_text(event.fields.get("EventRecordID")) or ""
        assert brief is None or brief == (event.time, event.host, event.record, number, whole.json)
        return whole

    def cells(self, row: int) -> tuple[Gate, Cells] | None:
        """Return the gate and the cells of a row, read from its tokens alone."""
        reader, block = self.reader, self.reader.block
        layout = int(block.row_layout[row])
        begin = int(block.row_end[row - 1]) if row else 0
        tokens = {int(block.token_name[at]): at for at in range(begin, int(block.row_end[row]))}
        try:
            channel, event_id = (self._cell(tokens.get(name)) for name in reader.gate_names(layout))
            gate = None if channel is None or event_id is None else reader.gate(layout, channel, event_id)
            if gate is None:
                return None
            cells: Cells = {}
            for name in FIELDS:
                names = reader.names(layout, name)
                assert names is not None, name
                cell = next((self._cell(tokens[number]) for number in names if number in tokens), None)
                if cell is not None:
                    cells[name] = decode(cell)
        except ValueError:
            return None
        return gate, cells

    def _cell(self, token: int | None) -> str | None:
        if token is None:
            return None
        name, kind, at, size = self.reader.block.token_table[token].tolist()
        return self.reader.cell(name, kind, self.reader.block.data[at : at + size].tobytes())


def _has_odd_system(event: Event) -> bool:
    """Tell whether System has elements that Windows does not write, which no reader but the slowest sees as fields."""
    body = event.original.get("Event")
    system = body.get("System") if isinstance(body, dict) else None
    return isinstance(system, dict) and not {name.removesuffix("_attributes") for name in system} <= SYSTEM


def truth(line: bytes, number: int) -> Event | TocsinError | None:
    """Return the one event of a line, as understood slowly and completely; None when there is not just one."""
    found = list(json_events(load_object(line), number))
    return found[0] if len(found) == 1 else None


def cells_of(event: Event) -> Cells:
    """Return the cells of the fields that a fast reader was asked for."""
    found = {name: event.find(name) for name in FIELDS if name != TIME}
    return {name: decode(encode(value)) for name, (present, value) in found.items() if present}


def read_slowly(data: bytes, file: type[io.RawIOBase] | type[io.BytesIO] = io.BytesIO) -> Reading:
    """Return the slow reader's events."""
    reading = Reading()
    for item in _items(JsonSource(), data, file):
        if isinstance(item, Loss):
            reading.losses[item.error.code] += 1
        elif isinstance(item, Records):
            reading.events.update(_keys(item))
    return reading


def _items(source: Source | BlockSource, data: bytes, file: type[io.RawIOBase] | type[io.BytesIO]) -> Iterator[Item]:
    """Yield what a reader makes of some bytes, as a loss too what the stream ends with."""
    try:
        yield from source.read(Stream(cast(BinaryIO, file(data)), "x.json"))  # type: ignore[call-arg]
    except SourceError as error:
        yield Loss(error)


class Broken(io.BytesIO):
    """A file that breaks off after its bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return bytes. Raises: SourceError when there are no more."""
        data = super().read(size)
        if not data:
            raise SourceError("F005", "broken off")
        return data

    def readinto(self, target: Any, /) -> int:
        """Fill the target. Raises: SourceError when there are no more bytes."""
        data = self.read(len(target))
        target[: len(data)] = data
        return len(data)


class Trickle(Broken):
    """A file of which each read gives less than was asked for, `readinto` too, and that breaks off after its bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return bytes. Raises: SourceError when there are no more."""
        return super().read(997 if size is None or size < 0 else min(size, 997))


class Pipe(io.RawIOBase):
    """A file that gives a few bytes at a time, has no `readinto`, and breaks off after its bytes."""

    readinto = None  # type: ignore[assignment]

    def __init__(self, data: bytes) -> None:
        self._file = Broken(data)

    def read(self, size: int = -1, /) -> bytes:
        """Return bytes. Raises: SourceError when there are no more."""
        return self._file.read(min(size, 7))


def _keys(records: Records) -> Iterator[tuple[object, ...]]:
    for raw, number in zip(records.raws, records.numbers, strict=True):
        yield _key(records.decoder.event(records.gate, raw, number))


def _key(event: Event) -> tuple[object, ...]:
    return (
        event.record,
        event.gate,
        repr(sorted(event.fields.items())),
        repr(event.original),
        event.time,
        event.host,
        event.json,
    )


def spelled(value: Any, style: Random) -> str:
    """Write a value as JSON, with spaces and escapes as the style wants them."""
    space = style.choice(("", "", "", " ", "\t", " \r ", "  "))
    if isinstance(value, dict):
        inner = f"{space},{space}".join(f"{spelled(k, style)}{space}:{space}{spelled(v, style)}" for k, v in value.items())
        return f"{{{space}{inner}{space}}}"
    if isinstance(value, (list, tuple)):
        return f"[{space}{f'{space},{space}'.join(spelled(item, style) for item in value)}{space}]"
    if not isinstance(value, str):
        return json.dumps(value)
    text = json.dumps(value, ensure_ascii=style.random() < 0.5)
    if style.random() < 0.2 and "\\" not in text:
        at = style.randrange(1, len(text))
        if at < len(text) - 1 and ord(text[at]) < 0x10000:
            text = f"{text[:at]}\\u{ord(text[at]):04{style.choice('xX')}}{text[at + 1 :]}"
    return text.replace("/", "\\/") if style.random() < 0.1 else text


def repeated(value: Any, style: Random) -> Any:
    """Return pairs in place of some objects, so that keys may come twice; `spelled` writes them."""
    return _Pairs(value, style) if isinstance(value, dict) else value


class _Pairs(dict):  # type: ignore[type-arg]
    """An object of which some keys come twice."""

    def __init__(self, found: dict[str, Any], style: Random) -> None:
        super().__init__(found)
        self._pairs = [(key, repeated(item, style)) for key, item in found.items()]
        if self._pairs and style.random() < 0.3:
            key = style.choice(self._pairs)[0]
            self._pairs.insert(style.randrange(len(self._pairs) + 1), (key, style.choice(self._pairs)[1]))

    def items(self) -> Any:
        """Return the pairs."""
        return self._pairs


def mutated(data: bytes, style: Random) -> bytes:
    """Return bytes with a few changes of the kinds that break parsers."""
    found = bytearray(data)
    for _ in range(style.randrange(1, 4)):
        at = style.randrange(len(found) + 1)
        what = style.randrange(7)
        if what == 0 and at < len(found):
            found[at] ^= 1 << style.randrange(8)
        elif what == 1 and at < len(found):
            found[at] = style.choice(b'"\\{}[]:,\n\r\t \x00\x0b\xef\xc3\xff\xed019-eE.unft')
        elif what == 2:
            found[at:at] = style.choice(_SPLICES)
        elif what == 3:
            del found[at : at + style.choice((1, 1, 2, 8, 64, 1000))]
        elif what == 4:
            other = style.randrange(len(found) + 1)
            found[at:at] = found[other : other + style.choice((1, 10, 64, 300))]
        elif what == 5:
            found[at:at] = b"\\" * style.choice((1, 2, 3, 63, 64, 65, 127, 128))
        elif style.random() < 0.1:
            del found[at:]
    return bytes(found)


_SPLICES = (
    *(
        b'"',
        b"\\",
        b"\\\\",
        b'\\"',
        b"\\u0041",
        b"\\u0000",
        b"\\ud83d\\ude00",
        b"\\ud800",
        b"\xe2\x84\xaa",
        b"\xf0\x9f\x98\x80",
    ),
    *(b"\xed\xa0\x80", b"\xc0\x80", b"{}", b"[]", b"[[", b"]]", b"}{", b"\n", b"\r\n", b"\n\n", b"\x00", b"\xef\xbb\xbf", b","),
    *(b'"Channel":"x",', b'"EventID":1,', b'"Event":{},', b'"System":{},', b'"EventData":{"EventID":2},', b'"UserData":{},'),
    *(b"null", b"true", b"1e999", b"-0", b"123456789012345678901234567890", b"NaN", b'"#text":1,', b'"#attributes":{},'),
    *(b"x" * 64, b"[" * 70, b'{"a":' * 70, b'"@x":1,', b'"a b":1,', b'"event":{"code":1},'),
)


def blocks(found: Iterable[bytes]) -> bytes:
    """Join lines."""
    return b"".join(line + b"\n" for line in found)


__all__ = [
    "FIELDS",
    "Broken",
    "FastJson",
    "Pipe",
    "Reading",
    "blocks",
    "cells_of",
    "mutated",
    "read_slowly",
    "repeated",
    "spelled",
    "truth",
]
