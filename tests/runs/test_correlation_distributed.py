"""The step that correlates runs on an engine of several processes as it is: each worker sweeps a share of the groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from distributed import Client, LocalCluster

from tocsin.correlations.occurrence import ROW
from tocsin.correlations.plan import CorrelationPlan, Input
from tocsin.correlations.sweep import sweep
from tocsin.rules.correlation import TYPES, Bound, Demand
from tocsin.rules.rule import Meta

SHARES = 5
ROWS, GROUPS, DAY_US = 60_000, 400, 86_400_000_000


def swept(plan: CorrelationPlan, path: str, share: int) -> list[tuple[int, int, int, int, float]]:
    """Return group, first and last time, number of rows and measure of the runs in a share of the groups of a file."""
    table = pq.read_table(path)
    table = table.filter(pa.array(table["group"].to_numpy() % SHARES == share)) if share >= 0 else table
    rows = np.empty(len(table), ROW)
    for name in ROW.names or ():
        rows[name] = table[name].to_numpy()
    runs = sweep(plan, rows)
    parts = [runs.rows[first:last] for first, last in zip(runs.first.tolist(), runs.last.tolist(), strict=True)]
    ends = [(int(part["group"][0]), int(part["time"][0]), int(part["time"][-1]), len(part)) for part in parts]
    return [(*end, peak) for end, peak in zip(ends, runs.peak.tolist(), strict=True)]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Return a client of a scheduler with two workers, each a process of its own."""
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Parquet file of matched events of three rules, in no order, with values that are numbers."""
    random = np.random.default_rng(6)
    rows = np.zeros(ROWS, ROW)
    rows["input"] = random.integers(0, 3, ROWS)
    rows["time"] = random.integers(0, DAY_US, ROWS)
    rows["group"] = random.integers(0, GROUPS, ROWS)
    rows["value"] = random.integers(0, 50, ROWS).astype(np.float64).view(np.uint64)
    rows["place"] = np.arange(ROWS)
    found = tmp_path_factory.mktemp("rows") / "rows.parquet"
    pq.write_table(pa.table({name: rows[name] for name in ROW.names or ()}), found)
    return found


@pytest.mark.parametrize("kind", TYPES)
def test_workers_find_what_one_process_finds(kind: str, client: Client, path: Path) -> None:
    """The runs of all shares are those of all groups at once, with the same events and measures."""
    least = {"event_count": 6, "value_count": 6, "value_sum": 150, "value_avg": 40, "value_median": 40, "value_percentile": 48}
    fields = ("v",) if kind.startswith("value_") else ()
    demand = Demand((Bound("gte", least.get(kind, 3)),), fields, 90 if kind == "value_percentile" else -1)
    inputs = tuple(Input(f"r{number}", f"r{number}", number, -1, ("g",), fields) for number in range(3))
    plan = CorrelationPlan(Meta("c", "c"), kind, inputs, ("g",), 20 * 60 * 1_000_000, demand)
    waiting = [client.submit(swept, plan, str(path), share, pure=False) for share in range(SHARES)]
    found = sorted(run for share in client.gather(waiting) for run in share)
    assert found == sorted(swept(plan, str(path), -1))
    assert len(found) > 10
    assert len(client.scheduler_info()["workers"]) == 2
