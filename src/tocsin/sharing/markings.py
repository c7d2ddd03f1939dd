"""How far information may travel and what may be done with it: TLP, PAP, and the markings that a community declares.

What cannot be read is the most restrictive: an unknown marking is TLP:RED. What has no marking takes the default of the
community, which cannot be TLP:CLEAR.

Source: FIRST TLP 2.0 (2022); STIX 2.1, sections 7.2.1 and 10.13; STIX common object library, extension definitions of
TLP 2.0 and of the Permissible Actions Protocol.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple


class Tlp(IntEnum):
    """Traffic Light Protocol 2.0, from the widest to the narrowest."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    AMBER_STRICT = 3
    RED = 4

    @property
    def label(self) -> str:
        """Return the name that people read, such as TLP:AMBER+STRICT."""
        return "TLP:" + self.name.replace("_", "+")


class Pap(IntEnum):
    """Permissible Actions Protocol, from all actions to none that can be noticed."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    RED = 3

    @property
    def label(self) -> str:
        """Return the name that people read, such as PAP:AMBER."""
        return "PAP:" + self.name


@dataclass(frozen=True, slots=True)
class Marking:
    """All that an object's markings say. `named` holds the ids of declared markings that keep an object to groups."""

    tlp: Tlp
    pap: Pap = Pap.CLEAR
    named: tuple[str, ...] = ()

    def join(self, other: Marking) -> Marking:
        """Return what is as restricted as both."""
        named = tuple(sorted({*self.named, *other.named}))
        return Marking(max(self.tlp, other.tlp), max(self.pap, other.pap), named)

    def __str__(self) -> str:
        """Return the labels that people read."""
        return " ".join([self.tlp.label, *([self.pap.label] if self.pap else []), *self.named])


@dataclass(frozen=True, slots=True)
class Declared:
    """A marking definition that the rulebook knows by its id: what it means, and the groups that it is kept to.

    `means` is None for a statement, such as a copyright: how far the object may travel is then told by its other markings,
    or by the default.
    """

    id: str
    means: Tlp | None
    only: tuple[str, ...] = ()
    name: str = ""


RED: Final = Marking(Tlp.RED)

_DEFINITION: Final = "marking-definition--"
TLP_IDS: Final[Mapping[str, Tlp]] = {
    _DEFINITION + "613f2e26-407d-48c7-9eca-b8e91df99dc9": Tlp.CLEAR,  # TLP 1 WHITE
    _DEFINITION + "34098fce-860f-48ae-8e50-ebd3cc5e41da": Tlp.GREEN,
    _DEFINITION + "f88d31f6-486f-44da-b317-01333bde0b82": Tlp.AMBER,
    _DEFINITION + "5e57c739-391a-4eb3-b6be-7d15ca92d5ed": Tlp.RED,
    _DEFINITION + "94868c89-83c2-464b-929b-a1a8aa3c8487": Tlp.CLEAR,  # TLP 2
    _DEFINITION + "bab4a63c-aed9-4cf5-a766-dfca5abac2bb": Tlp.GREEN,
    _DEFINITION + "55d920b0-5e8b-4f79-9ee9-91f868d9b421": Tlp.AMBER,
    _DEFINITION + "939a9414-2ddd-4d32-a0cd-375ea402b003": Tlp.AMBER_STRICT,
    _DEFINITION + "e828b379-4e03-4974-9ac4-e53a884c97c1": Tlp.RED,
}
PAP_IDS: Final[Mapping[str, Pap]] = {
    _DEFINITION + "a3bea94c-b469-41dc-9cfe-d6e7daba7730": Pap.CLEAR,  # PAP 1 WHITE
    _DEFINITION + "ad15a0cd-55b6-4588-a14c-a66105329b92": Pap.CLEAR,
    _DEFINITION + "c43594d1-4b11-4c59-93ab-1c9b14d53ce9": Pap.GREEN,
    _DEFINITION + "60f8932b-e51e-4458-b265-a2e8be9a80ab": Pap.AMBER,
    _DEFINITION + "740d36e5-7714-4c30-961a-3ae632ceee0e": Pap.RED,
}
TLP_2: Final[Mapping[Tlp, str]] = {level: definition for definition, level in TLP_IDS.items()}
"""The id of the TLP 2.0 definition of each level."""
PAP_2: Final[Mapping[Pap, str]] = {level: definition for definition, level in PAP_IDS.items()}

_DEFINITION_ID: Final = re.compile("marking-definition--[0-9a-zA-Z-]{1,40}")
_MOST_REFS: Final = 16
_NAMES: Final[Mapping[str, Tlp | Pap]] = {
    **{level.label.lower(): level for level in Tlp},
    **{level.label.lower(): level for level in Pap},
    "tlp:white": Tlp.CLEAR,
    "tlp:ex:chr": Tlp.RED,  # as RED, with the Chatham House rule
    "pap:white": Pap.CLEAR,
}


