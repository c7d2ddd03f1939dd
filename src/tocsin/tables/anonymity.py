"""How many rows, or subjects, look alike in what is given: the smallest such group is the k of k-anonymity.

Source: L. Sweeney, k-anonymity: a model for protecting privacy, 2002.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_SUBJECT: Final = "\0subject"
_COUNT: Final = "\0count"
_MOST_ROWS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Alike:
    """What was counted: rows, groups that look alike, the size of the smallest (0 without rows), and how many are below `k`."""

    rows: int
    groups: int
    smallest: int
    below: int
    rows_below: int


class Counter:
    """Counts rows, or distinct subjects, that have the same values in some columns."""

    def __init__(self, columns: tuple[str, ...], schema: pa.Schema) -> None:
        self._columns = [name for name in columns if not pa.types.is_nested(schema.field(name).type)]
        self._nested = [name for name in columns if name not in self._columns]
        self._parts: list[pa.Table] = []
        self._waiting = 0
        self._rows = 0
        self._subjects = False

    def add(self, table: pa.Table, subjects: pa.ChunkedArray | None) -> None:
        """Count the rows of a table. `subjects` tells of whom each is; where it is null, of somebody else."""
        self._rows += table.num_rows
        found = table.select(self._columns).append_column(_COUNT, pa.array([1] * table.num_rows, pa.int64()))
        for name in self._nested:
            found = found.append_column(name, pa.array([str(value) for value in table.column(name).to_pylist()], pa.string()))
        if subjects is not None:
            self._subjects = True
            found = found.append_column(_SUBJECT, pc.cast(subjects, pa.string()))
        self._parts.append(found.select([*sorted(set(found.column_names) - {_COUNT}), _COUNT]))
        self._waiting += table.num_rows
        if self._waiting > _MOST_ROWS:
            self._parts = [self._joined()]
            self._waiting = 0

    def count(self, k: int) -> Alike:
        """Return what was counted, and how many groups are smaller than `k`."""
        if not self._rows:
            return Alike(0, 0, 0, 0, 0)
        table = self._joined()
        if self._subjects:
            one = pc.if_else(pc.is_null(table.column(_SUBJECT)), table.column(_COUNT), 1)
            table = table.set_column(table.schema.get_field_index(_COUNT), _COUNT, one)
        sizes = table.group_by([*self._columns, *self._nested]).aggregate([(_COUNT, "sum")]).column(f"{_COUNT}_sum")
        small = pc.filter(sizes, pc.less(sizes, k))
        return Alike(self._rows, len(sizes), pc.min(sizes).as_py(), len(small), pc.sum(small).as_py() or 0)

    def _joined(self) -> pa.Table:
        """Return one row for each combination, with how many rows have it."""
        whole = pa.concat_tables(self._parts)
        names = sorted(set(whole.column_names) - {_COUNT})
        return whole.group_by(names).aggregate([(_COUNT, "sum")]).rename_columns([*names, _COUNT])


__all__ = ["Alike", "Counter"]
