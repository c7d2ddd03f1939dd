"""What comes out of a file of another tool: objects of STIX whose markings are complete, and what could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.sharing.markings import Declared, Marking, Marks, Tlp


@dataclass(frozen=True, slots=True)
class Terms:
    """What a community makes of markings: those that it declares by id, and the level of what has none."""

    declared: Mapping[str, Declared]
    default: Tlp

    def meaning(self, marks: Marks) -> Marking:
        """Return what these marks mean to it."""
        return marks.resolve(self.declared, self.default)


@dataclass(frozen=True, slots=True)
class Part:
    """Properties of an object that are more restricted than the object. A selector is `labels.[0]` or `hashes.MD5`."""

    selectors: tuple[str, ...]
    marks: Marks
    marking: Marking


@dataclass(frozen=True, slots=True)
class Incoming:
    """An object, its JSON exactly as it was received.

    `version` is in microseconds since 1970, None for what has no version. `marks` is as restricted as what the object was
    packaged with, and `marking` what the community makes of it today; that of a part is never wider.
    """

    id: str
    type: str
    version: int | None
    spec_version: str
    body: bytes
    marks: Marks
    marking: Marking
    parts: tuple[Part, ...] = ()
    place: str = ""

    @property
    def whole_marks(self) -> Marks:
        """Return what the object carries with all of its parts, by any rulebook."""
        marks = self.marks
        for part in self.parts:
            marks = marks.join(part.marks)
        return marks

    @property
    def whole(self) -> Marking:
        """Return the marking under which the object may be given with nothing left out."""
        marking = self.marking
        for part in self.parts:
            marking = marking.join(part.marking)
        return marking


LEFT_OUT: Final = frozenset({"X021", "X031", "X035"})
"""Codes of what has no counterpart in STIX or no meaning: what it belongs to is taken, and the rest of the file."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """What could not be taken from a file: its place, the code, what is wrong with it, and its id where it has one."""

    place: str
    code: str
    why: str
    id: str = ""

    def __str__(self) -> str:
        """Return the line that is shown."""
        return f"{self.place}: {self.why} [{self.code}]"


__all__ = ["LEFT_OUT", "Incoming", "Part", "Rejected", "Terms"]
