"""The fast engine: distinct values are looked up once, rows without a witness are never evaluated.

For a batch: (1) each distinct value of each column becomes a cell, which knows the rules that it makes candidates; (2) rows
in which some cell has candidates are found by table look-up over the codes; (3) such a row is evaluated once for each
distinct combination of cells, and the answer is remembered. Every cache is bounded and changes no answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from tocsin.engine.alike import RuleTests, Tellings, tests_of
from tocsin.engine.cells import Cell
from tocsin.engine.columns import combinations, rows_by_number, view_column
from tocsin.engine.interface import Fault, Match, Matches
from tocsin.engine.prefilter import FieldFilter
from tocsin.engine.tests import Row, RowTest, compile_expr
from tocsin.errors import RegexTimeout
from tocsin.events import KEYWORDS, EventBatch, Gate
from tocsin.plans.expr import Atom, Not, Plan
from tocsin.plans.gates import GatePlan, PlanIndex, ViewPlan, plan_gate

CACHE_BYTES: Final = 16 << 20
"""What the cells of all gates may hold before they are forgotten, in bytes."""
_CELL_BYTES: Final = 900
_MOST_TIMEOUTS: Final = 10
"""How often a rule may be cut off before it is no longer tried; its candidates then count as undecided at once."""
_GATED: Final = frozenset({"EventID", "Channel"})
_ANSWERS: Final = 50_000
_GATES: Final = 1024
_SAMPLE: Final = 256
"""Combinations of a batch that tell whether most are new; then it is asked which of the others are alike."""
Faults = tuple[tuple[int, RegexTimeout], ...]
Answer = tuple[tuple[int, ...], Faults]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Kept:
    """Rules whose rows are told all together, and those of them whose matches are not told one by one."""

    rules: frozenset[int] = frozenset()
    silent: frozenset[int] = frozenset()


_NOTHING: Final = Kept()


class FastEngine:
    """Evaluates a rule set gate by gate; the program of a gate is made when its first batch comes."""

    def __init__(self, plans: Sequence[Plan], kept: Kept = _NOTHING) -> None:
        self._plans = PlanIndex(plans)
        self._kept = kept
        self._size_bytes = 0
        self._gates: dict[Gate, tuple[GatePlan, list[ViewProgram]]] = {}

    def gate_plan(self, gate: Gate) -> GatePlan:
        """Return what the rules want of a gate."""
        return self.program(gate)[0]

    def program(self, gate: Gate) -> tuple[GatePlan, list[ViewProgram]]:
        """Return what the rules want of a gate, and their programs for each view."""
        found = self._gates.get(gate)
        if found is None:
            if len(self._gates) >= _GATES:
                self._gates.clear()
                self._size_bytes = 0
            plan = plan_gate(gate, self._plans)
            found = self._gates[gate] = (plan, [ViewProgram(view) for view in plan.views])
        return found

    def match(self, batch: EventBatch) -> Matches:
        """Return the rows that each rule matches, sorted by row and rule."""
        answer = Matches(keeps=bool(self._kept.rules))
        for number, program in enumerate(self.program(batch.gate)[1]):
            before = program.size_bytes
            program.run(batch, number, answer, self._kept)
            self._size_bytes += program.size_bytes - before
        answer.found.sort()
        if self._size_bytes > CACHE_BYTES:
            self._forget()
        return answer

    def _forget(self) -> None:
        self._size_bytes = 0
        for _, programs in self._gates.values():
            for program in programs:
                program.forget()


class ViewProgram:
    """The compiled rules of one view of a gate, with its caches. A row of it is a cell for each of `fields`."""

    def __init__(self, view: ViewPlan) -> None:
        self.view = view
        self.fields = view.fields
        index = {name: at for at, name in enumerate(self.fields)}
        self.numbers = [rule.number for rule in view.rules]
        self.tests: list[RowTest | None] = [None] * len(view.rules)
        self.index = index
        self.told: dict[int, RuleTests] = {}
        self.timeouts: dict[int, tuple[int, RegexTimeout]] = {}
        self.always = 0
        self.filters = self._filters()
        self.asking = [at for at, found in enumerate(self.filters) if not found.empty]
        self.forget()

    def reads_all(self, number: int) -> bool:
        """Tell whether the fields here are all that a rule of the view can show as reasons; the gate decides the others."""
        plan = next(rule.plan for rule in self.view.rules if rule.number == number)
        return KEYWORDS not in plan.fields and _GATED.issuperset(set(plan.fields).difference(self.fields))

    def _filters(self) -> list[FieldFilter]:
        found: dict[str, list[tuple[Atom | Not, int]]] = {name: [] for name in self.fields}
        for bit, rule in enumerate(self.view.rules):
            witness = rule.witness
            if witness is None:
                self.always |= 1 << bit
                continue
            for atom in witness:
                field = atom.field if isinstance(atom, Atom) else atom.part.field  # type: ignore[union-attr]
                found[field].append((atom, 1 << bit))
        return [FieldFilter(witnesses) for witnesses in found.values()]

    def forget(self) -> None:
        """Drop every remembered value and answer."""
        self.cells: list[dict[str | None, Cell]] = [{} for _ in self.fields]
        self.answers: dict[tuple[int, ...], Answer] = {}
        self.tellings = Tellings()
        self.size_bytes = 0
        self.next_number = 0

    def run(self, batch: EventBatch, view: int, answer: Matches, kept: Kept = _NOTHING) -> None:
        """Add the matches of a batch to the answer."""
        if len(self.answers) > _ANSWERS:
            self.forget()
        tables, codes = self._look_up(batch)
        rows = self._candidate_rows(batch.rows, tables, codes)
        if not len(rows):
            return
        picked = [column[rows] for column in codes]
        firsts, which = combinations(picked, [len(table) for table in tables], len(rows))
        firsts, which = self._joined(tables, picked, firsts, which)
        for first, some in zip(firsts.tolist(), rows_by_number(which), strict=True):
            combination = tuple([table[column[first]] for table, column in zip(tables, picked, strict=True)])
            found, faults = self._answer(combination)
            if found or faults:
                self._tell(rows[some], view, found, faults, answer, kept)

    @staticmethod
    def _tell(rows: Ints, view: int, found: Sequence[int], faults: Faults, answer: Matches, kept: Kept) -> None:
        for rule in found:
            if rule in kept.rules:
                answer.kept.setdefault((view, rule), []).append(rows)
        told = [rule for rule in found if rule not in kept.silent]
        for row in rows.tolist() if told or faults else ():
            answer.found.extend(Match(row, rule, view) for rule in told)
            answer.faults.extend(Fault(row, rule, error) for rule, error in faults)

    def _joined(
        self, tables: list[list[Cell]], picked: list[npt.NDArray[np.int32]], firsts: Ints, which: Ints
    ) -> tuple[Ints, Ints]:
        """Join combinations that all rules answer alike, where most are new; return them and those of rows as they came in."""
        if len(firsts) <= _SAMPLE:
            return firsts, which
        before = len(self.answers)
        for first in firsts[:_SAMPLE].tolist():
            self._answer(tuple([table[column[first]] for table, column in zip(tables, picked, strict=True)]))
        if 2 * (len(self.answers) - before) < _SAMPLE:
            return firsts, which
        heads, kinds = self._alike(tables, picked, firsts[_SAMPLE:])
        return np.concatenate((firsts[:_SAMPLE], heads)), np.concatenate((np.arange(_SAMPLE), kinds + _SAMPLE))[which]

    def _alike(self, tables: list[list[Cell]], picked: list[npt.NDArray[np.int32]], firsts: Ints) -> tuple[Ints, Ints]:
        """Return the first rows of kinds of combinations that all rules answer alike, and of each combination its kind."""
        codes = [column[firsts] for column in picked]
        masks = []
        for table, column in zip(tables, codes, strict=True):
            numbers: dict[int, int] = {}
            masks.append(np.array([numbers.setdefault(cell.mask, len(numbers)) for cell in table])[column])
        heads, groups = combinations(masks, [int(mask.max()) + 1 for mask in masks], len(firsts))
        vectors = np.stack(
            [np.array([cell.number for cell in table])[column] for table, column in zip(tables, codes, strict=True)], axis=1
        )
        cells = {cell.number: cell for table in tables for cell in table}
        joined: list[int] = []
        kind_of = np.zeros(len(firsts), np.int64)
        for head, members in zip(heads.tolist(), rows_by_number(groups), strict=True):
            mask = self.always
            for table, column in zip(tables, codes, strict=True):
                mask |= table[column[head]].mask
            rules = partial(self._candidates, mask)
            some, kinds = self.tellings.alike(mask, rules, vectors[members], lambda view, at, number: cells[number])
            kind_of[members] = kinds + len(joined)
            joined += firsts[members[some]].tolist()
        return np.array(joined, np.int64), kind_of

    def _candidates(self, mask: int) -> Iterator[RuleTests]:
        """Yield the tests of candidates."""
        places = {name: (at, (at,), True) for name, at in self.index.items()}
        for bit, rule in enumerate(self.view.rules):
            if mask >> bit & 1:
                if bit not in self.told:
                    self.told[bit] = tests_of(rule.expr, places, 0)
                yield self.told[bit]

    def _look_up(self, batch: EventBatch) -> tuple[list[list[Cell]], list[npt.NDArray[np.int32]]]:
        """Return, for each field, the cells of its distinct values and each row's code; the last cell is "absent"."""
        tables, codes = [], []
        for at, name in enumerate(self.fields):
            column = view_column(batch, self.view.view, name)
            if column is None:
                tables.append([self._known_cell(at, None)])
                codes.append(np.zeros(batch.rows, np.int32))
                continue
            known = self.cells[at]
            values = column.dictionary.to_pylist()
            table = [known.get(value) or self._known_cell(at, value) for value in values]
            table.append(self._known_cell(at, None))
            tables.append(table)
            codes.append(column.indices.fill_null(len(values)).to_numpy(zero_copy_only=False))
        return tables, codes

    def cell(self, at: int, value: str | None, number: int = 0) -> Cell:
        """Return the cell of a value of a field, with the rules that it makes candidates."""
        cell = Cell(value, number)
        cell.mask = self.filters[at].mask(cell)
        return cell

    def _known_cell(self, at: int, value: str | None) -> Cell:
        known = self.cells[at]
        cell = known.get(value)
        if cell is None:
            cell = known[value] = self.cell(at, value, self.next_number)
            self.next_number += 1
            self.size_bytes += _CELL_BYTES + 3 * len(value or "")
        return cell

    def _candidate_rows(self, rows: int, tables: list[list[Cell]], codes: list[npt.NDArray[np.int32]]) -> npt.NDArray[np.int64]:
        if self.always:
            return np.arange(rows)
        hot = np.zeros(rows, bool)
        for table, column in zip(tables, codes, strict=True):
            flags = np.fromiter((cell.mask != 0 for cell in table), bool, len(table))
            if flags.any():
                hot |= flags[column]
        return np.flatnonzero(hot)

    def _answer(self, row: tuple[Cell, ...]) -> Answer:
        key = tuple([cell.number for cell in row])
        answer = self.answers.get(key)
        if answer is None:
            mask = self.always
            for cell in row:
                mask |= cell.mask
            answer = self.answers[key] = self.evaluate(row, mask)
        return answer

    def evaluate(self, row: Row, mask: int) -> Answer:
        """Return the numbers of the rules that hold on a row, and those that could not be decided; `mask`: the candidates."""
        found: list[int] = []
        faults: list[tuple[int, RegexTimeout]] = []
        while mask:
            low = mask & -mask
            bit = low.bit_length() - 1
            mask ^= low
            cut_off = self.timeouts.get(bit)
            if cut_off and cut_off[0] >= _MOST_TIMEOUTS:
                faults.append((self.numbers[bit], cut_off[1]))
                continue
            try:
                if self._test(bit)(row):
                    found.append(self.numbers[bit])
            except RegexTimeout as error:
                faults.append((self.numbers[bit], error))
                self.timeouts[bit] = (cut_off[0] + 1 if cut_off else 1, error)
        return tuple(found), tuple(faults)

    def _test(self, bit: int) -> RowTest:
        test = self.tests[bit]
        if test is None:
            test = self.tests[bit] = compile_expr(self.view.rules[bit].expr, self.index)
        return test


__all__ = ["CACHE_BYTES", "Answer", "FastEngine", "Kept", "ViewProgram"]
