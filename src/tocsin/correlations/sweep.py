"""The fast correlation: windows as slices of a sorted table, measured in one sweep.

The table is sorted by group and time, so that each window is a slice; its ends come from one binary search over all groups.
Counts and sums are differences of running sums; the other measures follow the slice with what enters and leaves it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from tocsin.correlations.occurrence import counts_values
from tocsin.correlations.plan import Bound, CorrelationPlan

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_EXACT: Final = 1 << 53
_KEY_SPACE: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Runs:
    """Matching runs: slices of `rows` (first, last plus one), and the largest measure of a window in each.

    `rows` are rows as they were given, sorted by group, time and place, each one once. `ends` tells for each window the row
    after its last, `begins` its first row; `held` whether the condition holds in it and in the counting window around it, and
    `run` the run of that one then.
    """

    rows: NDArray[np.void]
    first: Ints
    last: Ints
    peak: NDArray[np.float64]
    begins: Ints
    ends: Ints
    held: Bools
    run: Ints


def sweep(plan: CorrelationPlan, rows: NDArray[np.void]) -> Runs:
    """Return the runs of a correlation over its rows, which may be in any order and repeat."""
    table = _sorted(plan, rows)
    begins, ends = _windows(plan, table)
    if not len(table):
        nothing = np.zeros(0, np.int64)
        return Runs(table, nothing, nothing, np.zeros(0), nothing, nothing, np.zeros(0, np.bool_), nothing)
    held, measure = _measure(plan, table, begins, ends)
    counting = np.append(begins[1:] > begins[:-1], True)
    chosen = np.flatnonzero(counting)
    matching = held[chosen]
    joined = np.zeros(len(chosen), np.bool_)
    joined[1:] = matching[1:] & matching[:-1] & (begins[chosen[1:]] < ends[chosen[:-1]])
    begun = matching & ~joined
    starts = np.flatnonzero(begun)
    stops = np.flatnonzero(matching & ~np.append(joined[1:], False))
    peaks = np.maximum.reduceat(np.where(matching, measure[chosen], -np.inf), starts) if len(starts) else np.zeros(0)
    around = np.searchsorted(chosen, np.arange(len(ends)))
    run = np.cumsum(begun)[around] - 1
    return Runs(table, begins[chosen[starts]], ends[chosen[stops]], peaks, begins, ends, held & matching[around], run)


def happenings(runs: Runs) -> list[tuple[int, int, int, int]]:
    """Return when a correlation happens: time, first row and row after the last of the events for which it does, its run.

    When its condition comes to hold it happens for each event of the window, and while it holds for each further event.
    """
    group, time = runs.rows["group"], runs.rows["time"]
    found = []
    for window in np.flatnonzero(runs.held).tolist():
        begin, end = int(runs.begins[window]), int(runs.ends[window])
        before = int(runs.ends[window - 1]) if window else 0
        goes_on = window > 0 and runs.held[window - 1] and group[before - 1] == group[end - 1]
        found.append((int(time[end - 1]), before if goes_on else begin, end, int(runs.run[window])))
    return found


def _sorted(plan: CorrelationPlan, rows: NDArray[np.void]) -> NDArray[np.void]:
    """Return the rows by group and time, without repetitions, and without groups too small to match."""
    rows = _large_enough(plan, rows)
    order = np.lexsort((rows["origin"], rows["input"], rows["value"], rows["place"], rows["time"], rows["group"]))
    table = rows[order]
    same = np.ones(max(0, len(table) - 1), np.bool_)
    for name in ("group", "time", "place", "value", "input"):
        same &= table[name][1:] == table[name][:-1]
    return table[np.insert(~same, 0, True)] if len(table) else table


def _large_enough(plan: CorrelationPlan, rows: NDArray[np.void]) -> NDArray[np.void]:
    least = 1
    if plan.type in ("event_count", "value_count", "temporal", "temporal_ordered"):
        least = max([1, *(int(bound.number) for bound in plan.demand.bounds if bound.how in ("gt", "gte", "eq"))])
    if least == 1 or not len(rows):
        return rows
    _, which, counts = np.unique(rows["group"], return_inverse=True, return_counts=True)
    return rows[counts[which] >= least]


def _windows(plan: CorrelationPlan, table: NDArray[np.void]) -> tuple[Ints, Ints]:
    """Return the first row and the row after the last of each window that ends at an event's time."""
    group, time = table["group"], table["time"]
    if not len(table):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    new_group = group[1:] != group[:-1]
    ends = np.append(np.flatnonzero(new_group | (time[1:] != time[:-1])) + 1, len(table)).astype(np.int64)
    heads = np.insert(np.flatnonzero(new_group) + 1, 0, 0)
    room = int(time.max()) - int(time.min()) + plan.timespan_us + 1
    at_once = max(1, _KEY_SPACE // room)
    number = np.cumsum(np.insert(new_group, 0, False))
    begins = np.empty(len(ends), np.int64)
    for low in range(0, len(heads), at_once):
        first = int(heads[low])
        last = int(heads[low + at_once]) if low + at_once < len(heads) else len(table)
        keys = (number[first:last] - low) * room + (time[first:last] - time.min())
        mine = slice(*np.searchsorted(ends, (first + 1, last + 1)))
        wanted = np.maximum(keys[ends[mine] - 1 - first] - plan.timespan_us, (number[ends[mine] - 1] - low) * room)
        begins[mine] = np.searchsorted(keys, wanted) + first
    return begins, ends


def _measure(plan: CorrelationPlan, table: NDArray[np.void], begins: Ints, ends: Ints) -> tuple[Bools, NDArray[np.float64]]:
    """Return for each window whether the condition holds, and what the window comes to."""
    if plan.type == "event_count":
        return _compared(plan, _differences(_first_of_event(table, ()), begins, ends))
    if plan.type == "value_count" or plan.type == "temporal":
        column = table["value"] if plan.type == "value_count" else table["input"]
        return _compared(plan, _distinct(np.unique(column, return_inverse=True)[1], begins, ends))
    if plan.type == "temporal_ordered":
        return _compared(plan, _chains(len(plan.inputs), table, begins, ends))
    if counts_values(plan):
        return _shares(plan, table, begins, ends)
    return _metric(plan, table, begins, ends)


def _first_of_event(table: NDArray[np.void], more: tuple[str, ...]) -> Bools:
    """Mark the first row of each event, or of each value of one: other rows say that another rule matched it too."""
    same = np.ones(len(table) - 1, np.bool_)
    for name in ("group", "time", "place", *more):
        same &= table[name][1:] == table[name][:-1]
    return np.insert(~same, 0, True)


def _differences(numbers: NDArray[Any], begins: Ints, ends: Ints) -> Ints:
    total = np.insert(np.cumsum(numbers, dtype=np.int64), 0, 0)
    return total[ends] - total[begins]


def _compared(plan: CorrelationPlan, measure: Ints) -> tuple[Bools, NDArray[np.float64]]:
    held = np.ones(len(measure), np.bool_)
    for bound in plan.demand.bounds:
        held &= _COMPARE[bound.how](measure, bound.number)
    return held, measure.astype(np.float64)


_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "gt": np.greater,
    "gte": np.greater_equal,
    "lt": np.less,
    "lte": np.less_equal,
    "eq": np.equal,
    "neq": np.not_equal,
}


