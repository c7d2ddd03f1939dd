"""Rows: text logs whose lines are cells under known names, such as access logs and W3C logs.

A raw record is a tuple of cells, the line last. A decoder makes columns of the fields in demand alone; what it cannot do that
way it does with the whole event, so that both agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import pyarrow as pa

from tocsin.events import KEYWORDS, TIME, Demand, Event, Gate, cell_column
from tocsin.events.values import encode, encode_texts
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.screen import KeywordScreen
from tocsin.sources.text import GROUP_BYTES, GROUP_EVENTS, Losses, read_lines

Cells = tuple[str | None, ...]
"""The cells of a row, and its line."""
_MOST_SCREENS: Final = 64


def _as_it_is(text: str) -> str | None:
    return text


@dataclass(frozen=True, slots=True)
class Layout:
    """What the cells of a row are.

    `names` are those of the cells; `clean` makes the value of a cell, None when it stands for nothing; `derived` are fields
    made from the values of others, which a cell of that name goes before; `time` and `host` are told from the fields.
    """

    names: tuple[str, ...]
    clean: Callable[[str], str | None] = _as_it_is
    derived: Mapping[str, tuple[tuple[str, ...], Callable[..., str | None]]] = field(default_factory=dict)
    time: Callable[[Mapping[str, str]], str] = lambda fields: ""
    host: Callable[[Mapping[str, str]], str] = lambda fields: ""


class Row(NamedTuple):
    """A row: its gate, cells, 1-based line and size in bytes."""

    gate: Gate
    cells: Cells
    number: int
    size_bytes: int


class RowDecoder:
    """The decoder of one layout."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._places: dict[str, int] = {}
        for at, name in enumerate(layout.names):
            self._places.setdefault(name, at)
        self._screens: dict[tuple[str, ...], KeywordScreen] = {}

    def columns(self, gate: Gate, raws: Sequence[Cells], demand: Demand) -> dict[str, pa.DictionaryArray]:
        """Return a column of cells for each field of the demand that may occur."""
        found = {}
        for name in demand.fields:
            if name == KEYWORDS:
                found[name] = self._keywords(gate, raws, demand.texts)
            elif name == TIME:
                found[name] = cell_column([self.event(gate, raw, 0).time or None for raw in raws])
            elif name in self._places or name in self._layout.derived:
                found[name] = self._column(name, raws)
        return found

    def _column(self, name: str, raws: Sequence[Cells]) -> pa.DictionaryArray:
        made = self._cells(name, raws)
        derived = self._layout.derived.get(name)
        if derived is None:
            return made
        sources, make = derived
        lists = [made.to_pylist(), *(self._cells(source, raws).to_pylist() for source in sources)]
        return cell_column([own if own is not None else _encoded(make(*rest)) for own, *rest in zip(*lists, strict=True)])

    def _cells(self, name: str, raws: Sequence[Cells]) -> pa.DictionaryArray:
        """Return the column of a cell. Cost: values are made for distinct texts only."""
        at = self._places.get(name, -1)
        column = cell_column([raw[at] for raw in raws] if at >= 0 else [None] * len(raws))
        texts = column.dictionary.to_pylist()
        values = [_encoded(self._layout.clean(text)) for text in texts]
        if values == texts:
            return column
        made = pa.DictionaryArray.from_arrays(column.indices, pa.array(values, pa.string()))
        return made.cast(pa.string()).dictionary_encode()

    def _keywords(self, gate: Gate, raws: Sequence[Cells], needles: tuple[str, ...]) -> pa.DictionaryArray:
        """Return the cells of all values, for rows whose line may hold a needle. An escape may hide one."""
        if needles not in self._screens:
            if len(self._screens) >= _MOST_SCREENS:
                self._screens.clear()
            self._screens[needles] = KeywordScreen(needles)
        wanted = self._screens[needles].rows([raw[-1] or "" for raw in raws])
        return cell_column(
            [
                encode_texts(self.event(gate, raw, 0).values()) if row in wanted or "\\" in (raw[-1] or "") else None
                for row, raw in enumerate(raws)
            ]
        )

    def event(self, gate: Gate, raw: Cells, number: int) -> Event:
        """Return the whole event."""
        layout = self._layout
        cells = {name: raw[at] for name, at in self._places.items()}
        original = {
            name: value for name, cell in cells.items() if cell is not None and (value := layout.clean(cell)) is not None
        }
        made = {
            name: make(*(original.get(source) for source in sources))
            for name, (sources, make) in layout.derived.items()
            if name not in original
        }
        fields = original | {name: value for name, value in made.items() if value is not None}
        return Event(gate, fields, original, layout.time(fields), layout.host(fields), number, raw[-1] or "")


def _encoded(value: str | None) -> str | None:
    return None if value is None else encode(value)


def rows_of_lines(
    stream: Stream, parse: Callable[[str], Cells | None], gate_of: Callable[[Cells], Gate], fault: str
) -> Iterator[Row | Loss]:
    """Yield a row for each line that `parse` understands, and a loss F006 that says `fault` for others but blank ones."""
    losses = Losses()
    for line in read_lines(stream, losses):
        if isinstance(line, Loss):
            yield line
            continue
        cells = parse(line.text)
        if cells is not None:
            yield Row(gate_of(cells), cells, line.number, line.size_bytes)
        elif line.text.strip("\0 \t\r"):
            yield from losses.add("F006", fault, line.number, 0, line.text)
    yield from losses.close()


def grouped_rows(decoder: RowDecoder, found: Iterable[Row | Loss]) -> Iterator[Records | Loss]:
    """Yield rows as records, in groups of bounded size by gate; losses as they come."""
    waiting: dict[Gate, list[Row]] = {}
    held = count = 0
    for item in found:
        if isinstance(item, Loss):
            yield item
            continue
        waiting.setdefault(item.gate, []).append(item)
        held += item.size_bytes
        count += 1
        if count >= GROUP_EVENTS or held >= GROUP_BYTES:
            yield from _records(decoder, waiting)
            waiting, held, count = {}, 0, 0
    yield from _records(decoder, waiting)


def _records(decoder: RowDecoder, waiting: Mapping[Gate, list[Row]]) -> Iterator[Records]:
    for gate, rows in waiting.items():
        size = sum(row.size_bytes for row in rows)
        yield Records(decoder, gate, [row.cells for row in rows], [row.number for row in rows], size)


__all__ = ["Cells", "Layout", "Row", "RowDecoder", "grouped_rows", "rows_of_lines"]
