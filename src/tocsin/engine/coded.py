"""The engine over blocks: rows of codes, of which only new values and new combinations are ever looked at in Python.

For the rows of a block: (1) their channel and event id lead to a route, which knows the columns that the rules of this gate
read and which names feed them; (2) kernels code the values; (3) each new value is asked once whether it makes a rule a
candidate; (4) kernels give rows with a candidate the number of their combination of codes; (5) each new combination is
evaluated once. What is remembered is bounded and changes no answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from tocsin.engine.alike import RuleTests, Tellings, tests_of
from tocsin.engine.cells import Cell
from tocsin.engine.columns import combinations, rows_by_number
from tocsin.engine.executor import Answer, FastEngine, ViewProgram
from tocsin.events import KEYWORDS, Gate
from tocsin.events.values import NULL_CELL
from tocsin.kernels.block import BlockReader
from tocsin.kernels.codes import BAD, BY_SLOW, COLD, FOUND, HOT, NO_RULES, NOTHING, OCCURS, UNDECIDED, Codes
from tocsin.kernels.routes import FIRST_COLUMN, MOST_COLUMNS, MOST_ROUTES, Routes
from tocsin.rules.transforms import made_cell
from tocsin.rules.view import Alias

_GATES: Final = 4 * MOST_ROUTES
"""Gates without a route that are remembered."""
_KINDS: Final = 256
_FEW: Final = 64
"""Combinations that are evaluated without asking which are alike."""
Ints = npt.NDArray[np.int64]
_ASK: Final = 1
_ALWAYS_HOT: Final = 2


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a view's field comes from: columns of the route (-1: the reader has none), and what joins or changes them."""

    columns: tuple[int, ...]
    alias: Alias | None = None


@dataclass(slots=True)
class _Route:
    """A gate as one layout writes it: its columns and the programs of its views."""

    gate: Gate
    base: int
    fields: tuple[str, ...]
    needles: tuple[str, ...]
    """Texts of which a row must hold one for a keyword to match; empty when no rule has keywords."""
    programs: list[ViewProgram]
    sources: list[list[_Source]]
    uses: list[list[tuple[int, int]]]
    """For each column: the views and the fields in them that it alone decides, and that have witnesses."""
    absent: list[list[int]]
    """For each view, the candidates that the absence of each field makes."""
    cells: list[list[dict[int, Cell]]]
    """For each view and field the cells of codes met in rows that were evaluated, 0 for absent."""
    masks: list[list[dict[int, int]]]
    """For each view and field the candidates of codes, where there are any."""

    joined: Ints
    """The columns that feed a field together with others."""
    tellings: Tellings = field(default_factory=Tellings)
    tests: dict[tuple[int, int], RuleTests] = field(default_factory=dict)
    """The tests by which rows are told apart, by view and rule."""

    def forget(self) -> None:
        """Forget all codes."""
        self.tellings = Tellings()
        self.cells = [[{} for _ in program.fields] for program in self.programs]
        self.masks = [[{} for _ in program.fields] for program in self.programs]


@dataclass(slots=True)
class Found:
    """What the rules find in all rows of one combination: an answer for each view of the gate.

    `decided` are the (view, rule) whose reasons are the same in all these rows; `reasons` is for whoever makes them.
    """

    answers: tuple[Answer, ...]
    decided: frozenset[tuple[int, int]]
    reasons: dict[tuple[int, int], dict[str, dict[str, list[str]]]] = field(default_factory=dict)


@dataclass(slots=True)
class RowMatches:
    """The answer for the rows of a block: what was found in which row, and the rows that only the slow way can tell.

    `found`: row, gate, and what was found. `events`: how many of the rows that are not slow each gate has.
    """

    found: list[tuple[int, Gate, Found]] = field(default_factory=list)
    slow: list[int] = field(default_factory=list)
    events: dict[Gate, int] = field(default_factory=dict)


