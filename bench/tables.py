"""Materialisation of a shared table: rows each second from Parquet to Parquet by a policy with every kind of change.

usage: python bench/tables.py [--rows N]

It runs in this process, on one table of random logons in eight files. The bar is 200,000 rows a second on 2 cores. Beside it:
only reading and writing the same columns, and the naive reference on a part of the rows.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tocsin.sharing.table_policies import Change, Condition, Shown, TablePolicy
from tocsin.tables.keys import derive_keys
from tocsin.tables.pieces import write_piece
from tocsin.tables.reference import given_rows
from tocsin.tables.shaping import Shaper, as_it_is, shaped
from tocsin.tables.sources import open_source

WORK = Path(__file__).resolve().parent.parent / ".bench" / "tables"
FILES = 8
SLOW_ROWS = 2_000
KEYS = derive_keys(b"k" * 32, "events", "university", 1)
POLICY = TablePolicy(
    columns=(
        Shown("at", Change.TIME, "hour"),
        Shown("host"),
        Shown("user", Change.TOKEN),
        Shown("address", Change.PREFIX),
        Shown("peer", Change.NETWORK),
        Shown("port", Change.BUCKET, 1000),
        Shown("event"),
        Shown("by", Change.CONSTANT, "cert"),
    ),
    rows=(Condition("site", ("north", "east", "west")),),
)


def table(rows: int, seed: int) -> pa.Table:
    """Return random logons: 50,000 users, 200,000 addresses, four sites."""
    dice = np.random.default_rng(seed)
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    address = dice.integers(0, 200_000, rows)
    return pa.table(
        {
            "at": pa.array(start + dice.integers(0, 30 * 86_400, rows) * 1_000_000, pa.timestamp("us", "UTC")),
            "site": np.array(["north", "east", "west", "south"])[dice.integers(0, 4, rows)],
            "host": [f"host-{number}" for number in dice.integers(0, 3_000, rows)],
            "user": [f"user-{number}" for number in dice.integers(0, 50_000, rows)],
            "address": [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in address],
            "peer": [f"192.168.{number & 255}.{number >> 8 & 127}" for number in address],
            "port": dice.integers(1, 65_536, rows),
            "event": dice.integers(4600, 4800, rows),
        }
    )


def main() -> None:
    """Make the table, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    rows = parser.parse_args().rows
    shutil.rmtree(WORK, ignore_errors=True)
    (WORK / "source").mkdir(parents=True)
    for at in range(FILES):
        pq.write_table(table(rows // FILES, at), WORK / "source" / f"{at}.parquet", compression="zstd")
    source = open_source(WORK / "source")
    wall: dict[str, float] = {}
    for name, policy in (("as it is", as_it_is(source.schema)), ("by the policy", POLICY)):
        shaper = Shaper(policy, source.schema, KEYS, "university")
        began, spent = time.perf_counter(), time.process_time()
        given = 0
        for file in source.files:
            piece = write_piece(WORK / name, shaper.schema, shaped(shaper, source.batches(file, shaper.columns)))
            given += piece.rows if piece else 0
        wall[name] = time.perf_counter() - began
        cpu = time.process_time() - spent
        print(
            f"{name:<14} {rows / wall[name]:>10,.0f} rows/s, {cpu:.1f} s of CPU, {given:,} of {rows:,} rows given", flush=True
        )
    print(f"{'':<14} {wall['by the policy'] / wall['as it is']:.1f} times reading and writing (bar 200,000 rows/s)")
    began = time.perf_counter()
    part = pq.read_table(source.files[0].path).slice(0, SLOW_ROWS).to_pylist()
    naive = list(given_rows(part, POLICY, KEYS, "university"))
    print(f"{'one by one':<14} {SLOW_ROWS / (time.perf_counter() - began):>10,.0f} rows/s, {len(naive):,} rows given")
    print(f"{'memory':<14} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:,} MB at most")
    check = next(shaped(Shaper(POLICY, source.schema, KEYS, "university"), iter_batches(source.files[0].path)))
    assert check.slice(0, len(naive)).to_pylist() == naive


def iter_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a file."""
    yield from pq.ParquetFile(path).iter_batches(SLOW_ROWS)


if __name__ == "__main__":
    main()
