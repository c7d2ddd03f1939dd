"""Which findings belong together: chains over what they share, each link with its reason."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from tocsin.incidents.facts import Facts

DAY_S: Final = 86_400.0
HOUR_S: Final = 3_600.0
MOST_HOSTS: Final = 12
"""Hosts beyond which a user, an address or an asset is too common to join findings of different hosts."""
_QUIET: Final = frozenset({"informational", "low"})


class Kind(Struct, frozen=True):
    """Something that findings share: how strong it joins (less is stronger), within how many seconds, and how it is said."""

    strength: int
    window_s: float
    said: str
    common: bool
    """Whether many hosts may share it by chance."""


EVENT: Final = Kind(0, math.inf, "same event", common=False)
_PROCESS: Final = Kind(1, DAY_S, "same process tree", common=False)
_SESSION: Final = Kind(2, DAY_S, "same session", common=False)
_CONNECTION: Final = Kind(3, DAY_S, "same connection", common=False)
_ASSET: Final = Kind(4, HOUR_S, "same asset", common=True)
HOST: Final = Kind(5, HOUR_S, "same host", common=False)
_ADDRESS: Final = Kind(6, HOUR_S, "same address", common=True)
_USER: Final = Kind(7, HOUR_S, "same user", common=True)


class Link(Struct, frozen=True):
    """Two findings by their place in the list, the earlier first, and what they share."""

    earlier: int
    later: int
    kind: Kind
    shared: str

    def reason(self, other: Facts, names: Mapping[str, str]) -> str:
        """Return the link in plain words towards the other finding; `names` are those of keys. A host has its name there."""
        name = other.host or "the log" if self.kind is HOST else names.get(self.shared, self.shared)
        return f"{self.kind.said} as finding {other.number}" + ("" if self.kind is EVENT else f" ({name})")


def link(facts: Sequence[Facts]) -> tuple[list[int], list[Link]]:
    """Return the group of each finding, and the links.

    Findings of medium level and above are joined along chains: two neighbours in time that share a thing within its window. Low
    and informational ones join no others: each goes to the nearest finding that it shares something with, preferring the
    strongest thing, and those that are left over are chained among themselves. The order of `facts` does not matter.
    """
    order = in_time(facts)
    chains = _chains(facts, order)
    groups = Groups(len(facts))
    links: list[Link] = []
    for key, members in chains:
        loud = [at for at in members if facts[at].level not in _QUIET]
        links += _join(facts, loud, key, groups)
    taken = {at for at in order if facts[at].level not in _QUIET}
    links += _attach(facts, chains, taken, groups)
    for key, members in chains:
        links += _join(facts, [at for at in members if at not in taken], key, groups)
    return [groups.top(at) for at in range(len(facts))], links


def in_time(facts: Sequence[Facts]) -> list[int]:
    """Return the places of findings in order of time, those without one last."""
    return sorted(range(len(facts)), key=lambda at: (facts[at].time_s is None, facts[at].time_s or 0.0, facts[at].number))


def _chains(facts: Sequence[Facts], order: Iterable[int]) -> list[tuple[tuple[Kind, str], list[int]]]:
    """Return, for each thing that two findings or more share, their places in order of time; the strongest things first."""
    chains: dict[tuple[int, str], list[int]] = {}
    kinds: dict[int, Kind] = {}
    for at in order:
        for kind, shared in dict.fromkeys(_things(facts[at])):
            kinds[kind.strength] = kind
            chains.setdefault((kind.strength, shared), []).append(at)
    found = []
    for (strength, shared), members in sorted(chains.items()):
        kind = kinds[strength]
        if len(members) > 1 and not (kind.common and len({facts[at].host_key for at in members}) > MOST_HOSTS):
            found.append(((kind, shared), members))
    return found


def _things(facts: Facts) -> Iterator[tuple[Kind, str]]:
    for record in facts.records:
        yield EVENT, record
    for process in (facts.process, facts.parent):
        if process:
            yield _PROCESS, process
    for session in facts.sessions:
        yield _SESSION, session
    if facts.connection:
        yield _CONNECTION, facts.connection
    for asset in facts.assets:
        yield _ASSET, asset
    if facts.host_key:
        yield HOST, facts.host_key
    for address in facts.addresses:
        yield _ADDRESS, address
    for user in facts.users:
        yield _USER, user


def _join(facts: Sequence[Facts], members: Sequence[int], key: tuple[Kind, str], groups: Groups) -> Iterator[Link]:
    kind, shared = key
    pairs = pairwise(members) if kind is not EVENT else _of_event(facts, members)
    for earlier, later in pairs:
        if _near(facts[earlier], facts[later], kind.window_s):
            groups.join(earlier, later)
            yield Link(earlier, later, kind, shared)


def _of_event(facts: Sequence[Facts], members: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of findings on one event that a correlation makes: it with each other, or with the next correlation."""
    plain = [at for at in members if not facts[at].correlated]
    both = [at for at in members if facts[at].correlated]
    yield from ((other, at) for at in both for other in plain)
    yield from pairwise(both)


def _near(a: Facts, b: Facts, window_s: float) -> bool:
    """Tell whether two findings lie within a window; those without a time lie nowhere, unless both do."""
    if a.time_s is None or b.time_s is None:
        return a.time_s is b.time_s
    return abs(a.time_s - b.time_s) <= window_s


def _attach(
    facts: Sequence[Facts], chains: Sequence[tuple[tuple[Kind, str], list[int]]], taken: set[int], groups: Groups
) -> Iterator[Link]:
    """Give each quiet finding to the nearest other one of the strongest thing that it shares."""
    attached: set[int] = set()
    for (kind, shared), members in chains:
        loud = [place for place, at in enumerate(members) if at in taken and at not in attached]
        if not loud:
            continue
        before = 0
        for place, at in enumerate(members):
            while before + 1 < len(loud) and loud[before + 1] < place:
                before += 1
            if at in taken or at in attached:
                continue
            near = [members[loud[spot]] for spot in (before, before + 1) if spot < len(loud)]
            near = [other for other in near if _near(facts[at], facts[other], kind.window_s)]
            if near:
                other = min(near, key=lambda o: (abs((facts[o].time_s or 0.0) - (facts[at].time_s or 0.0)), facts[o].number))
                groups.join(at, other)
                attached.add(at)
                earlier, later = sorted((at, other), key=lambda o: facts[o].number)
                yield Link(earlier, later, kind, shared)
    taken |= attached


class Groups:
    """Disjoint groups of places; the smallest place of a group stands for it."""

    def __init__(self, count: int) -> None:
        self._up = list(range(count))

    def top(self, at: int) -> int:
        """Return the place that stands for the group of another."""
        while self._up[at] != at:
            self._up[at] = self._up[self._up[at]]
            at = self._up[at]
        return at

    def join(self, a: int, b: int) -> None:
        """Make the groups of two places one."""
        low, high = sorted((self.top(a), self.top(b)))
        self._up[high] = low


__all__ = ["DAY_S", "EVENT", "HOST", "HOUR_S", "MOST_HOSTS", "Groups", "Kind", "Link", "in_time", "link"]