class CodedEngine:
    """Evaluates the rules of an engine on the blocks of one reader."""

    def __init__(self, engine: FastEngine, reader: BlockReader) -> None:
        self._engine = engine
        self._reader = reader
        self._codes = Codes(reader.block)
        self._tables = Routes(reader.name_count)
        self._routes: list[_Route] = []
        self._route_numbers: dict[tuple[int, Gate], int] = {}
        self._column_routes: list[int] = [-1] * FIRST_COLUMN
        self._row_routes = np.zeros(len(reader.block.row_table), np.int32)
        self._gate_names = np.array([reader.gate_names(at) for at in range(len(reader.layouts))], np.int64)
        self._signatures = np.zeros(len(self._codes.flags), np.int64)
        self._sure = np.zeros(_KINDS, np.uint8)
        self._sure[list(reader.sure_kinds)] = 1
        self.forget()

    def forget(self) -> None:
        """Forget what was remembered of values; to be called when `match` has raised, since it was at it."""
        self._codes.forget()
        self._signatures[:] = 0
        self._signature_numbers: dict[tuple[int, ...], int] = {}
        self._known_keys = 0
        self._known_entries = 1
        self._known_combinations = 1
        self._key_gates: list[Gate | None] = []
        for route in self._routes:
            route.forget()
        self._answers: dict[int, Found] = {}
        if len(self._route_numbers) > _GATES:
            self._route_numbers = {key: number for key, number in self._route_numbers.items() if number >= 0}

    def warm_up(self) -> None:
        """Load or compile the kernels."""
        self._match_some(0, 0)

    def match(self) -> RowMatches:
        """Return what the rules find in the rows of the reader's block."""
        whole = RowMatches()
        rows = self._reader.block.rows
        first = 0
        fresh = False
        while first < rows:
            last = self._match_some(first, rows)
            self._gather(first, last, whole)
            if last > first:
                fresh = False
            elif fresh:  # a row that no empty table has room for
                whole.slow.append(first)
                self._row_routes[first] = BY_SLOW
                last = first + 1
            else:
                self.forget()
                fresh = True
            first = last
        self._take_out_suspects(rows, whole)
        if self._codes.full:
            self.forget()
        return whole

    def _take_out_suspects(self, rows: int, whole: RowMatches) -> None:
        """Leave the rows that may hold a keyword of their gate's rules to the slow way, which searches all values."""
        routes = self._row_routes[:rows]
        asking = [number for number, route in enumerate(self._routes) if route.needles]
        present = [number for number in np.unique(routes).tolist() if number in asking]
        needles = {needle for number in present for needle in self._routes[number].needles}
        if not needles:
            return
        suspects = self._reader.suspects(tuple(sorted(needles))) & np.isin(routes, present)
        for row in np.flatnonzero(suspects).tolist():
            whole.slow.append(row)
            whole.events[self._routes[routes[row]].gate] -= 1
        if suspects.any():
            whole.found = [item for item in whole.found if not suspects[item[0]]]
            whole.slow.sort()

    def seen_fields(self) -> Iterator[tuple[Gate, list[str]]]:
        """Yield each gate with the fields that occurred since the last call."""
        seen = self._tables.seen
        for route in self._routes:
            mine = seen[route.base : route.base + len(route.fields)]
            yield route.gate, [name for name, occurred in zip(route.fields, mine.tolist(), strict=True) if occurred]
        seen[:] = 0

    def _match_some(self, first: int, rows: int) -> int:
        """Match rows from the first as far as there is room; return the row reached."""
        last = self._codes.find_keys(self._reader.block, first, rows, self._gate_names)
        self._resolve_keys()
        last = self._codes.encode(self._reader.block, first, last, self._tables.arrays)
        self._ask_values()
        last = self._codes.combine(first, last, self._tables.arrays)
        self._evaluate_combinations()
        return last

    def _gather(self, first: int, last: int, whole: RowMatches) -> None:
        codes = self._codes
        keys, combinations = codes.rows.key[first:last], codes.rows.combination[first:last]
        routes = np.where(keys >= 0, codes.key_routes[np.maximum(keys, 0)], keys)
        routes[combinations < 0] = BY_SLOW
        self._row_routes[first:last] = routes
        whole.slow += (np.flatnonzero(routes == BY_SLOW) + first).tolist()
        counted = np.bincount(keys[(keys >= 0) & (routes != BY_SLOW)], minlength=1).tolist()
        for key, count in enumerate(counted):
            gate = self._key_gates[key] if count else None
            if gate:
                whole.events[gate] = whole.events.get(gate, 0) + count
        for at in np.flatnonzero((codes.answers[combinations] == FOUND) & (combinations > 0)).tolist():
            gate = self._routes[routes[at]].gate
            whole.found.append((first + at, gate, self._answers[int(combinations[at])]))

    def _resolve_keys(self) -> None:
        codes = self._codes
        for key in range(self._known_keys, codes.key_count):
            layout, channel, event_id = codes.key(key)
            gate, found = self._resolve(layout, channel, event_id)
            self._key_gates.append(gate)
            codes.key_routes[key] = found
        self._known_keys = codes.key_count

    def _resolve(self, layout: int, channel: int, event_id: int) -> tuple[Gate | None, int]:
        try:
            texts = [self._value(entry) or "" for entry in (channel, event_id)]
        except ValueError:
            return None, BY_SLOW
        gate = self._reader.gate(layout, *texts)
        if gate is None:
            return None, BY_SLOW
        number = self._route_numbers.get((layout, gate))
        if number is None:
            number = self._route_numbers[layout, gate] = self._add_route(layout, gate)
        return gate, number

    def _cell_text(self, entry: int) -> str | None:
        return self._reader.cell(*self._codes.value(entry))

    def _add_route(self, layout: int, gate: Gate) -> int:
        plan, programs = self._engine.program(gate)
        if not plan.views:
            return NO_RULES
        fields = tuple(name for name in plan.demand.fields if name != KEYWORDS)
        names = [self._reader.names(layout, name) for name in fields]
        unscreened = KEYWORDS in plan.demand.fields and not plan.demand.screen
        sure = [found for found in names if found is not None]
        if len(sure) < len(names) or unscreened or len(self._routes) >= MOST_ROUTES or len(fields) > MOST_COLUMNS:
            return BY_SLOW
        always = any(program.always for program in programs)
        index = {name: at for at, name in enumerate(fields)}
        sources = [[_source(program, name, index) for name in program.fields] for program in programs]
        absent = [[program.cell(at, None).mask for at in range(len(program.fields))] for program in programs]
        several = [source.columns for found in sources for source in found if len(source.columns) > 1]
        joined = np.array(sorted({column for columns in several for column in columns if column >= 0}), np.int64)
        base = self._tables.columns
        number = self._tables.add(sure, always)
        route = _Route(gate, base, fields, plan.demand.screen, programs, sources, [[] for _ in fields], absent, [], [], joined)
        route.forget()
        self._routes.append(route)
        self._column_routes += [number] * len(fields)
        self._mark_columns(number, route)
        return number

    def _mark_columns(self, number: int, route: _Route) -> None:
        """Note which columns' values must be asked, and where the absence of a value makes a candidate."""
        routes = self._tables
        for view, (program, sources) in enumerate(zip(route.programs, route.sources, strict=True)):
            for at, source in enumerate(sources):
                if program.filters[at].empty:
                    continue
                column = source.columns[0]  # of a joined field the first one decides whether there is a value at all
                absent_hot = route.absent[view][at] != 0
                if column < 0:
                    routes.table[number, 2] |= absent_hot
                    continue
                routes.absent_hot[route.base + column] |= absent_hot
                if len(source.columns) > 1:
                    routes.asked[route.base + column] |= _ALWAYS_HOT
                    continue
                routes.asked[route.base + column] |= _ASK
                route.uses[column].append((view, at))

    def _ask_values(self) -> None:
        """Tell of each new value whether it makes some rule a candidate."""
        codes = self._codes
        begin, end = self._known_entries, codes.value_count
        self._known_entries = end
        if begin == end:
            return
        columns, kinds = codes.columns_and_kinds(begin, end)
        asked = self._tables.asked[columns]
        sure = self._sure[kinds] != 0
        occurs = np.where(sure & (kinds != self._reader.null_kind), OCCURS, COLD)
        codes.flags[begin:end] = np.where(asked & _ALWAYS_HOT, HOT, COLD) | occurs
        unsure = ((asked & _ASK) != 0) | ((columns >= FIRST_COLUMN) & ~sure)
        new: dict[int, tuple[list[int], list[str]]] = {}
        for entry, column, value in codes.values(np.flatnonzero(unsure) + begin, self._reader.cell):
            if value is UNDECIDED:
                codes.flags[entry] = BAD
            elif isinstance(value, str):
                codes.flags[entry] |= COLD if value == NULL_CELL else OCCURS
                entries, values = new.setdefault(column, ([], []))
                entries.append(entry)
                values.append(value)
            elif self._tables.absent_hot[column]:
                codes.flags[entry] |= HOT
                route = self._routes[self._column_routes[column]]
                uses = route.uses[column - route.base]
                for view, at in uses:  # written, and yet as absent as one that is not there
                    route.masks[view][at][entry] = route.absent[view][at]
                self._sign([entry], [[route.absent[view][at]] for view, at in uses])
        for column, (entries, values) in new.items():
            self._ask_column(column, entries, values)

    def _ask_column(self, column: int, entries: list[int], values: list[str]) -> None:
        route = self._routes[self._column_routes[column]]
        told = []
        for view, at in route.uses[column - route.base]:
            source = route.sources[view][at]
            cells = [_changed(source, value) for value in values] if source.alias else values
            known = route.masks[view][at]
            told.append(route.programs[view].filters[at].masks(cells))
            for entry, mask in zip(entries, told[-1], strict=True):
                if mask:
                    known[entry] = mask
                    self._codes.flags[entry] |= HOT

        self._sign(entries, told)

    def _sign(self, entries: list[int], told: list[list[int]]) -> None:
        """Give values a number that tells the candidates that they make in each of their uses; 0 is none."""
        for entry, masks in zip(entries, zip(*told, strict=True), strict=False):
            if any(masks):
                self._signatures[entry] = self._signature_numbers.setdefault(masks, len(self._signature_numbers) + 1)

    def _evaluate_combinations(self) -> None:
        codes = self._codes
        begin, self._known_combinations = self._known_combinations, codes.combination_count
        if begin == self._known_combinations:
            return
        routes = codes.combination_routes(begin, self._known_combinations)
        for at in np.unique(routes).tolist():
            route, numbers = self._routes[at], np.flatnonzero(routes == at) + begin
            vectors = codes.vectors(numbers, len(route.fields))
            for rows, vector in self._alike(route, vectors):
                answer = tuple([self._evaluate(route, view, vector) for view in range(len(route.programs))])
                useful = any(found or faults for found, faults in answer)
                codes.answers[numbers[rows]] = FOUND if useful else NOTHING
                if useful:
                    decided = self._decided(route, answer)
                    self._answers.update((number, Found(answer, decided)) for number in numbers[rows].tolist())

    def _alike(self, route: _Route, vectors: Ints) -> Iterator[tuple[Ints, list[int]]]:
        """Yield the rows of codes that all rules answer alike, and one of them."""
        if len(vectors) < _FEW:
            yield from ((np.array([row]), vector) for row, vector in enumerate(vectors.tolist()))
            return
        marks = np.where(vectors > 0, self._signatures[vectors], -1)
        marks[:, route.joined] = vectors[:, route.joined]
        uneven = np.flatnonzero((marks != marks[0]).any(axis=0))
        columns = [marks[:, column] + 1 for column in uneven]
        firsts, which = combinations(columns, [int(column.max()) + 1 for column in columns], len(vectors))
        for first, rows in zip(firsts.tolist(), rows_by_number(which), strict=True):
            some = vectors[rows]
            masks = tuple([self._mask(route, view, vectors[first].tolist()) for view in range(len(route.programs))])
            rules, cell = partial(_candidates, route, masks), partial(self._cell_of, route)
            heads, kinds = route.tellings.alike(masks, rules, some, cell)
            for head, alike in zip(heads.tolist(), rows_by_number(kinds), strict=True):
                yield rows[alike], some[head].tolist()

    def _decided(self, route: _Route, answers: tuple[Answer, ...]) -> frozenset[tuple[int, int]]:
        """Return the (view, rule) of which the combination holds every field that the rule's reasons can show."""
        return frozenset(
            (view, rule) for view, (rules, _) in enumerate(answers) for rule in rules if route.programs[view].reads_all(rule)
        )

    def _evaluate(self, route: _Route, view: int, vector: list[int]) -> Answer:
        mask = self._mask(route, view, vector)
        return route.programs[view].evaluate(_CodedRow(self, route, view, vector), mask) if mask else ((), ())

    def _mask(self, route: _Route, view: int, vector: list[int]) -> int:
        """Return the candidates of a row of codes."""
        program = route.programs[view]
        mask = program.always
        masks, absent = route.masks[view], route.absent[view]
        for at in program.asking:
            columns = route.sources[view][at].columns
            if len(columns) > 1:
                mask |= self.cell(route, view, at, vector).mask
                continue
            entry = vector[columns[0]] if columns[0] >= 0 else 0
            mask |= masks[at].get(entry, 0) if entry else absent[at]
        return mask

    def cell(self, route: _Route, view: int, at: int, vector: list[int]) -> Cell:
        """Return the cell of a view's field in a row of codes."""
        source = route.sources[view][at]
        program = route.programs[view]
        entries = [vector[column] if column >= 0 else 0 for column in source.columns]
        if len(entries) > 1:
            return program.cell(at, _changed(source, *[self._value(entry) for entry in entries]))
        return self._cell_of(route, view, at, entries[0])

    def _cell_of(self, route: _Route, view: int, at: int, entry: int) -> Cell:
        """Return the cell of a code in a field that has one source, without its candidates, which `masks` has."""
        known = route.cells[view][at]
        cell = known.get(entry)
        if cell is None:
            cell = known[entry] = Cell(_changed(route.sources[view][at], self._value(entry)), 0)
        return cell

    def _value(self, entry: int) -> str | None:
        return self._cell_text(entry) if entry else None


