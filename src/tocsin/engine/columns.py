"""The columns of a view: those of the batch, and those that a twin makes from them."""

from __future__ import annotations

import pyarrow as pa

from tocsin.events import EventBatch, cell_column
from tocsin.events.values import decode, encode
from tocsin.rules.logsource import Alias, View
from tocsin.rules.twins import transform


def view_column(batch: EventBatch, view: View, field: str) -> pa.DictionaryArray | None:
    """Return the column of a field as the view shows it; None when the batch has none.

    Cost: a transform of one source works on the distinct values only.
    """
    alias = next((alias for alias in view.aliases if alias.field == field), None)
    if alias is None:
        return _column(batch, field)
    columns = [_column(batch, name) for name in alias.sources]
    first = columns[0]
    if first is None:
        return None
    if len(columns) > 1:
        return _joined(alias, columns)
    cells = first.dictionary.to_pylist()
    made = [_encoded(transform(alias, (text_of(cell),))) for cell in cells]
    if made == cells:
        return first
    return pa.DictionaryArray.from_arrays(first.indices, pa.array(made, pa.string())).cast(pa.string()).dictionary_encode()


def _column(batch: EventBatch, name: str) -> pa.DictionaryArray | None:
    at = batch.columns.schema.get_field_index(name)
    return batch.columns.column(at) if at >= 0 else None


def _encoded(text: str | None) -> str | None:
    return None if text is None else encode(text)


def text_of(cell: str | None) -> str | None:
    """Return the one text of a cell; None for a null and for a list of several."""
    if cell is None or not cell.startswith("\0"):
        return cell
    values = decode(cell)
    return values[0] if len(values) == 1 else None


def _joined(alias: Alias, columns: list[pa.DictionaryArray | None]) -> pa.DictionaryArray:
    rows = len(columns[0]) if columns[0] is not None else 0
    lists = [column.to_pylist() if column is not None else [None] * rows for column in columns]
    rows_of_texts = [tuple([text_of(cell) for cell in cells]) for cells in zip(*lists, strict=True)]
    return cell_column([_encoded(transform(alias, texts)) for texts in rows_of_texts])


__all__ = ["text_of", "view_column"]
