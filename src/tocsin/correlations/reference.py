"""The naive correlation: semantics 24 word by word, never optimised, kept for ever.

A window is every event of a group in a span of the given length. Spans are looked at that end at an event; a window all of
whose events are in another window does not count. A run is a row of matching windows; each shares an event with the one
before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations, product

from msgspec.structs import replace

from tocsin.correlations.occurrence import MOST_KEYS, Body, Occurrence, Texts, counts_values, digest, number_of
from tocsin.correlations.plan import CorrelationPlan

Value = tuple[str, ...] | Fraction | None


@dataclass(frozen=True, slots=True)
class Seen:
    """An event in a group, with one of its values."""

    time_us: int
    input: int
    place: int
    value: Value
    body: Body = field(compare=False)


@dataclass(frozen=True, slots=True)
class Run:
    """A finding of the reference: the group, folded, and its events."""

    group: Texts
    events: frozenset[Seen]
    peak: Fraction
    windows: tuple[frozenset[Seen], ...]

    @property
    def first_us(self) -> int:
        """Return the time of the first event."""
        return min(event.time_us for event in self.events)

    @property
    def last_us(self) -> int:
        """Return the time of the last event."""
        return max(event.time_us for event in self.events)


def correlate(plan: CorrelationPlan, occurrences: Iterable[Occurrence]) -> list[Run]:
    """Return the runs of a correlation over matched events, in any order."""
    return [run for group, events in sorted(_groups(plan, occurrences).items()) for run in _runs(plan, group, events)]


def evaluate(plans: Sequence[CorrelationPlan], matched: Mapping[int, Sequence[Occurrence]]) -> list[list[Run]]:
    """Return the runs of each correlation; `matched` has the events of rules by number of the correlation."""
    every = {number: list(matched.get(number, ())) for number in range(len(plans))}
    found = []
    for number, plan in enumerate(plans):
        found.append(correlate(plan, every[number]))
        for upper, outer in enumerate(plans):
            for place, item in enumerate(outer.inputs):
                if item.correlation == number:
                    every[upper] += _chained(plan, every[number], outer, place)
    return found


def _chained(plan: CorrelationPlan, occurrences: Sequence[Occurrence], outer: CorrelationPlan, place: int) -> list[Occurrence]:
    """Return the matches of a correlation as another sees them: each time, or for one that counts each run once."""
    made: dict[tuple[object, ...], Occurrence] = {}
    for group, events in _groups(plan, occurrences).items():
        runs = _runs(plan, group, events)
        for time, event, window in happenings(plan, events):
            run = next(run for run in runs if window in run.windows)
            known = dict(zip(plan.carries, event.body.carried, strict=True))
            known |= {name: (text,) for name, text in zip(plan.group_by, group, strict=True)}
            names = outer.inputs[place]
            groups, values, carried = (
                tuple(known[name] for name in wanted) for wanted in (names.groups, names.values, outer.carries)
            )
            body = replace(event.body, groups=groups, values=values, carried=carried)
            item = Occurrence(place, time, digest((plan.meta.id, group, run.first_us)), body)
            made.setdefault((item.place, groups, values, carried, time if outer.is_temporal else 0), item)
    return list(made.values())


def _groups(plan: CorrelationPlan, occurrences: Iterable[Occurrence]) -> dict[Texts, set[Seen]]:
    groups: dict[Texts, set[Seen]] = {}
    for item in occurrences:
        for group in _keys(item.body.groups):
            for value in _values(plan, item):
                groups.setdefault(group, set()).add(Seen(item.time_us, item.input, item.place, value, item.body))
    return groups


def happenings(plan: CorrelationPlan, events: Collection[Seen]) -> list[tuple[int, Seen, frozenset[Seen]]]:
    """Return when a correlation happens for which event of a group, for correlations of it, and the window that counts then.

    When its condition comes to hold it happens for each event of the window, and while it holds for each further event.
    """
    found: list[tuple[int, Seen, frozenset[Seen]]] = []
    held = False
    for time in sorted({event.time_us for event in events}):
        window = _window(plan, events, time)
        around = next(span for span in _windows(plan, events) if window <= span)
        holds = _measure(plan, window) is not None and _measure(plan, around) is not None
        if holds:
            happening = (event for event in window if not held or event.time_us == time)
            found += [(time, event, around) for event in sorted(happening, key=lambda item: (item.time_us, item.place))]
        held = holds
    return found


def _keys(fields: Sequence[Texts]) -> list[Texts]:
    """Return each combination of the elements, folded."""
    whole = list(product(*(sorted(set(texts)) for texts in fields)))[:MOST_KEYS]
    return sorted({tuple(text.casefold() for text in texts) for texts in whole})


def _values(plan: CorrelationPlan, item: Occurrence) -> list[Value]:
    if not plan.demand.fields:
        return [None]
    if counts_values(plan):
        return list(_keys(item.body.values))
    numbers = sorted({number for text in item.body.values[0] if (number := number_of(text)) is not None})
    return [Fraction(number) for number in numbers[:MOST_KEYS]]


def _window(plan: CorrelationPlan, events: Iterable[Seen], end: int) -> frozenset[Seen]:
    return frozenset(event for event in events if end - plan.timespan_us <= event.time_us <= end)


def _windows(plan: CorrelationPlan, events: Iterable[Seen]) -> list[frozenset[Seen]]:
    """Return the windows that count, by their ends."""
    every = [_window(plan, events, end) for end in sorted({event.time_us for event in events})]
    return [window for window in every if not any(window < other for other in every)]


def _runs(plan: CorrelationPlan, group: Texts, events: set[Seen]) -> list[Run]:
    runs: list[Run] = []
    before: frozenset[Seen] = frozenset()
    for window in _windows(plan, events):
        measure = _measure(plan, window)
        if measure is None:
            before = frozenset()
            continue
        if window & before:
            last = runs.pop()
            runs.append(Run(group, last.events | window, max(last.peak, measure), (*last.windows, window)))
        else:
            runs.append(Run(group, window, measure, (window,)))
        before = window
    return runs


def _measure(plan: CorrelationPlan, window: frozenset[Seen]) -> Fraction | None:
    """Return what a window comes to, or None when that is not what the condition asks."""
    if plan.type == "value_percentile" and plan.demand.percentile < 0:
        return _share(plan, window)
    found = _number(plan, window)
    return found if plan.demand.holds(found) else None


def _share(plan: CorrelationPlan, window: frozenset[Seen]) -> Fraction | None:
    """Return the least share of a value in the events, in percent, that the condition asks for."""
    pairs = {(event.place, event.value) for event in window}
    shares = [
        Fraction(100 * sum(other == value for _, other in pairs), len(pairs)) for value in {event.value for event in window}
    ]
    return min((share for share in shares if plan.demand.holds(share)), default=None)


def _number(plan: CorrelationPlan, window: frozenset[Seen]) -> Fraction:
    if plan.type == "event_count":
        return Fraction(len({event.place for event in window}))
    if plan.type == "value_count":
        return Fraction(len({event.value for event in window}))
    if plan.type == "temporal":
        return Fraction(len({event.input for event in window}))
    if plan.type == "temporal_ordered":
        return Fraction(_longest(len(plan.inputs), window))
    numbers = sorted(value for _, value in {(event.place, event.value) for event in window} if isinstance(value, Fraction))
    if plan.type == "value_sum":
        return sum(numbers, Fraction())
    if plan.type == "value_avg":
        return sum(numbers, Fraction()) / len(numbers)
    return _percentile(numbers, Fraction(50) if plan.type == "value_median" else Fraction(plan.demand.percentile))


def _percentile(numbers: list[Fraction], percent: Fraction) -> Fraction:
    """Return a percentile of sorted numbers, between two of them in proportion."""
    at = percent / 100 * (len(numbers) - 1)
    low = int(at)
    high = min(low + 1, len(numbers) - 1)
    return numbers[low] + (numbers[high] - numbers[low]) * (at - low)


def _longest(inputs: int, window: frozenset[Seen]) -> int:
    """Return the most rules that matched one after the other, in the order of the correlation."""
    for size in range(inputs, 0, -1):
        if any(_in_order(chosen, window) for chosen in combinations(range(inputs), size)):
            return size
    return 0


def _in_order(chosen: tuple[int, ...], window: frozenset[Seen]) -> bool:
    now: int | None = None
    for number in chosen:
        later = [event.time_us for event in window if event.input == number and (now is None or event.time_us > now)]
        if not later:
            return False
        now = min(later)
    return True


__all__ = ["Run", "Seen", "correlate", "evaluate", "happenings"]
