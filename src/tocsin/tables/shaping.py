"""What becomes of a table by a policy, a batch of rows at a time. `tables/reference.py` says the same a value at a time.

Rows are chosen first: what is hidden can neither change a value nor fail. Columns that many values share are changed once for
each value.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.errors import TableError
from tocsin.sharing.table_policies import Change, Condition, Scalar, Shown, TablePolicy
from tocsin.tables.addresses import address_text, encrypt_addresses, parse_address
from tocsin.tables.keys import Keys

_TOKEN_BYTES: Final = 16
_V4: Final = 4
_MOST_KNOWN: Final = 500_000
"""How many changed values of a column are remembered."""
_MOMENT: Final = pa.timestamp("us", "UTC")
_WIDER: Final = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
    pa.float16(): pa.float32(),
    pa.large_string(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.string_view(): pa.string(),
    pa.binary_view(): pa.binary(),
    pa.date64(): pa.date32(),
}
"""Types that Delta does not have -> those that hold all of their values."""


@dataclass
class Shaper:
    """Changes batches of a table. `recipient` is the id of who gets them; `unreadable` counts values that were given as null.

    Raises, when it is made: TableError D004 for a column that the table has not, D005 for a change that its type has not.
    """

    policy: TablePolicy
    source: pa.Schema
    keys: Keys | None
    recipient: str
    unreadable: dict[str, int] = field(default_factory=dict)
    _known: dict[str, dict[str, str | None]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        missing = next((name for name in self.policy.needs() if self.source.get_field_index(name) < 0), None)
        if missing is not None:
            known = ", ".join(self.source.names[:20])
            raise TableError("D004", f"the table has no column {missing!r}", hint=f"it has {known}")
        if self.policy.is_keyed and self.keys is None:
            raise TableError("D005", "a rule asks for tokens, and there is no key", hint="see keys/tables.key")
        empty = pa.table({name: pa.array([], plain_type(self.source.field(name).type)) for name in self.policy.needs()})
        for condition in self.policy.rows:
            _fits(empty.column(condition.column), condition, self.recipient)
        self.schema = self._given(empty, 0).schema
        self.unreadable.clear()

    @property
    def columns(self) -> list[str]:
        """Return the columns that have to be read."""
        return list(self.policy.needs())

    def shape(self, batch: pa.RecordBatch) -> pa.Table:
        """Return the rows that are given, as they are given. Raises: TableError D005."""
        kept = self.kept(batch)
        return self._given(kept, kept.num_rows)

    def subjects(self, batch: pa.RecordBatch) -> pa.ChunkedArray | None:
        """Return of whom each row is that is given, None when each is of somebody else."""
        return self.kept(batch).column(self.policy.subject) if self.policy.subject else None

    def kept(self, batch: pa.RecordBatch) -> pa.Table:
        """Return the rows that are given, as they are in the table."""
        names = self.columns
        table = pa.table([_plain(batch.column(name)) for name in names], names=names) if names else pa.table(batch)
        for condition in self.policy.rows:
            table = table.filter(_fits(table.column(condition.column), condition, self.recipient))
        return table

    def _given(self, table: pa.Table, rows: int) -> pa.Table:
        made: list[pa.Array | pa.ChunkedArray] = []
        for shown in self.policy.columns:
            if shown.change is Change.CONSTANT:
                made.append(pa.array([shown.value] * rows, pa.scalar(shown.value).type))
                continue
            column = table.column(shown.name)
            try:
                made.append(self._changed(shown, column))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, TypeError) as error:
                message = f"the column {shown.name!r} of {column.type} cannot become {shown.change.value}: {error}"
                raise TableError("D005", message, hint="give it another change, or drop it") from error
        return pa.table(made, names=[shown.name for shown in self.policy.columns])

    def _changed(self, shown: Shown, column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
        match shown.change:
            case Change.KEEP:
                return column
            case Change.TIME:
                return pc.floor_temporal(_moments(column), unit=shown.value, week_starts_monday=True)
            case Change.BUCKET:
                return _buckets(column, shown.value)
            case Change.TOKEN:
                assert self.keys is not None
                return self._each(shown.name, _texts(column), tokens(self.keys.token))
            case Change.PREFIX:
                assert self.keys is not None
                key = self.keys.prefix
                return self._addresses(shown.name, column, lambda texts: encrypt_addresses(texts, key))
            case Change.NETWORK:
                return self._addresses(shown.name, column, lambda texts: [network_of(text, shown.networks) for text in texts])
            case Change.CONSTANT:
                raise AssertionError("a constant has no column")

    def _each(self, name: str, column: pa.ChunkedArray, change: Callable[[list[str]], list[str | None]]) -> pa.Array:
        """Return the values of a column of texts changed, each distinct one once, as long as it is remembered."""
        encoded = column.combine_chunks().dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        known = self._known.setdefault(name, {})
        new = [text for text in texts if text not in known]
        if len(known) + len(new) > _MOST_KNOWN:
            known.clear()
            new = texts
        known.update(zip(new, change(new), strict=True))
        return pa.array([known[text] for text in texts], pa.string()).take(encoded.indices)

    def _addresses(self, name: str, column: pa.ChunkedArray, change: Callable[[list[str]], list[str | None]]) -> pa.Array:
        if not (pa.types.is_string(column.type)):
            raise TypeError("addresses are texts")
        made = self._each(name, column, change)
        lost = made.null_count - column.null_count
        if lost:
            self.unreadable[name] = self.unreadable.get(name, 0) + lost
        return made


def tokens(key: bytes) -> Callable[[list[str]], list[str | None]]:
    """Return what makes tokens of texts: HMAC-SHA256, the first 128 bits in hexadecimal."""

    def change(texts: list[str]) -> list[str | None]:
        return [hmac.digest(key, text.encode(), "sha256")[:_TOKEN_BYTES].hex() for text in texts]

    return change


def network_of(text: str, bits: tuple[int, int]) -> str | None:
    """Return the network of an address, by how many bits are kept of IPv4 and of IPv6; None when it is none."""
    found = parse_address(text)
    if found is None:
        return None
    kept = bits[len(found) > _V4]
    hidden = 8 * len(found) - kept
    return f"{address_text((int.from_bytes(found) >> hidden << hidden).to_bytes(len(found)))}/{kept}"


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that values of a type are given in: one that Delta has, and no dictionary, which tells hidden values."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_timestamp(kind):
        return _MOMENT
    return _WIDER.get(kind, kind)


def _plain(column: pa.Array) -> pa.Array:
    kind = plain_type(column.type)
    if column.type == kind:
        return column
    if pa.types.is_timestamp(column.type):
        return pc.cast(column, kind, safe=False)
    return pc.cast(column, kind)


def _fits(column: pa.ChunkedArray, condition: Condition, recipient: str) -> pa.ChunkedArray:
    """Return which values fit a condition; null fits none."""
    wanted: tuple[Scalar, ...] = (recipient,) if condition.recipient else condition.one_of
    try:
        if wanted:
            values = pa.array([_literal(value, column.type) for value in wanted], column.type)
            return pc.fill_null(pc.is_in(column, value_set=values, skip_nulls=True), False)
        masks = [
            compare(column, pa.scalar(_literal(bound, column.type), column.type))
            for compare, bound in ((pc.greater_equal, condition.at_least), (pc.less, condition.below))
            if bound is not None
        ]
    except (pa.ArrowException, ValueError, TypeError) as error:
        message = f"rows cannot be chosen by {condition.column!r} of {column.type}: {error}"
        raise TableError("D005", message, hint="compare it with values of its type") from error
    if not masks:
        return pa.chunked_array([pa.array([False] * len(column), pa.bool_())])
    mask = masks[0] if len(masks) == 1 else pc.and_(*masks)
    return pc.fill_null(mask, False)


def _literal(value: Scalar, kind: pa.DataType) -> Any:
    """Return a value of the rulebook as one of a column. Raises: TypeError, ValueError."""
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is no moment")
        found = datetime.fromisoformat(value)
        return found.date() if pa.types.is_date(kind) else found
    known: tuple[tuple[Callable[[pa.DataType], bool], tuple[type, ...]], ...] = (
        (pa.types.is_boolean, (bool,)),
        (pa.types.is_integer, (int,)),
        (pa.types.is_floating, (int, float)),
        (pa.types.is_string, (str,)),
    )
    for is_kind, python in known:
        if is_kind(kind):
            if not isinstance(value, python) or (isinstance(value, bool) and bool not in python):
                raise TypeError(f"{value!r} is no {kind}")
            return value
    raise TypeError("only texts, numbers, truth values and moments can be compared")


def _moments(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return column
    if pa.types.is_string(column.type):
        return pc.cast(column, _MOMENT)
    raise TypeError("it has no moments")


def _buckets(column: pa.ChunkedArray, width: Scalar) -> pa.Array:
    """Return the lower end of the bucket of each number."""
    assert isinstance(width, (int, float))
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise TypeError("it has no numbers")
    if pa.types.is_integer(column.type) and not isinstance(width, int):
        raise TypeError("the width of a bucket of whole numbers is one")
    kind = pa.int64() if pa.types.is_integer(column.type) else pa.float64()
    whole = pc.cast(column, kind)
    missing = np.asarray(pc.is_null(whole).to_numpy(), dtype=bool)
    numbers = pc.fill_null(whole, 0).to_numpy()
    return pa.array(np.floor_divide(numbers, width) * width, kind, mask=missing)


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_nested(column.type):
        raise TypeError("it is nested")
    return column if pa.types.is_string(column.type) else pc.cast(column, pa.string())


def as_it_is(schema: pa.Schema) -> TablePolicy:
    """Return the policy that gives all of a table."""
    return TablePolicy(tuple(Shown(name) for name in schema.names))


def shaped(shaper: Shaper, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield what is given of batches, without empty ones."""
    for batch in batches:
        made = shaper.shape(batch)
        if made.num_rows:
            yield made


__all__ = ["Shaper", "as_it_is", "network_of", "plain_type", "shaped", "tokens"]
