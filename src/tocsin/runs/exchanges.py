"""Records of network logs as exchanges: only their columns are read, and each distinct combination is understood once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tocsin.events import TIME, Demand, Gate
from tocsin.sites.protocols import Exchange, exchange_of, fields_of, log_of
from tocsin.sources.interface import Decoder

_PRODUCTS: Final = frozenset({"zeek"})
_MOST: Final = 1 << 62


class Exchanges(NamedTuple):
    """The exchanges of some records.

    `distinct` are those that occur, None for what tells of none; `which` is the place of each row in them.
    """

    distinct: list[Exchange | None]
    which: npt.NDArray[np.int64]


def tells_exchanges(gate: Gate) -> bool:
    """Tell whether the events of a gate are of conversations."""
    return gate.product in _PRODUCTS and log_of(gate.channel) is not None


def exchanges(decoder: Decoder, gate: Gate, raws: Sequence[Any]) -> Exchanges:
    """Return the exchanges of records of one gate."""
    columns = decoder.columns(gate, raws, Demand(fields_of(gate.channel)))
    which, firsts = _combinations([_codes(column) for column in columns.values()], len(raws))
    rows = pa.array(firsts)
    cells = {name: column.take(rows).to_pylist() for name, column in columns.items()}
    distinct = [exchange_of(gate.channel, {name: found[at] for name, found in cells.items()}) for at in range(len(firsts))]
    return Exchanges(distinct, which)


def times_of(decoder: Decoder, gate: Gate, raws: Sequence[Any]) -> list[str]:
    """Return the time of each record, RFC 3339 in UTC, empty when it has none. Cost: dear where every record has its own."""
    column = decoder.columns(gate, raws, Demand((TIME,))).get(TIME)
    return [""] * len(raws) if column is None else [time or "" for time in column.to_pylist()]


def _codes(column: pa.DictionaryArray) -> tuple[npt.NDArray[np.int64], int]:
    """Return a number for the value of each row, 0 for none, and how many there may be."""
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
    return codes, len(column.dictionary) + 1


def _combinations(columns: list[tuple[npt.NDArray[np.int64], int]], rows: int) -> tuple[npt.NDArray[np.int64], Any]:
    """Return the number of the combination of each row, and the first row of each combination."""
    whole = np.zeros(rows, np.int64)
    size = 1
    for codes, count in columns:
        if size * count >= _MOST:
            _, whole = np.unique(whole, return_inverse=True)
            size = rows
        whole = whole * count + codes
        size *= count
    _, firsts, which = np.unique(whole, return_index=True, return_inverse=True)
    return which, firsts


__all__ = ["Exchanges", "exchanges", "tells_exchanges", "times_of"]
