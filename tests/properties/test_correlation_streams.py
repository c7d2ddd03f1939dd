"""The fast correlation agrees with the naive one, on any stream, in any order."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tocsin.correlations.occurrence import (
    ROW,
    Body,
    Occurrence,
    folded,
    group_digest,
    group_keys,
    microseconds,
    value_keys,
)
from tocsin.correlations.plan import CorrelationPlan, Input
from tocsin.correlations.reference import correlate, evaluate
from tocsin.correlations.rows import RowSpool
from tocsin.correlations.sweep import sweep
from tocsin.rules.correlation import TYPES, Bound, Demand
from tocsin.rules.rule import Meta
from tocsin.runs.correlate import Correlating
from tocsin.runs.spool import Entry, merge

SECOND = 1_000_000
SINGLE = st.sampled_from(["a", "A", "b", "3", "7", "0.1", "0.2", "-4", "1e3", "x"])
TEXTS = st.one_of(
    SINGLE.map(lambda text: (text,)), st.lists(SINGLE, max_size=3).map(tuple)
)  # an empty one is a field without a value


@st.composite
def bounds(draw: st.DrawFn, most: int) -> tuple[Bound, ...]:
    """Draw one comparison, or a range."""
    number = st.one_of(st.integers(0, most), st.sampled_from([0.3, 2.5, 33.0]))
    if draw(st.booleans()):
        return (Bound(draw(st.sampled_from(("gt", "gte", "lt", "lte", "eq", "neq"))), draw(number)),)
    return Bound("gte", draw(number)), Bound("lte", draw(number))


@st.composite
def plans(draw: st.DrawFn) -> CorrelationPlan:
    """Draw a correlation over up to three rules and two fields."""
    kind = draw(st.sampled_from(TYPES))
    inputs = draw(st.integers(1, 3))
    names = ("g1", "g2")[: draw(st.integers(0, 2))]
    fields = ()
    if kind.startswith("value_"):
        fields = ("v1", "v2")[: draw(st.integers(1, 2)) if kind == "value_count" else 1]
    percentile = draw(st.sampled_from((-1, 0, 25, 50, 95.5, 100))) if kind == "value_percentile" else -1
    demand = Demand(draw(bounds(inputs if kind.startswith("temporal") else 6)), fields, percentile)
    made = tuple(Input(f"r{number}", f"r{number}", number, -1, names, fields) for number in range(inputs))
    return CorrelationPlan(Meta("c", "c"), kind, made, names, draw(st.integers(1, 6)) * SECOND, demand)


@st.composite
def streams(draw: st.DrawFn) -> tuple[CorrelationPlan, list[Occurrence]]:
    """Draw a correlation and matched events for it: ties, lists, fields without a value, one event matched by two rules."""
    plan = draw(plans())
    found: dict[tuple[int, int], Occurrence] = {}
    for _ in range(draw(st.integers(0, 14))):
        groups, values = (tuple(draw(TEXTS) for _ in names) for names in (plan.group_by, plan.demand.fields))
        body = Body(0, "f", "json", 0, 1, "h", groups, values)
        place = draw(st.integers(0, 30))
        rule = draw(st.integers(0, len(plan.inputs) - 1))
        found[rule, place] = Occurrence(rule, place // 2 * SECOND, place, body)  # an event has one time, and one content
    return plan, list(found.values())


def rows_of(plan: CorrelationPlan, occurrences: list[Occurrence]) -> np.ndarray:
    """Return the rows of matched events as a worker writes them."""
    rows = [
        (0, item.input, item.time_us, group, value, item.place, 0, at)
        for at, item in enumerate(occurrences)
        for group in group_keys(item.body)
        for value in value_keys(plan, item.body)
    ]
    return np.array(rows, ROW)


def fast(plan: CorrelationPlan, occurrences: list[Occurrence]) -> list[tuple[Any, ...]]:
    """Return the runs of the sweep in a form that compares."""
    runs = sweep(plan, rows_of(plan, occurrences))
    found = []
    for first, last, peak in zip(runs.first.tolist(), runs.last.tolist(), runs.peak.tolist(), strict=True):
        part = runs.rows[first:last]
        events = {(int(row["time"]), int(row["input"]), int(row["place"])) for row in part}
        found.append((int(part[0]["group"]), tuple(sorted(events)), len(part), peak))
    return sorted(found)


def naive(plan: CorrelationPlan, occurrences: list[Occurrence]) -> list[tuple[Any, ...]]:
    """Return the runs of the reference in the same form."""
    return sorted(
        (
            group_digest(run.group),
            tuple(sorted({(event.time_us, event.input, event.place) for event in run.events})),
            len(run.events),
            float(run.peak),
        )
        for run in correlate(plan, occurrences)
    )


@settings(max_examples=600, deadline=None)
@given(streams())
def test_the_sweep_finds_what_the_reference_finds(stream: tuple[CorrelationPlan, list[Occurrence]]) -> None:
    """Both give the same runs with the same events and the same measure."""
    plan, occurrences = stream
    assert fast(plan, occurrences) == naive(plan, occurrences)


@settings(max_examples=150, deadline=None)
@given(streams(), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(stream: tuple[CorrelationPlan, list[Occurrence]], random: Random) -> None:
    """Shuffled, and with some rows told twice, the same comes out."""
    plan, occurrences = stream
    again = occurrences + occurrences[:3]
    random.shuffle(again)
    assert fast(plan, again) == fast(plan, occurrences)


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[CorrelationPlan], dict[int, list[Occurrence]]]:
    """Draw a correlation that names another and a rule, and matched events for both."""
    inner, events = draw(streams())
    outer, more = draw(streams())
    inner = replace(inner, carries=tuple(sorted({"o1", "o2"})))
    names = tuple(draw(st.sampled_from(("o1", "o2", *inner.group_by))) for _ in outer.group_by)
    fields = tuple(draw(st.sampled_from(("o1", "o2", *inner.group_by))) for _ in outer.demand.fields)
    chained = Input("inner", "inner", -1, 0, names, fields)
    outer = replace(outer, inputs=(outer.inputs[0], chained, *outer.inputs[2:]), meta=Meta("outer", "outer"))
    if draw(st.booleans()):
        least = (Bound("gte", draw(st.integers(1, 2))),)
        outer = replace(outer, demand=Demand(least, outer.demand.fields, outer.demand.percentile))
    carried = [
        Occurrence(item.input, item.time_us, item.place, replace(item.body, carried=(draw(TEXTS), draw(TEXTS))))
        for item in events
    ]
    return [inner, outer], {0: carried, 1: [item for item in more if item.input != 1]}


@settings(max_examples=200, deadline=None)
@given(chains(), st.randoms(use_true_random=False))
def test_chains_find_what_the_reference_finds(
    chain: tuple[list[CorrelationPlan], dict[int, list[Occurrence]]], random: Random
) -> None:
    """What a scan reports of a chain, from rows in any order and number of files, is what the reference finds."""
    plans, matched = chain
    wanted = []
    for plan, runs in zip(plans, evaluate(plans, matched), strict=True):
        for run in runs:
            count = len({event.place for event in run.events})
            wanted.append((plan.meta.title, folded(run.group), run.first_us, run.last_us, count, float(run.peak)))
    assert sorted(wanted) == sorted(scanned(plans, matched, random))


def test_runs_that_share_an_event_happen_each() -> None:
    """Where two runs share an event, as a window between them does not match, a chain counts both."""
    named = {"groups": (), "values": ()}
    four, one = (Demand((Bound("gte", number),), (), -1) for number in (4, 1))
    inner = CorrelationPlan(Meta("c", "c"), "event_count", (Input("r", "r", 0, -1, **named),), (), 5 * SECOND, four)
    outer = CorrelationPlan(Meta("outer", "outer"), "event_count", (Input("c", "c", -1, 0, **named),), (), 100 * SECOND, one)
    events = [
        Occurrence(0, round(time * SECOND), place, Body(0, "f", "json", 0, 1, "h", (), ()))
        for place, time in enumerate((0, 0.1, 1, 3, 5.5, 6.5, 6.6))
    ]
    assert [len(runs) for runs in evaluate([inner, outer], {0: events})] == [2, 1]
    found = sorted(scanned([inner, outer], {0: events}, Random(1)))
    assert [(title, count) for title, *_, count, _ in found] == [("c", 4), ("c", 4), ("outer", 2)]


def scanned(plans: list[CorrelationPlan], matched: dict[int, list[Occurrence]], random: Random) -> list[tuple[Any, ...]]:
    """Return what the end of a scan makes of matched events that lie in several files."""
    with tempfile.TemporaryDirectory() as name:
        spools = [RowSpool(Path(name), f"rows-{number}") for number in range(3)]
        items = [(number, item) for number, items in matched.items() for item in items]
        random.shuffle(items)
        for number, item in items:
            random.choice(spools).add(number, plans[number], item)
        paths = [path for spool in spools if (path := spool.write())]
        correlating = Correlating(plans, Path(name), paths, lambda unit: 0)
        correlating.run()
        return [_finding(entry) for entry in merge(correlating.runs, Path(name))]


def _finding(entry: Entry) -> tuple[Any, ...]:
    finding = json.loads(entry.line(0))
    event = finding["event"]
    times = microseconds(event["first"]), microseconds(event["last"])
    return finding["rule"]["title"], folded(event["group"].values()), *times, event["count"], float(event["measure"])
