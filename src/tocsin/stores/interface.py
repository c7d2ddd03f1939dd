"""What goes into a store and what comes out of it. Each question names who asks; there is none without a caller."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from tocsin.sharing.markings import Marks

_UNMARKED: Final = Marks()


class MarkedPart(NamedTuple):
    """What some selectors select of an object, and what the object carries when that is given with it."""

    selectors: tuple[str, ...]
    marks: Marks


@dataclass(frozen=True, slots=True)
class Item:
    """An object to keep, its JSON as it was received. `version` is in microseconds, None for the moment it is added.

    `marks` is what it carries; what they mean is asked of the rulebook in force, today and after each change. Any choice of
    its `parts`, which carry different marks, can be left out, and a valid object is left.
    """

    id: str
    type: str
    version: int | None
    spec_version: str
    body: bytes
    marks: Marks
    parts: tuple[MarkedPart, ...] = ()


class Kept(StrEnum):
    """What became of an item."""

    ADDED = "added"
    KNOWN = "known"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an item, and its version in microseconds."""

    kept: Kept
    version: int


class Versions(StrEnum):
    """Which versions of an object a query is about, besides those that it names."""

    LAST = "last"
    FIRST = "first"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Query:
    """Filters of TAXII 2.1, section 3.4. Moments are in microseconds; an empty tuple filters nothing.

    `collections` is one, or those of an aggregate, in which an object of several counts once.
    `versions` and `exact` are joined by or; so are the values of one filter; filters are joined by and. `but_of` leaves out
    what an organisation put there, `only_of` all else; `every_spec` tells each version of the specification that an object has.
    """

    collections: tuple[str, ...]
    after: int | None = None
    ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    versions: frozenset[Versions] = frozenset({Versions.LAST})
    exact: tuple[int, ...] = ()
    spec_versions: tuple[str, ...] = ()
    limit: int = 500
    start: Place | None = None
    but_of: str = ""
    only_of: str = ""
    every_spec: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """The last row of a page, told by nothing but what its reader saw: the next page begins after it."""

    added: int
    id: str
    version: int
    spec_version: str


@dataclass(frozen=True, slots=True)
class Row:
    """One object that its reader may see, without the parts of it that the reader may not: `left_out` are their selectors.

    `body` is empty where only its description was asked for. `restricted` says that the record names it when it is given:
    TLP:AMBER and narrower. `marks` is what it carries here, which may be narrower than what it says itself; `parts` are those
    that it is given with and whose markings a second rulebook may understand in another way, as they are neither TLP nor PAP.
    """

    id: str
    version: int
    spec_version: str
    added: int
    body: bytes = b""
    restricted: bool = False
    marks: Marks = _UNMARKED
    left_out: tuple[str, ...] = ()
    parts: tuple[MarkedPart, ...] = ()

    @property
    def place(self) -> Place:
        """Return the place of this row."""
        return Place(self.added, self.id, self.version, self.spec_version)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in the order in which they were added, and whether more follow."""

    rows: tuple[Row, ...]
    more: bool


__all__ = ["Item", "Kept", "MarkedPart", "Page", "Place", "Query", "Result", "Row", "Versions"]
