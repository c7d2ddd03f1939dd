"""Markings that travel beside objects from node to node, in an envelope of TAXII, as the custom property `x_tocsin_marks`.

An object may be more restricted than it says itself: by what it was packaged with, by the default of its community, by what a
declared marking means there. Its bytes do not tell, so that without this list a second node would give it further than the
first one may. The list has an entry for each object, in their order; an entry is a list of sets of ids of marking definitions.
A set without TLP leaves the level to the reader's default, as an object does; another set says what the sender makes of it all.
What is carried can only narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec

from tocsin.errors import UsageError
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.sharing.markings import PAP_2, TLP_2, Marks, Part, Tlp, read_marks

PROPERTY: Final = "x_tocsin_marks"
ASKS_MARKS: Final = "x-tocsin-marks"
"""The header of a request that asks for it. Without it no answer tells of markings that hidden objects may have given."""
_MOST_PARTS: Final = 16
_RED: Final = Marks((Part(Tlp.RED, ()),))
Refs = list[list[str]]


class _Carrying(msgspec.Struct):
    x_tocsin_marks: list[Refs] | None = None


def carried(marks: Marks, terms: Terms) -> Refs:
    """Return what says the same to another community, or narrower where it would make something wider of it. Pure."""
    found = [[*([] if part.tlp is None else [TLP_2[part.tlp]]), *part.refs] for part in marks.parts]
    level = terms.meaning(marks).tlp
    if level not in {part.tlp for part in marks.parts}:
        found.append([TLP_2[level]])
    if marks.pap:
        found[0].append(PAP_2[marks.pap])
    return found


def read_carried(body: bytes, label: str) -> list[Marks] | None:
    """Return what an envelope carries for each of its objects, None when it carries nothing.

    Raises: UsageError X004 when it has another form.
    """
    try:
        lists = msgspec.json.decode(body, type=_Carrying).x_tocsin_marks
    except (ValueError, RecursionError) as error:
        hint = "give a list with an entry for each object"
        raise UsageError("X004", f"{label}: {PROPERTY} has another form: {str(error)[:100]}", hint=hint) from error
    return None if lists is None else list(map(_joined, lists))


def narrowed(
    read: Sequence[Incoming | Rejected], marks: Sequence[Marks], terms: Terms, label: str
) -> list[Incoming | Rejected]:
    """Return what was read with the marks that came beside it. Raises: UsageError X004 when they are not as many."""
    if len(read) != len(marks):
        raise UsageError("X004", f"{label}: {PROPERTY} has {len(marks):,} entries for {len(read):,} objects")
    return [_narrowed(item, extra, terms) for item, extra in zip(read, marks, strict=True)]


def _narrowed(item: Incoming | Rejected, extra: Marks, terms: Terms) -> Incoming | Rejected:
    if isinstance(item, Rejected):
        return item
    marks = item.marks.join(extra)
    return replace(item, marks=marks, marking=terms.meaning(marks))


def _joined(lists: Refs) -> Marks:
    """Return the marks of one object. Without TLP of its own a set leaves it to the reader's default, as in an object."""
    if len(lists) > _MOST_PARTS:
        return _RED
    found = Marks((Part(Tlp.CLEAR, ()),))
    for refs in lists:
        found = found.join(read_marks(refs))
    return found


__all__ = ["ASKS_MARKS", "PROPERTY", "Refs", "carried", "narrowed", "read_carried"]
