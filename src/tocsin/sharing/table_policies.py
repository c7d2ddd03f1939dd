"""How a rule gives a table: which rows, which columns, and what becomes of their values. What is not named is not given.

A table is named `SCHEMA.TABLE` of a share; a share stands where a collection does, and `table` where a type does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Scalar = str | int | float | bool
"""A value of a rulebook; a moment is its text in ISO 8601."""


class Change(StrEnum):
    """What becomes of the values of a column. Nulls stay nulls."""

    KEEP = "keep"
    CONSTANT = "constant"
    TIME = "time"
    NETWORK = "network"
    BUCKET = "bucket"
    TOKEN = "token"  # noqa: S105 - a kind of change
    PREFIX = "prefix"


class TimeUnit(StrEnum):
    """What a moment is cut down to, in UTC."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


KEYED = frozenset({Change.TOKEN, Change.PREFIX})
"""What depends on a key of the share, the recipient and the epoch."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A column that is given. `value` is the constant, the unit of time, or the width of a bucket.

    `networks` are the bits that are kept of an address of IPv4 and of IPv6.
    """

    name: str
    change: Change = Change.KEEP
    value: Scalar = ""
    networks: tuple[int, int] = (24, 48)


@dataclass(frozen=True, slots=True)
class Condition:
    """What a row has to be: one of some values, at least one and below another, or the recipient's id. Null is none of them."""

    column: str
    one_of: tuple[Scalar, ...] = ()
    at_least: Scalar | None = None
    below: Scalar | None = None
    recipient: bool = False


@dataclass(frozen=True, slots=True)
class TablePolicy:
    """How a table is given: rows that fit all conditions, and columns.

    `quasi` are the columns that together could tell of whom a row is; empty for all that are given, but constants and tokens.
    `subject` is the column of the source that says of whom a row is, empty when each row is of somebody else.
    """

    columns: tuple[Shown, ...]
    rows: tuple[Condition, ...] = ()
    quasi: tuple[str, ...] = ()
    subject: str = ""

    @property
    def is_keyed(self) -> bool:
        """Return whether what is given depends on a key."""
        return any(column.change in KEYED for column in self.columns)

    @property
    def is_of_recipient(self) -> bool:
        """Return whether rows are chosen by who gets them."""
        return any(condition.recipient for condition in self.rows)

    def identifying(self) -> tuple[str, ...]:
        """Return the columns that together could tell of whom a row is."""
        told = (column.name for column in self.columns if column.change not in {Change.CONSTANT, Change.TOKEN})
        return self.quasi or tuple(told)

    def needs(self) -> tuple[str, ...]:
        """Return the columns that have to be read of the source, each once."""
        shown = (column.name for column in self.columns if column.change is not Change.CONSTANT)
        return tuple(dict.fromkeys((*shown, *(item.column for item in self.rows), *filter(None, (self.subject,)))))


Policies = Mapping[str, TablePolicy]
"""Name of a table, `SCHEMA.TABLE` -> how a rule gives it."""


__all__ = ["KEYED", "Change", "Condition", "Policies", "Scalar", "Shown", "TablePolicy", "TimeUnit"]