def _distinct(codes: NDArray[Any], begins: Ints, ends: Ints) -> Ints:
    """Return how many different codes each window has."""
    values = codes.ravel().tolist()
    counts = [0] * (max(values) + 1)
    found, low, high, different = [], 0, 0, 0
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        for code in values[high:end]:
            different += not counts[code]
            counts[code] += 1
        for code in values[low:begin]:
            counts[code] -= 1
            different -= not counts[code]
        low, high = begin, end
        found.append(different)
    return np.array(found, np.int64)


def _chains(inputs: int, table: NDArray[np.void], begins: Ints, ends: Ints) -> Ints:
    """Return how many rules match one after the other in each window.

    `starts[length][rule]` is the latest row at which a row of so many rules begins that ends with the rule, so far.
    """
    rules = table["input"].tolist()
    starts = [[-1] * inputs for _ in range(inputs + 1)]
    found, high = [], 0
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        updates = []
        for row in range(high, end):
            rule = rules[row]
            updates.append((1, rule, row))
            for length in range(2, rule + 2):
                start = max(starts[length - 1][:rule])
                if start >= begin:
                    updates.append((length, rule, start))
        for length, rule, start in updates:
            starts[length][rule] = max(starts[length][rule], start)
        high = end
        found.append(max((length for length in range(1, inputs + 1) if max(starts[length]) >= begin), default=0))
    return np.array(found, np.int64)


