"""Markings that travel beside objects from node to node, in an envelope of TAXII, as the custom property `x_tocsin_marks`.

An object may be more restricted than it says itself: by what it was packaged with, by the default of its community, by what a
declared marking means there. Its bytes do not tell, so that without this list a second node would give it further than the
first one may. The list has an entry for each object, in their order; an entry is a list of sets of ids of marking definitions.
A set without TLP leaves the level to the reader's default, as an object does; another set says what the sender makes of it all.
What is carried can only narrow. Where parts of an object carry such markings too, the entry is a map: `marks`, the list for the
object, and `parts`, a list of `selectors` with the `marks` of the object with that part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from tocsin.errors import UsageError
from tocsin.feeds.interface import Incoming, Part, Rejected, Terms
from tocsin.sharing import markings
from tocsin.sharing.markings import PAP_2, TLP_2, Marks, Tlp, read_marks

PROPERTY: Final = "x_tocsin_marks"
ASKS_MARKS: Final = "x-tocsin-marks"
"""The header of a request that asks for it. Without it no answer tells of markings that hidden objects may have given."""
_MOST_PARTS: Final = 16
_RED: Final = Marks((markings.Part(Tlp.RED, ()),))
Refs = list[list[str]]
Selectors = tuple[str, ...]


class CarriedPart(msgspec.Struct, frozen=True):
    """What an object carries with what some selectors select of it."""

    selectors: list[str]
    marks: Refs


class CarriedParts(msgspec.Struct, frozen=True):
    """What an object carries without its parts, and with each of them that carries what it may not say itself."""

    marks: Refs
    parts: list[CarriedPart]


Carried = Refs | CarriedParts


class _Carrying(msgspec.Struct):
    x_tocsin_marks: list[Carried] | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """What came beside an object: what it carries, and with the parts that some selectors select."""

    marks: Marks
    parts: Mapping[Selectors, Marks]


def carried(marks: Marks, terms: Terms, parts: Iterable[tuple[Selectors, Marks]] = ()) -> Carried:
    """Return what says the same to another community, or narrower where it would make something wider of it. Pure.

    `parts` are those of which it has to be said, each with what the object carries with it.
    """
    found = [CarriedPart(list(selectors), _carried(more, terms)) for selectors, more in parts]
    return CarriedParts(_carried(marks, terms), found) if found else _carried(marks, terms)


def _carried(marks: Marks, terms: Terms) -> Refs:
    found = [[*([] if part.tlp is None else [TLP_2[part.tlp]]), *part.refs] for part in marks.parts]
    level = terms.meaning(marks).tlp
    if level not in {part.tlp for part in marks.parts}:
        found.append([TLP_2[level]])
    if marks.pap:
        found[0].append(PAP_2[marks.pap])
    return found


def read_carried(body: bytes, label: str) -> list[Beside] | None:
    """Return what an envelope carries for each of its objects, None when it carries nothing.

    Raises: UsageError X004 when it has another form.
    """
    try:
        lists = msgspec.json.decode(body, type=_Carrying).x_tocsin_marks
    except (ValueError, RecursionError) as error:
        hint = "give a list with an entry for each object"
        raise UsageError("X004", f"{label}: {PROPERTY} has another form: {str(error)[:100]}", hint=hint) from error
    return None if lists is None else list(map(_beside, lists))


def narrowed(
    read: Sequence[Incoming | Rejected], beside: Sequence[Beside], terms: Terms, label: str
) -> list[Incoming | Rejected]:
    """Return what was read with what came beside it. Raises: UsageError X004 when they are not as many."""
    if len(read) != len(beside):
        raise UsageError("X004", f"{label}: {PROPERTY} has {len(beside):,} entries for {len(read):,} objects")
    return [_narrowed(item, extra, terms) for item, extra in zip(read, beside, strict=True)]


def _narrowed(item: Incoming | Rejected, extra: Beside, terms: Terms) -> Incoming | Rejected:
    """Return an object with what it carries beside it; what is said of a part that it has not is for the whole."""
    if isinstance(item, Rejected):
        return item
    marks = item.marks.join(extra.marks)
    own = {part.selectors for part in item.parts}
    for selectors, more in extra.parts.items():
        marks = marks if selectors in own else marks.join(more)
    found = [(part.selectors, part.marks.join(extra.parts.get(part.selectors, marks)).join(marks)) for part in item.parts]
    parts = tuple(Part(selectors, joined, terms.meaning(joined)) for selectors, joined in found if joined != marks)
    return replace(item, marks=marks, marking=terms.meaning(marks), parts=parts)


def _beside(entry: Carried) -> Beside:
    if isinstance(entry, list):
        return Beside(_joined(entry), {})
    if len(entry.parts) > _MOST_PARTS:
        return Beside(_RED, {})
    parts: dict[Selectors, Marks] = {}
    for part in entry.parts:
        marks = _joined(part.marks)
        parts[tuple(part.selectors)] = parts.get(tuple(part.selectors), marks).join(marks)
    return Beside(_joined(entry.marks), parts)


def _joined(lists: Refs) -> Marks:
    """Return the marks of one object. Without TLP of its own a set leaves it to the reader's default, as in an object."""
    if len(lists) > _MOST_PARTS:
        return _RED
    found = Marks((markings.Part(Tlp.CLEAR, ()),))
    for refs in lists:
        found = found.join(read_marks(refs))
    return found


__all__ = ["ASKS_MARKS", "PROPERTY", "Beside", "Carried", "carried", "narrowed", "read_carried"]
