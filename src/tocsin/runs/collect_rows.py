"""Rows of a fast reader for correlations: read as columns, so that no event is decoded that is no finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tocsin.events import Gate
from tocsin.rules.transforms import made_cell
from tocsin.rules.view import View
from tocsin.runs.collect import Column, Ints, MatchCollector, Parts, Sighted, shares, texts_of_cell
from tocsin.sources.block_columns import BlockColumns, Cells
from tocsin.sources.interface import BlockSource

if TYPE_CHECKING:
    from tocsin.engine.coded import Found

RowAnswer = tuple[int, Gate, "Found"]
"""What was found in a row of a block: its number, gate, and the answer of its combination of values."""
Answers = tuple[tuple[tuple[int, ...], object], ...]


class RowCollector:
    """Keeps rows of blocks that rules of correlations matched."""

    def __init__(self, collector: MatchCollector, views_of: Callable[[Gate], Sequence[View]]) -> None:
        self._collector = collector
        self._views_of = views_of

    def keep(self, reader: BlockSource, found: Sequence[RowAnswer], parts: Parts) -> tuple[set[int], set[int]]:
        """Keep what correlations need of rows; return the rows that are kept now, and those of them with nothing else to do.

        Rows of which only the whole event tells everything are not kept.
        """
        rows_of: dict[tuple[Gate, Answers], list[int]] = {}
        for row, gate, answer in found:
            rows_of.setdefault((gate, answer.answers), []).append(row)
        kept: set[int] = set()
        done: set[int] = set()
        for gate in {gate: None for gate, _ in rows_of}:
            groups = [(answers, rows) for (other, answers), rows in rows_of.items() if other == gate]
            sure = self._keep_gate(reader, self._views_of(gate), groups, parts)
            kept |= sure
            for answers, rows in groups:
                if self._only_kept(answers):
                    done.update(sure.intersection(rows))
        return kept, done

    def _only_kept(self, answers: Answers) -> bool:
        """Tell whether nothing but correlations is interested in an answer."""
        collector = self._collector
        return all(
            not faults and all(collector.wants(rule) and not collector.reports(rule) for rule in rules)
            for rules, faults in answers
        )

    def _keep_gate(
        self, reader: BlockSource, views: Sequence[View], groups: Sequence[tuple[Answers, list[int]]], parts: Parts
    ) -> set[int]:
        """Keep rows of a gate; return those that were kept."""
        wanted = [(_wanted(self._collector, answers), rows) for answers, rows in groups]
        wanted = [(rules, rows) for rules, rows in wanted if rules]
        if not wanted:
            return set()
        rows = np.sort(np.concatenate([np.array(some, np.int64) for _, some in wanted]))
        seen = _Seen(reader, rows)
        fields = {(view, name) for rules, _ in wanted for view, rule in rules for name in self._collector.fields_of(rule)}
        for view, name in sorted(fields):
            seen.column(views[view], name)
        for number, together, chosen in _by_rows(wanted):
            places = np.searchsorted(rows, chosen)
            sighted = seen.sighted(views[number])
            places = places[seen.sure[places]]
            for place, share in shares(parts, rows, places):
                self._collector.add_columns(together, sighted, share, place)
        return set(rows[seen.sure].tolist())


def _wanted(collector: MatchCollector, answers: Answers) -> tuple[tuple[int, int], ...]:
    """Return the (view, rule) of an answer that correlations name."""
    return tuple((view, rule) for view, (rules, _) in enumerate(answers) for rule in rules if collector.wants(rule))


def _by_rows(
    wanted: Sequence[tuple[tuple[tuple[int, int], ...], list[int]]],
) -> Iterator[tuple[int, list[int], Ints]]:
    """Yield a view, rules that matched the same rows in it, and these rows in order."""
    where: dict[tuple[int, int], list[int]] = {}
    for at, (rules, _) in enumerate(wanted):
        for item in rules:
            where.setdefault(item, []).append(at)
    same: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for (view, rule), places in where.items():
        same.setdefault((view, tuple(places)), []).append(rule)
    for (view, some), together in same.items():
        yield view, together, np.sort(np.concatenate([np.array(wanted[at][1], np.int64) for at in some]))


class _Seen:
    """Rows of a block as columns; `sure` are those of which all columns asked for tell what the whole event would."""

    def __init__(self, reader: BlockSource, rows: Ints) -> None:
        self._reader = reader
        self._columns = BlockColumns(reader, rows)
        self.times, self.sure = self._columns.times(self._columns.places(reader.time_names), reader.time_kinds)
        hosts = self._columns.cells(self._columns.places(reader.host_names))
        odd = np.array([bool(cell) and cell.startswith("\0") for cell in hosts.cells], np.bool_)  # type: ignore[union-attr]
        self.sure &= hosts.sure & ~odd[hosts.codes]
        self._hosts = Column(hosts.codes, [(cell,) if cell else () for cell in hosts.cells])
        self._native: dict[str, Cells] = {}
        self._made: dict[tuple[View | None, str], Column] = {}

    def sighted(self, view: View) -> Sighted:
        """Return the events as a view shows them."""
        return Sighted(self.times, self._columns.numbers, self._hosts, lambda name: self.column(view, name))

    def column(self, view: View, name: str) -> Column:
        """Return the column of a field as a view shows it."""
        alias = next((alias for alias in view.aliases if alias.field == name), None)
        key = (view if alias else None, name)
        if key not in self._made:
            if alias is None:
                cells = self._cells(name)
            else:
                sources = [self._cells(source) for source in alias.sources]
                codes, vectors = _joined(sources)
                cells = Cells(codes, [made_cell(alias, vector) for vector in vectors], sources[0].sure)
            self._made[key] = Column(cells.codes, [texts_of_cell(cell) for cell in cells.cells])
        return self._made[key]

    def _cells(self, name: str) -> Cells:
        if name not in self._native:
            known = self._reader.names
            places = self._columns.places(lambda layout: known(layout, name) or ())
            cells = self._columns.cells(places)
            unsure = [layout for layout in self._columns.layouts if known(layout, name) is None]
            self.sure &= cells.sure & ~self._columns.of_layouts(unsure)
            self._native[name] = cells
        return self._native[name]


def _joined(columns: Sequence[Cells]) -> tuple[Ints, list[tuple[str | None, ...]]]:
    """Return for each row the number of its combination of cells, and the combinations."""
    if len(columns) == 1:
        return columns[0].codes, [(cell,) for cell in columns[0].cells]
    table: NDArray[np.int64] = np.stack([column.codes for column in columns], axis=1)
    vectors, which = np.unique(table, axis=0, return_inverse=True)
    cells = [column.cells for column in columns]
    return which.ravel(), [tuple(cells[at][code] for at, code in enumerate(vector)) for vector in vectors.tolist()]


__all__ = ["RowAnswer", "RowCollector"]
