"""The columns of a view: those of the batch, and those that a twin makes from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tocsin.events import EventBatch, cell_column
from tocsin.rules.transforms import SAME, made_cell
from tocsin.rules.view import Alias, View

_WIDEST: Final = 1 << 62


def view_column(batch: EventBatch, view: View, field: str) -> pa.DictionaryArray | None:
    """Return the column of a field as the view shows it; None when the batch has none.

    Cost: a transform of one source works on the distinct values only.
    """
    alias = next((alias for alias in view.aliases if alias.field == field), None)
    if alias is None:
        return _column(batch, field)
    columns = [_column(batch, name) for name in alias.sources]
    if len(columns) > 1:
        return _joined(alias, columns)
    first = columns[0]
    if first is None or alias.transform == SAME:
        return first
    cells = first.dictionary.to_pylist()
    made = [made_cell(alias, (cell,)) for cell in cells]
    if made == cells:
        return first
    return pa.DictionaryArray.from_arrays(first.indices, pa.array(made, pa.string())).cast(pa.string()).dictionary_encode()


def _column(batch: EventBatch, name: str) -> pa.DictionaryArray | None:
    at = batch.columns.schema.get_field_index(name)
    return batch.columns.column(at) if at >= 0 else None


def _joined(alias: Alias, columns: list[pa.DictionaryArray | None]) -> pa.DictionaryArray | None:
    present: list[pa.DictionaryArray] = [column for column in columns if column is not None]
    if not present or (alias.transform == SAME and len(present) == 1):
        return present[0] if present else None
    absent = [None] * len(present[0])
    lists = [column.to_pylist() if column is not None else absent for column in columns]
    return cell_column([made_cell(alias, cells) for cells in zip(*lists, strict=True)])


def combinations(
    columns: Sequence[npt.NDArray[np.integer[Any]]], sizes: Sequence[int], rows: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the first row of each distinct combination of codes, and for each row the number of its combination.

    Cost: one sort of the rows. The codes are joined to one number; where that would overflow it is made dense first.
    """
    key = np.zeros(rows, np.int64)
    span = 1
    for column, size in zip(columns, sizes, strict=True):
        if span * size >= _WIDEST:
            dense, key = np.unique(key, return_inverse=True)
            span = len(dense)
        key = key * size + column
        span *= size
    _, firsts, which = np.unique(key, return_index=True, return_inverse=True)
    return firsts, which


def rows_by_number(which: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Return the rows of each number, from 0 on, in order."""
    return np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which))[:-1])


__all__ = ["combinations", "rows_by_number", "view_column"]
