"""How markings spread in a package: who is as restricted as whom, until nothing changes.

A container gives its marking to what it holds, an observable to what it consists of. A relationship, a sighting, a note and
an opinion take the markings of what they tell about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from tocsin.feeds.forms import OBSERVABLE
from tocsin.sharing.markings import Marking, Marks

_TAKES: Final[Mapping[str, tuple[str, ...]]] = {
    "relationship": ("source_ref", "target_ref"),
    "sighting": ("sighting_of_ref", "observed_data_refs", "where_sighted_refs"),
    "note": ("object_refs",),
    "opinion": ("object_refs",),
    "language-content": ("object_ref",),
}
_GIVES: Final[Mapping[str, tuple[str, ...]]] = {
    "malware": ("object_refs", "sample_refs", "operating_system_refs"),
    "malware-analysis": (
        "object_refs",
        "host_vm_ref",
        "operating_system_ref",
        "installed_software_refs",
        "analysis_sco_refs",
        "sample_ref",
    ),
}
_CONTAINS: Final = ("object_refs",)
M = TypeVar("M", Marking, Marks)


@dataclass(frozen=True, slots=True)
class Links:
    """What an object gives its marking to, and what it takes the marking of; both by id."""

    id: str
    gives: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


def links(content: Mapping[str, Any]) -> Links:
    """Return the links of an object of STIX, whose `id` and `type` are texts. What is no reference is passed over."""
    kind = content["type"]
    if kind in _TAKES:
        return Links(content["id"], takes=_named(content, _TAKES[kind]))
    if kind in OBSERVABLE:
        names = tuple(name for name in content if name.endswith(("_ref", "_refs")) and name != "object_marking_refs")
        return Links(content["id"], gives=_named(content, names)) if names else Links(content["id"])
    return Links(content["id"], gives=_named(content, _GIVES.get(kind, _CONTAINS)))


def _named(content: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        value = content.get(name)
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, list):
            found += [item for item in value if isinstance(item, str)]
    return tuple(found)


def spread(linked: Sequence[Links], own: Sequence[M]) -> list[M]:
    """Return the marking of each object of a package, from its own marking and its links.

    Versions of one object keep their markings apart; a reference is to all of them. Cost: each object is looked at again only
    when one that it depends on was narrowed, which can happen as often as there are levels and groups.
    """
    if len(set(own)) < 2:
        return list(own)
    reach = _reach(linked)
    markings: list[M | None] = []
    markings += own
    markings += [None] * (len(reach) - len(own))
    waiting = [at for at in range(len(linked)) if reach[at]]
    queued = set(waiting)
    while waiting:
        at = waiting.pop()
        queued.discard(at)
        for to in reach[at]:
            if markings[to] is markings[at]:
                continue
            joined = _joined(markings[to], markings[at])
            if joined != markings[to]:
                markings[to] = joined
                if to not in queued and reach[to]:
                    queued.add(to)
                    waiting.append(to)
    return [marking for marking in markings[: len(linked)] if marking is not None]


def _joined(one: M | None, other: M | None) -> M | None:
    """Return what is as restricted as both, where None is nothing yet."""
    if one is None or other is None:
        return other if one is None else one
    return one.join(other)


def _reach(linked: Sequence[Links]) -> list[list[int]]:
    """Return, for each object, which are at least as restricted.

    After the objects stand two more for each id that has several versions, through which references lead: one to all versions,
    one from all of them. Without these, many references to many versions would be far more than the objects.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for at, item in enumerate(linked):
        places[item.id].append(at)
    reach: list[list[int]] = [[] for _ in linked]
    ends: dict[str, tuple[int, int]] = {}
    for name, versions in places.items():
        if len(versions) == 1:
            ends[name] = (versions[0], versions[0])
            continue
        ends[name] = (len(reach), len(reach) + 1)
        for version in versions:
            reach[version].append(len(reach) + 1)
        reach += [list(versions), []]
    for at, item in enumerate(linked):
        reach[at] += [ends[ref][0] for ref in dict.fromkeys(item.gives) if ref in ends]
        for ref in dict.fromkeys(item.takes):
            if ref in ends:
                reach[ends[ref][1]].append(at)
    return reach


__all__ = ["Links", "links", "spread"]
