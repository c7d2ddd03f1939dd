"""The border between sources and engine: events of one gate as dictionary-encoded columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from tocsin.events.event import Event
from tocsin.events.gate import Gate

KEYWORDS = "*"
"""The name of the column that holds every value of the event, for keyword rules (semantics 8)."""
TIME = "@time"
"""The name of the column that holds the event's time as read, asked for when a time range is set."""
HOST = "@host"
"""The name of the column that holds the event's host, which only decoders have that `tell_hosts`."""
CELL_TYPE = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True, slots=True)
class Demand:
    """What the rules of one gate read.

    `fields` are the columns wanted (`KEYWORDS` and `TIME` may be among them). `screen` are folded needles of which a row
    must hold at least one for any keyword to match; empty when nothing can be said. A source may leave the `KEYWORDS`
    cell of a row absent when its raw text holds none of them. `presence` are the fields of which some rule asks whether
    they exist: for all others a source may leave null absent. `texts` are to a raw text that has no escapes what `screen`
    is to any.
    """

    fields: tuple[str, ...]
    screen: tuple[str, ...] = ()
    presence: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Rows of one gate, in reading order.

    `columns` holds one dictionary-encoded column of cells (see `events.values`) for each field of the demand; a null is
    an absent field. `decode(row)` reads the whole event again from its raw bytes: it is called for findings only.
    """

    gate: Gate
    columns: pa.RecordBatch
    decode: Callable[[int], Event] = field(repr=False)

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return int(self.columns.num_rows)


def cell_column(cells: Sequence[str | None]) -> pa.DictionaryArray:
    """Return the dictionary-encoded column of a sequence of cells.

    Rows: same order. Nulls: None in, null out. Cost: one pass.
    """
    try:
        return pa.array(cells, pa.string()).dictionary_encode()
    except UnicodeEncodeError:
        clean = [None if cell is None else cell.encode("utf-8", "replace").decode() for cell in cells]
        return pa.array(clean, pa.string()).dictionary_encode()


def batch_of(gate: Gate, columns: dict[str, pa.DictionaryArray], rows: int, decode: Callable[[int], Event]) -> EventBatch:
    """Make a batch of columns; one without columns keeps its number of rows."""
    if not columns:
        columns = {"": pa.DictionaryArray.from_arrays(pa.nulls(rows, pa.int32()), pa.array([], pa.string()))}
    record_batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    return EventBatch(gate, record_batch, decode)


__all__ = ["CELL_TYPE", "HOST", "KEYWORDS", "TIME", "Demand", "EventBatch", "batch_of", "cell_column"]
