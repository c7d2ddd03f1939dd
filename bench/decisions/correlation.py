"""How matched events are correlated: our sweep, windows of DuckDB or Polars, and plain Python, on the same rows.

    python bench/decisions/correlation.py [ROWS [GROUPS]]

DuckDB and Polars are measured when they are installed. Each way runs in a process of its own; its number of findings is shown.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tocsin.correlations.occurrence import ROW, Body, Occurrence
from tocsin.correlations.plan import CorrelationPlan, Input
from tocsin.correlations.rows import RowFiles, RowSpool
from tocsin.correlations.sweep import sweep
from tocsin.rules.correlation import Bound, Demand
from tocsin.rules.rule import Meta
from tocsin.runs.correlate import Correlating

SECOND = 1_000_000
SPAN_S = 600
LEAST = 12
DAY_S = 86_400


def plan(kind: str) -> CorrelationPlan:
    """Return a correlation of a kind that matches some of the groups."""
    fields = ("v",) if kind.startswith("value") else ()
    least = {"temporal": 3, "temporal_ordered": 3, "value_sum": 4_000, "value_avg": 900, "value_median": 950}.get(kind, LEAST)
    demand = Demand((Bound("gte", 990 if kind == "value_percentile" else least),), fields, 90 if "percentile" in kind else -1)
    inputs = tuple(Input(f"r{n}", f"r{n}", n, -1, ("g",), fields) for n in range(3))
    return CorrelationPlan(Meta(kind, kind), kind, inputs, ("g",), SPAN_S * SECOND, demand)


def rows(count: int, groups: int) -> np.ndarray:
    """Return rows over a day in a random order; a twentieth of the groups has all its events within two hours."""
    random = np.random.default_rng(7)
    made = np.zeros(count, ROW)
    made["group"] = random.integers(0, groups, count)
    quick = made["group"] % 20 == 0
    made["time"] = np.where(quick, random.integers(0, 7200, count), random.integers(0, DAY_S, count)) * SECOND
    made["input"] = random.integers(0, 3, count)
    made["value"] = random.integers(0, 1000, count).astype(np.float64).view(np.uint64)
    made["place"] = np.arange(count)
    return made


def ours(kind: str, made: np.ndarray) -> int:
    """Return the number of runs that the sweep finds."""
    return len(sweep(plan(kind), made).first)


def duckdb_windows(kind: str, made: np.ndarray) -> int:
    """Return the number of windows that match, by a range of DuckDB; runs would have to be told from them afterwards."""
    import duckdb
    import pyarrow as pa

    base = duckdb.connect()
    base.execute("set threads=1")
    numbers = made["value"].view(np.float64)
    columns = {
        "g": made["group"].copy(),
        "t": made["time"].copy(),
        "i": made["input"].copy(),
        "v": np.ascontiguousarray(numbers),
    }
    events = pa.table(columns)
    base.register("events", events)
    measure, least = {
        "event_count": ("count(*)", LEAST),
        "value_count": ("count(distinct v)", LEAST),
        "value_sum": ("sum(v)", 4_000),
        "value_median": ("median(v)", 950),
    }[kind]
    over = f"over (partition by g order by t range between {SPAN_S * SECOND} preceding and current row)"
    query = f"select count(*) from (select {measure} {over} as m from events) where m >= {least}"
    return int(base.execute(query).fetchone()[0])


def polars_windows(kind: str, made: np.ndarray) -> int:
    """Return the number of windows that match, by a rolling group of Polars."""
    import polars as pl

    numbers = np.ascontiguousarray(made["value"].view(np.float64))
    frame = pl.DataFrame({"g": made["group"].copy(), "t": made["time"].copy(), "v": numbers}).sort("g", "t")
    measure, least = {
        "event_count": (pl.len(), LEAST),
        "value_count": (pl.col("v").n_unique(), LEAST),
        "value_sum": (pl.col("v").sum(), 4_000),
        "value_median": (pl.col("v").median(), 950),
    }[kind]
    found = frame.rolling("t", period=f"{SPAN_S * SECOND}i", group_by="g", closed="both").agg(measure.alias("m"))
    return found.filter(pl.col("m") >= least).height


def plain(kind: str, made: np.ndarray) -> int:
    """Return the number of windows that match, by a queue for each group in plain Python; only counts."""
    found = 0
    queues: dict[int, deque[int]] = {}
    for group, moment in sorted(zip(made["group"].tolist(), made["time"].tolist(), strict=True)):
        queue = queues.setdefault(group, deque())
        queue.append(moment)
        while queue[0] < moment - SPAN_S * SECOND:
            queue.popleft()
        found += len(queue) >= LEAST
    return found


def whole(kind: str, count: int, groups: int) -> tuple[int, int, float]:
    """Return events, findings and seconds of the whole step: rows and bodies on disk to sorted findings on disk."""
    made = rows(count, groups)
    chosen = plan(kind)
    with tempfile.TemporaryDirectory() as name:
        spool = RowSpool(Path(name), "rows")
        paths: list[Path] = []
        for row in made:
            number = str(int(row["value"].view(np.float64)))
            body = Body(
                0, "evidence/security.jsonl", "json", 0, int(row["place"]), "h", ((f"user{row['group']}",),), ((number,),)
            )
            spool.add(0, chosen, Occurrence(int(row["input"]), int(row["time"]), int(row["place"]), body, int(row["place"])))
            if spool.full:
                paths.append(spool.write())
        paths.append(spool.write())
        begun = time.process_time()
        correlating = Correlating([chosen], Path(name), [path for path in paths if path], lambda unit: 0)
        correlating.run()
        took = time.process_time() - begun
        found = sum(len(sweep(chosen, share.rows).first) for share in RowFiles(correlating.paths).shares(0))
    return count, found, took


def measure(way: Callable[[str, np.ndarray], int], kind: str, count: int, groups: int) -> None:
    """Print what a way takes, run in this process."""
    made = rows(count, groups)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    try:
        found = way(kind, made)
    except (ImportError, KeyError):
        return
    took = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{way.__name__:<16} {kind:<17} {took:7.2f} s CPU  {(peak - before) / 1024:6.0f} MB more  {found:,} found", flush=True
    )


def measure_whole(kind: str, count: int, groups: int) -> None:
    """Print what the whole step takes, run in this process."""
    events, found, took = whole(kind, count, groups)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{'whole step':<16} {kind:<17} {took:7.2f} s CPU  {peak:6.0f} MB peak  {events:,} events, {found:,} findings",
        flush=True,
    )


def main() -> None:
    """Measure every way and kind."""
    count, groups = (int(text) for text in (sys.argv[1:] + ["1000000", "10000"][len(sys.argv) - 1 :])[:2])
    context = multiprocessing.get_context("fork")
    jobs: list[tuple[Callable[..., None], tuple[object, ...]]] = []
    kinds = ("event_count", "value_count", "temporal", "temporal_ordered", "value_sum", "value_avg", "value_median")
    for way in (ours, duckdb_windows, polars_windows):
        jobs += [(measure, (way, kind, count, groups)) for kind in (*kinds, "value_percentile")]
    jobs.append((measure, (plain, "event_count", count, groups)))
    jobs += [(measure_whole, (kind, count, groups)) for kind in ("event_count", "value_count", "temporal_ordered")]
    for target, arguments in jobs:
        process = context.Process(target=target, args=arguments)
        process.start()
        process.join()


if __name__ == "__main__":
    main()