def _shares(plan: CorrelationPlan, table: NDArray[np.void], begins: Ints, ends: Ints) -> tuple[Bools, NDArray[np.float64]]:
    """Return whether the share of some value, in percent, is one that the condition asks for, and the least such share."""
    codes = np.unique(table["value"], return_inverse=True)[1].ravel().tolist()
    weights = _first_of_event(table, ("value",)).tolist()
    counts: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    held, measure, low, high, total = [], [], 0, 0, 0
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        steps = [(row, 1) for row in range(high, end) if weights[row]] + [
            (row, -1) for row in range(low, begin) if weights[row]
        ]
        for row, step in steps:
            before = counts[codes[row]]
            counts[codes[row]] = before + step
            total += step
            sizes[before] -= 1
            sizes[before + step] += 1
            if not sizes[before]:
                del sizes[before]
        low, high = begin, end
        fitting = [share for size in sizes if size > 0 and plan.demand.holds(share := Fraction(100 * size, total))]
        held.append(bool(fitting))
        measure.append(float(min(fitting, default=0)))
    return np.array(held), np.array(measure)


def _metric(plan: CorrelationPlan, table: NDArray[np.void], begins: Ints, ends: Ints) -> tuple[Bools, NDArray[np.float64]]:
    """Return whether sum, average or percentile is what the condition asks, and what it is; exact throughout."""
    weights = _first_of_event(table, ("value",))
    numbers = np.where(weights, table["value"].view(np.float64), 0.0)
    counts = _differences(weights, begins, ends)
    if plan.type in ("value_sum", "value_avg"):
        return _totals(plan, numbers, counts, begins, ends)
    return _percentiles(plan, numbers.tolist(), weights.tolist(), begins, ends)


def _held(plan: CorrelationPlan, found: list[Fraction]) -> tuple[Bools, NDArray[np.float64]]:
    held = [plan.demand.holds(number) for number in found]
    return np.array(held, np.bool_), np.array([float(number) for number in found])


def _totals(
    plan: CorrelationPlan, numbers: NDArray[np.float64], counts: Ints, begins: Ints, ends: Ints
) -> tuple[Bools, NDArray[np.float64]]:
    divide = plan.type == "value_avg"
    largest = float(np.abs(numbers).sum())
    bounds = max(abs(bound.number) for bound in plan.demand.bounds)
    whole = bool((numbers == np.floor(numbers)).all()) and all(isinstance(bound.number, int) for bound in plan.demand.bounds)
    if whole and largest < _EXACT and bounds * len(numbers) < _EXACT:
        sums = _differences(numbers.astype(np.int64), begins, ends)
        held = np.ones(len(sums), np.bool_)
        for bound in plan.demand.bounds:
            held &= _COMPARE[bound.how](sums, bound.number * counts if divide else bound.number)
        return held, sums / counts if divide else sums.astype(np.float64)
    total, running = Fraction(), [Fraction()]
    for number in numbers.tolist():
        total += Fraction(number)
        running.append(total)
    sums_exact = [running[end] - running[begin] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    if divide:
        sums_exact = [number / count for number, count in zip(sums_exact, counts.tolist(), strict=True)]
    return _held(plan, sums_exact)


def _percentiles(
    plan: CorrelationPlan, numbers: list[float], weights: list[bool], begins: Ints, ends: Ints
) -> tuple[Bools, NDArray[np.float64]]:
    """Return whether a percentile of each window is what the condition asks, and what it is, from a list kept in order.

    It is compared as a numerator over `parts`, so that whole numbers, the common case, need no fractions.
    """
    percent = Fraction(50) if plan.type == "value_median" else Fraction(plan.demand.percentile)
    step, parts = percent.numerator, 100 * percent.denominator
    demand = replace(plan.demand, bounds=tuple(Bound(bound.how, _exact(bound.number) * parts) for bound in plan.demand.bounds))
    exact = [_exact(number) for number in numbers]
    kept: list[Any] = []
    held, measure, low, high = [], [], 0, 0
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        for row in range(low, min(begin, high)):
            if weights[row]:
                del kept[bisect_left(kept, exact[row])]
        for row in range(max(high, begin), end):
            if weights[row]:
                insort(kept, exact[row])
        low, high = begin, end
        under, rest = divmod(step * (len(kept) - 1), parts)
        over = min(under + 1, len(kept) - 1)
        found = kept[under] * (parts - rest) + kept[over] * rest
        held.append(demand.holds(found))
        measure.append(float(found / parts))
    return np.array(held, np.bool_), np.array(measure)


def _exact(number: float) -> Any:
    """Return a number as a whole one, or else as a fraction."""
    return int(number) if number == int(number) else Fraction(number)


__all__ = ["Runs", "happenings", "sweep"]
