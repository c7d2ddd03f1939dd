"""How many rows or subjects look alike, held to counting them one by one."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.tables import anonymity
from tocsin.tables.anonymity import Alike, Counter

SCHEMA = pa.schema([("site", pa.string()), ("hour", pa.int64())])
ROWS = st.lists(
    st.tuples(st.none() | st.sampled_from("ab"), st.none() | st.integers(0, 2), st.none() | st.sampled_from("xyz")), max_size=20
)


def counted(rows: list[tuple[Any, Any, Any]], columns: tuple[str, ...], with_subjects: bool, k: int) -> Alike:
    """Return what is counted of rows that come in two tables."""
    counter = Counter(columns, SCHEMA)
    for part in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
        made = pa.table({"site": [row[0] for row in part], "hour": [row[1] for row in part]}, SCHEMA)
        subjects = pa.chunked_array([pa.array([row[2] for row in part], pa.string())]) if with_subjects else None
        counter.add(made, subjects)
    return counter.count(k)


@given(ROWS, st.booleans(), st.integers(1, 4), st.integers(1, 30))
def test_groups_are_as_large_as_counted_one_by_one(
    rows: list[tuple[Any, Any, Any]], with_subjects: bool, k: int, most: int
) -> None:
    """Sizes of groups are those of sets of rows or of subjects; a row without a subject is of somebody else."""
    groups: dict[tuple[Any, Any], set[Any]] = defaultdict(set)
    for at, (site, hour, subject) in enumerate(rows):
        groups[site, hour].add(subject if with_subjects and subject is not None else at)
    sizes = [len(group) for group in groups.values()]
    small = [size for size in sizes if size < k]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anonymity, "_MOST_ROWS", most)
        found = counted(rows, ("site", "hour"), with_subjects, k)
    assert found == Alike(len(rows), len(sizes), min(sizes, default=0), len(small), sum(small))


def test_without_columns_all_look_alike() -> None:
    """When nothing that is given could tell of whom a row is, all rows are one group."""
    assert counted([("a", 1, "x"), ("b", 2, "x")], (), True, 3) == Alike(2, 1, 1, 1, 1)
    assert counted([("a", 1, "x"), ("b", 2, "y")], (), False, 2) == Alike(2, 1, 2, 0, 0)
    assert counted([], (), False, 2) == Alike(0, 0, 0, 0, 0)