class _CodedRow:
    """The cells of a row of codes, made when they are asked for: a rule seldom asks for more than a few."""

    __slots__ = ("_cells", "_engine", "_route", "_vector", "_view")

    def __init__(self, engine: CodedEngine, route: _Route, view: int, vector: list[int]) -> None:
        self._engine = engine
        self._route = route
        self._view = view
        self._vector = vector
        self._cells: dict[int, Cell] = {}

    def __getitem__(self, at: int, /) -> Cell:
        cell = self._cells.get(at)
        if cell is None:
            cell = self._cells[at] = self._engine.cell(self._route, self._view, at, self._vector)
        return cell


def _place(at: int, source: _Source) -> tuple[int, tuple[int, ...], bool]:
    """Return the place of a field in its view, its columns, and whether it has no more than one."""
    return at, tuple([column for column in source.columns if column >= 0]), len(source.columns) == 1


def _candidates(route: _Route, masks: Sequence[int]) -> Iterator[RuleTests]:
    """Yield the tests of the candidates of each view."""
    for view, (program, mask) in enumerate(zip(route.programs, masks, strict=True)):
        places = {name: _place(at, route.sources[view][at]) for name, at in program.index.items()}
        for bit, rule in enumerate(program.view.rules):
            if mask >> bit & 1:
                if (view, bit) not in route.tests:
                    route.tests[view, bit] = tests_of(rule.expr, places, view)
                yield route.tests[view, bit]


def _source(program: ViewProgram, name: str, index: dict[str, int]) -> _Source:
    alias = next((alias for alias in program.view.view.aliases if alias.field == name), None)
    names = alias.sources if alias else (name,)
    return _Source(tuple([index.get(source, -1) for source in names]), alias)


def _changed(source: _Source, *cells: str | None) -> str | None:
    """Return the cell of a view's field from those of its columns."""
    if source.alias is None:
        return cells[0]
    return made_cell(source.alias, cells)


__all__ = ["CodedEngine", "RowMatches"]
