"""Rows of a batch for correlations: the few fields that they read, as columns of the rows that rules matched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from tocsin.correlations.occurrence import microseconds
from tocsin.engine.columns import view_column
from tocsin.events import HOST, TIME, Demand, Event, EventBatch, Gate, batch_of
from tocsin.events.time import normal_time
from tocsin.rules.twins import see
from tocsin.rules.view import View
from tocsin.runs.collect import UNTIMED_US, Column, Ints, MatchCollector, Parts, Sighted, shares, texts_of_cell
from tocsin.sources.interface import EVENTS, Decoder
from tocsin.sources.json_layouts import LayoutDecoder

_OWN_RECORD: Final = "EventRecordID"
Keys = Mapping[tuple[int, int], Sequence[Ints]]
"""Rows by view and rule."""


class BatchCollector:
    """Keeps rows of a batch that rules of correlations matched."""

    def __init__(self, collector: MatchCollector, decoder: Decoder, gate: Gate, views: Sequence[View]) -> None:
        self._collector = collector
        self._decoder = decoder
        self._gate = gate
        self._views = views

    def keep(
        self, raws: Sequence[Any], numbers: Sequence[int], found: Keys, parts: Parts, event_of: Callable[[int], Event]
    ) -> None:
        """Keep the rows of each view and rule; those that columns do not tell exactly are decoded whole."""
        rows_of = {key: np.sort(np.concatenate(rows)) for key, rows in found.items()}
        rows = np.unique(np.concatenate(list(rows_of.values())))
        batch = self._columns([raws[row] for row in rows.tolist()], rows_of)
        records = np.array([numbers[row] for row in rows.tolist()], np.int64)
        times, hosts, sure = self._about(batch, records)
        for (number, rule), chosen in rows_of.items():
            places = np.searchsorted(rows, chosen)
            view = self._views[number]
            sighted = Sighted(times, records, hosts, _columns_of(batch, view))
            for place, share in shares(parts, rows, places[sure[places]]):
                self._collector.add_columns([rule], sighted, share, place)
        self._keep_whole(rows, sure, rows_of, parts, event_of)

    def _keep_whole(
        self,
        rows: Ints,
        sure: np.ndarray[Any, np.dtype[np.bool_]],
        rows_of: Mapping[tuple[int, int], Ints],
        parts: Parts,
        event_of: Callable[[int], Event],
    ) -> None:
        keys: dict[int, list[tuple[int, int]]] = {}
        for key, chosen in rows_of.items():
            for row in chosen[~sure[np.searchsorted(rows, chosen)]].tolist():
                keys.setdefault(row, []).append(key)
        for place, share in shares(parts, rows, np.flatnonzero(~sure)):
            for row in rows[share].tolist():
                event = event_of(row)
                for number, rule in keys[row]:
                    self._collector.add(rule, see(event, self._views[number]), place, event.record)

    def _columns(self, raws: Sequence[Any], found: Mapping[tuple[int, int], object]) -> EventBatch | None:
        decoder = self._decoder
        if not (decoder is EVENTS or (isinstance(decoder, LayoutDecoder) and decoder.tells_hosts)):
            return None
        names = {TIME, HOST} | ({_OWN_RECORD} if _has_own_record(decoder) else set())
        for number, rule in found:
            sources = {alias.field: alias.sources for alias in self._views[number].aliases}
            names.update(name for field in self._collector.fields_of(rule) for name in sources.get(field, (field,)))
        columns = decoder.columns(self._gate, raws, Demand(tuple(sorted(names)), presence=frozenset(names)))
        return batch_of(self._gate, columns, len(raws), _no_event)

    def _about(self, batch: EventBatch | None, records: Ints) -> tuple[Ints, Column, np.ndarray[Any, np.dtype[np.bool_]]]:
        """Return times and hosts, and which rows are told exactly."""
        rows = len(records)
        if batch is None:
            return np.zeros(rows, np.int64), Column(np.zeros(rows, np.int64), [()]), np.zeros(rows, np.bool_)
        codes, cells = _codes(batch, TIME)
        read = np.array([_time_of(cell) for cell in cells], np.int64)
        times = read[codes]
        places, texts = _codes(batch, HOST)
        odd = np.array([bool(text) and text.startswith("\0") for text in texts], np.bool_)
        sure = (times != UNTIMED_US) & ~odd[places]
        if _has_own_record(self._decoder):
            which, own = _codes(batch, _OWN_RECORD)
            sure &= np.array([cell or "" for cell in own])[which] == records.astype(str)
        return times, Column(places, [(text,) if text else () for text in texts]), sure


def _has_own_record(decoder: Decoder) -> bool:
    return isinstance(decoder, LayoutDecoder) and decoder.own_record


def _columns_of(batch: EventBatch | None, view: View) -> Callable[[str], Column]:
    known: dict[str, Column] = {}

    def column(name: str) -> Column:
        if name not in known:
            found = view_column(batch, view, name) if batch else None
            codes, cells = _coded(found, batch.rows if batch else 0)
            known[name] = Column(codes, [texts_of_cell(cell) for cell in cells])
        return known[name]

    return column


def _codes(batch: EventBatch, name: str) -> tuple[Ints, list[Any]]:
    at = batch.columns.schema.get_field_index(name)
    return _coded(batch.columns.column(at) if at >= 0 else None, batch.rows)


def _coded(column: pa.DictionaryArray | None, rows: int) -> tuple[Ints, list[Any]]:
    """Return for each row the number of its cell, and the cells, of which the last is None for absent."""
    if column is None:
        return np.zeros(rows, np.int64), [None]
    cells = [*column.dictionary.to_pylist(), None]
    return column.indices.fill_null(len(cells) - 1).to_numpy(zero_copy_only=False).astype(np.int64), cells


def _time_of(cell: str | None) -> int:
    time = normal_time(cell) if cell and not cell.startswith("\0") else ""
    return microseconds(time) if time else UNTIMED_US


def _no_event(row: int) -> Event:
    raise LookupError(row)


__all__ = ["BatchCollector"]
