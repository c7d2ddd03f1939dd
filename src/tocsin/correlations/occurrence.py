"""A matched event as correlations see it, and the rows that it becomes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from itertools import islice, product
from math import isfinite, prod
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from tocsin.correlations.plan import CorrelationPlan

Texts = tuple[str, ...]
MOST_KEYS: Final = 64
"""Groups, and values of each, that one event may belong to; more come only from lists."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NUMBER: Final = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?\s*", re.ASCII)
Numbers = NDArray[np.uint64]
_HALF: Final = np.uint64(0xFFFFFFFF)
_SHIFT: Final = np.uint64(32)
_FIRST_KEY: Final = np.uint64(0xA0761D6478BD642F)
_SECOND_KEY: Final = np.uint64(0xE7037ED1A0B428DB)
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
_pack: Final = msgspec.msgpack.Encoder().encode

ROW: Final = np.dtype(
    [
        ("plan", "<u2"),
        ("input", "<u2"),
        ("time", "<i8"),
        ("group", "<u8"),
        ("value", "<u8"),
        ("place", "<u8"),
        ("origin", "<u8"),
        ("body", "<u8"),
    ]
)
"""A row: what is correlated; `value` is a digest, or the bits of a number; `body` says where the rest is.

`place` tells events apart; `origin` tells copies of one event apart, so that which one is shown does not depend on the order.
"""


class Body(Struct, frozen=True, array_like=True):
    """What a finding tells of one of its events: where it was read, and the values by which it was grouped and counted.

    For a match of another correlation `first` and `count` tell its first time and its number of events.
    """

    unit: int
    path: str
    format: str
    part: int
    record: int
    host: str
    groups: tuple[Texts, ...] = ()
    values: tuple[Texts, ...] = ()
    carried: tuple[Texts, ...] = ()
    first: str = ""
    count: int = 0


class Occurrence(Struct, frozen=True):
    """A matched event: the number of the input whose rule matched it, its time in microseconds since 1970, the rest.

    `place` tells events apart: it is the same for the same event, whichever rule matched it. `origin` also tells copies apart.
    """

    input: int
    time_us: int
    place: int
    body: Body
    origin: int = 0


def microseconds(time: str) -> int:
    """Return a time of the form that findings have as microseconds since 1970."""
    return (datetime.fromisoformat(time) - _EPOCH) // _MICROSECOND


def digest(parts: object) -> int:
    """Return 64 bits that stand for some texts and numbers."""
    return int.from_bytes(blake2b(_pack(parts), digest_size=8).digest(), "little")


@lru_cache(maxsize=1 << 16)
def text_digest(text: str) -> int:
    """Return 64 bits that stand for a text, in any case."""
    return digest(text.casefold())


def group_digest(texts: Texts) -> int:
    """Return 64 bits that stand for the values of a group, in any case."""
    return int(joined_digests([np.array([text_digest(text)], np.uint64) for text in texts], 1)[0])


def joined_digests(digests: Sequence[Numbers], rows: int) -> Numbers:
    """Return the digest of each row, of the digests of its parts: to join the same in another order gives another one.

    Sums would be faster, but of few million texts one finds four whose sums collide.
    """
    found = np.zeros(rows, np.uint64)
    for part in digests:
        found = _scattered(_folded_product(found ^ _FIRST_KEY, part ^ _SECOND_KEY) + _ODD)
    return found


def _folded_product(one: Numbers, other: Numbers) -> Numbers:
    """Return the high and the low half of the products of 128 bits, folded into one."""
    low, high, other_low, other_high = one & _HALF, one >> _SHIFT, other & _HALF, other >> _SHIFT
    down, cross, back, up = low * other_low, low * other_high, high * other_low, high * other_high
    middle = (down >> _SHIFT) + (cross & _HALF) + (back & _HALF)
    high_half = up + (cross >> _SHIFT) + (back >> _SHIFT) + (middle >> _SHIFT)
    folded_halves: Numbers = high_half ^ ((middle << _SHIFT) | (down & _HALF))
    return folded_halves


def origins(base: int, records: NDArray[np.int64]) -> Numbers:
    """Return what tells records of a part of a file apart, of the digest of that part; no two records of one give the same."""
    return _scattered(np.uint64(base) + records.astype(np.uint64) * _ODD)


def origin_of(path: str, part: int, record: int) -> int:
    """Return what tells a record apart, that of one in no other file or part."""
    return int(origins(digest((path, part)), np.array([record], np.int64))[0])


def _scattered(numbers: Numbers) -> Numbers:
    """Return numbers of 64 bits as others that look random, no two as the same one. Source: the finalizer of SplitMix64."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def number_of(text: str) -> float | None:
    """Return a text as a number of 64 bits, or None when it is none."""
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if isfinite(number) else None


def combinations(fields: Sequence[Texts]) -> Iterator[Texts]:
    """Yield each combination of the fields' elements, at most `MOST_KEYS`; none when a field has no element."""
    yield from islice(product(*(sorted(set(texts)) for texts in fields)), MOST_KEYS)


def folded(texts: Iterable[str]) -> Texts:
    """Return texts as they are compared: without regard to case (semantics 1)."""
    return tuple(text.casefold() for text in texts)


def group_keys(body: Body) -> list[int]:
    """Return the digests of the groups that an event belongs to."""
    return _digests(body.groups)


@lru_cache(maxsize=1 << 15)
def _digests(fields: tuple[Texts, ...]) -> list[int]:
    return sorted({group_digest(texts) for texts in combinations(fields)})


def value_keys(plan: CorrelationPlan, body: Body) -> list[int]:
    """Return the values of an event: digests, or the bits of numbers; one 0 where the type counts none."""
    if not plan.demand.fields:
        return [0]
    if counts_values(plan):
        return _digests(body.values)
    numbers = {number_of(text) for text in body.values[0]} - {None}
    found = np.array(sorted(number for number in numbers if number is not None)[:MOST_KEYS], np.float64) + 0.0
    return [int(bits) for bits in found.view(np.uint64)]


def counts_values(plan: CorrelationPlan) -> bool:
    """Tell whether values are told apart rather than reckoned with."""
    return plan.type == "value_count" or (plan.type == "value_percentile" and plan.demand.percentile < 0)


def is_cut(body: Body) -> bool:
    """Tell whether an event has so many elements in its lists that some groups or values are left out."""
    for fields in (body.groups, body.values):
        if any(len(texts) > 1 for texts in fields) and prod(len(set(texts)) for texts in fields) > MOST_KEYS:
            return True
    return False


def spelled(body: Body, group: int) -> Texts:
    """Return a group's values as an event spells them."""
    return next((texts for texts in combinations(body.groups) if group_digest(texts) == group), ())


__all__ = [
    "MOST_KEYS",
    "ROW",
    "Body",
    "Occurrence",
    "Texts",
    "combinations",
    "counts_values",
    "digest",
    "folded",
    "group_digest",
    "group_keys",
    "is_cut",
    "joined_digests",
    "microseconds",
    "number_of",
    "origin_of",
    "origins",
    "spelled",
    "text_digest",
    "value_keys",
]