def read_name(text: str) -> Tlp | Pap | None:
    """Return the level that a name or tag such as `tlp:amber+strict` stands for, or None when it is none."""
    return _NAMES.get(text.strip().lower().replace("amber-strict", "amber+strict").replace("_", "+"))


def is_marking_name(text: str) -> bool:
    """Return whether a tag speaks of TLP or PAP at all, known or not."""
    return text.strip().lower().startswith(("tlp:", "pap:"))


def read_tags(tags: Iterable[str]) -> tuple[Tlp | None, Pap]:
    """Return the narrowest levels that tags such as those of MISP tell; None when none speaks of TLP. Unknown ones are RED."""
    tlp: Tlp | None = None
    pap = Pap.CLEAR
    for tag in tags:
        level = read_name(tag)
        if level is None and is_marking_name(tag):
            level = Tlp.RED if tag.strip().lower().startswith("tlp:") else Pap.RED
        if isinstance(level, Tlp):
            tlp = max(tlp or Tlp.CLEAR, level)
        elif isinstance(level, Pap):
            pap = max(pap, level)
    return tlp, pap


class Part(NamedTuple):
    """Markings that speak together: the narrowest level of TLP among them, None without one, and other ids, sorted."""

    tlp: Tlp | None
    refs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Marks:
    """What an object carries, before a rulebook says what it means. It is kept, so that a change of the rulebook reaches it.

    Each part is resolved for itself, since the default stands in where a part tells no level of TLP.
    """

    parts: tuple[Part, ...] = (Part(None, ()),)
    pap: Pap = Pap.CLEAR

    def resolve(self, declared: Mapping[str, Declared], default: Tlp) -> Marking:
        """Return what a rulebook makes of it.

        The default stands in where no marking of a part tells a TLP level. An id that is not declared is TLP:RED, and a
        declaration cannot change what the ids of TLP and PAP mean.
        """
        tlp, named = Tlp.CLEAR, set()
        for part in self.parts:
            means = [declared[ref].means if ref in declared else Tlp.RED for ref in part.refs]
            tlp = max(tlp, max((level for level in (part.tlp, *means) if level is not None), default=default))
            named |= {ref for ref in part.refs if ref in declared and declared[ref].only}
        return Marking(tlp, self.pap, tuple(sorted(named)))

    def join(self, other: Marks) -> Marks:
        """Return what is as restricted as both, by any rulebook."""
        both = {*self.parts, *other.parts}
        told = [part for part in both if part.tlp is not None]
        levels = [part.tlp for part in told if part.tlp is not None]
        merged = [Part(max(levels), tuple(sorted({ref for part in told for ref in part.refs})))] if levels else []
        silent = sorted(part for part in both if part.tlp is None)
        return Marks((*merged, *silent), max(self.pap, other.pap))

    def without_unknown(self, declared: Mapping[str, Declared]) -> Marks:
        """Return the same with TLP:RED in place of ids that are not declared."""
        if all(ref in declared for part in self.parts for ref in part.refs):
            return self
        known = (Part(part.tlp, tuple(ref for ref in part.refs if ref in declared)) for part in self.parts)
        return Marks(tuple(known), self.pap).join(Marks((Part(Tlp.RED, ()),)))


def read_marks(refs: Iterable[str], silent: Tlp | None = None) -> Marks:
    """Return the marks of references to marking definitions.

    Where none of them is TLP, `silent` is what they say, and None that the default of the rulebook stands in. What cannot be
    the id of a definition, and more of them than anybody needs, is TLP:RED for good.
    """
    refs = list(refs)
    levels = [TLP_IDS[ref] for ref in refs if ref in TLP_IDS]
    others = {ref for ref in refs if ref not in TLP_IDS and ref not in PAP_IDS}
    if len(others) > _MOST_REFS or not all(map(_DEFINITION_ID.fullmatch, others)):
        levels, others = [Tlp.RED], set()
    pap = max((PAP_IDS[ref] for ref in refs if ref in PAP_IDS), default=Pap.CLEAR)
    return Marks((Part(max(levels, default=silent), tuple(sorted(others))),), pap)


def read_refs(refs: Iterable[str], declared: Mapping[str, Declared], default: Tlp) -> Marking:
    """Return what references to marking definitions say together, by the declarations and the default of a rulebook."""
    return read_marks(refs).resolve(declared, default)


def as_refs(marking: Marking) -> list[str]:
    """Return the references that say this, by the ids of TLP 2.0 and PAP."""
    return [TLP_2[marking.tlp], *([PAP_2[marking.pap]] if marking.pap else []), *marking.named]


__all__ = [
    "PAP_2",
    "PAP_IDS",
    "RED",
    "TLP_2",
    "TLP_IDS",
    "Declared",
    "Marking",
    "Marks",
    "Pap",
    "Part",
    "Tlp",
    "as_refs",
    "is_marking_name",
    "read_marks",
    "read_name",
    "read_refs",
    "read_tags",
]
