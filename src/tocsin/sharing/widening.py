"""What a change of the rulebook newly allows, so that a second person can approve it: exact, and over all days to come.

A caller and a label stand for all that decisions cannot tell apart from them. What a rule gives is everything that it
selects up to a level of TLP and of PAP, so that of each purpose, declared marking and collection one at a time is enough:
what callers with several purposes, or objects with several markings, newly get, one of these gets too. A table is given by the
first rule alone: it is newly given where that is now a rule by which it looks otherwise, or is released for a smaller `k`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Final, NamedTuple

import msgspec

from tocsin.sharing.decisions import SIGHTING, TABLE, Caller, Grant, grants, keeps_from
from tocsin.sharing.markings import Declared, Pap, Tlp
from tocsin.sharing.rulebook import Action, Rulebook

_OTHER: Final = ""
"""Stands for every collection, owner or type that no rule names."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What an organisation newly may, from a day on, by a rule; an empty part means all, or any other than those named.

    `purpose` is empty for what needs none. `own` is what a new organisation put here itself, or a table that becomes its own.
    """

    organisation: str
    action: Action
    purpose: str
    since: date
    rule: str
    collections: tuple[str, ...]
    owners: tuple[str, ...]
    types: tuple[str, ...]
    levels: tuple[str, ...]
    own: bool = False

    def __str__(self) -> str:
        """Return a sentence."""
        if self.own and self.types:
            return f"{self.organisation} becomes the owner of {self.types[0]} in {self.collections[0]}, and gets all of it"
        if self.own:
            return f"{self.organisation} becomes an organisation of the rulebook, and may read what it put here itself"
        of = f" of {', '.join(self.owners)}" if self.owners else ""
        types = ", ".join(self.types) or "all types"
        places = ", ".join(self.collections) or "all collections"
        purpose = f" for {self.purpose}" if self.purpose else ""
        verb = "read" if self.action is Action.READ else "write"
        levels = ", ".join(self.levels)
        return f"{self.organisation} may {verb}{purpose} {types}{of} in {places} ({levels}) from {self.since}: rule {self.rule}"


@dataclass(frozen=True, slots=True)
class Widening:
    """What a change newly allows. `others` are sentences on what widens access beside decisions."""

    gains: tuple[Gain, ...]
    others: tuple[str, ...]

    @property
    def widens(self) -> bool:
        """Return whether a second person has to approve the change."""
        return bool(self.gains or self.others)


class _Stamp(NamedTuple):
    """What the markings of an object mean before and after: levels of TLP, and whether a marking keeps it from the caller."""

    level: str
    name: str
    before: Tlp
    kept_before: bool
    after: Tlp


class _State(NamedTuple):
    """All that decides what a caller may on a day, before and after."""

    old: tuple[Grant, ...]
    new: tuple[Grant, ...]
    stamps: tuple[_Stamp, ...]


def compare(old: Rulebook, new: Rulebook, today: date) -> Widening:
    """Return what the new rulebook allows that the old does not, on this day in UTC or later. Pure."""
    gains = [gain for organisation in new.organisations for gain in _gains_of(old, new, organisation, today)]
    return Widening(tuple(gains), tuple(_others(old, new)))


def _gains_of(old: Rulebook, new: Rulebook, organisation: str, today: date) -> Iterator[Gain]:
    if organisation not in old.organisations:
        yield Gain(organisation, Action.READ, "", today, "", (), (organisation,), (), (), own=True)
    days = sorted({today, *(day for book in (old, new) for day in expiries(book) if day > today)})
    for action in Action:
        without: set[tuple[object, ...]] = set()
        for purpose in ("", *new.purposes):
            caller = Caller(organisation, (purpose,) if purpose else ())
            seen: set[_State] = set()
            found: dict[tuple[object, ...], Gain] = {}
            for day in days:
                state = _state(old, new, caller, day, action)
                if state in seen:
                    continue
                seen.add(state)
                for gain in _gains_in(state, caller, day, action):
                    found.setdefault(_what(gain), gain)
            yield from (gain for what, gain in found.items() if what not in without)
            without |= set() if purpose else set(found)


def _what(gain: Gain) -> tuple[object, ...]:
    """Return what is gained, whenever and for whatever purpose."""
    return gain.rule, gain.collections, gain.owners, gain.types, gain.levels


def expiries(book: Rulebook) -> Iterator[date]:
    """Yield the days on which something ends: between two of them every day is alike."""
    ends = [rule.expires for rule in book.rules]
    ends += [item.expires for organisation in book.organisations.values() for item in organisation.relations]
    ends += [item.expires for group in book.groups.values() for item in group.members]
    yield from (day for day in ends if day is not None)


def _state(old: Rulebook, new: Rulebook, caller: Caller, day: date, action: Action) -> _State:
    stamps = tuple(dict.fromkeys(_stamps(old, new, caller.organisation, day, action)))
    return _State(tuple(grants(old, caller, day, action)), tuple(grants(new, caller, day, action)), stamps)


def _stamps(old: Rulebook, new: Rulebook, organisation: str, day: date, action: Action) -> Iterator[_Stamp]:
    """Yield what markings mean in both books, but for those that keep an object from the caller in the new one."""
    for explicit, name in product((None, *Tlp), ("", *dict.fromkeys((*old.markings, *new.markings)))):
        before, kept_before = _meaning(old, explicit, name, organisation, day)
        after, kept_after = _meaning(new, explicit, name, organisation, day)
        if action is Action.WRITE or not kept_after:
            level = explicit.label if explicit is not None else "unmarked"
            yield _Stamp(level, _called(new, old, name), before, kept_before and action is Action.READ, after)


def _called(new: Rulebook, old: Rulebook, name: str) -> str:
    declared = new.markings.get(name) or old.markings.get(name)
    return declared.name or name if declared else ""


def _meaning(book: Rulebook, explicit: Tlp | None, name: str, organisation: str, day: date) -> tuple[Tlp, bool]:
    """Return the level of an object with this level and declared marking, and whether it is kept from the organisation."""
    declared = book.markings.get(name, Declared(name, Tlp.RED)) if name else None
    levels = [level for level in (explicit, declared.means if declared else None) if level is not None]
    kept = declared is not None and bool(declared.only) and keeps_from(book, name, organisation, day)
    return max(levels, default=book.default), kept


def _gains_in(state: _State, caller: Caller, day: date, action: Action) -> Iterator[Gain]:
    if action is Action.READ:
        yield from _tables_gained(state, caller, day)
    for grant in state.new:
        if any(contains(other, grant) for other in state.old) and all(_is_no_wider(stamp) for stamp in state.stamps):
            continue
        missing = list(_missing(state, grant, caller.organisation if action is Action.READ else None))
        if missing:
            collections, owners, types, levels = (tuple(dict.fromkeys(part)) for part in zip(*missing, strict=True))
            purpose = caller.purposes[0] if caller.purposes else ""
            yield Gain(
                caller.organisation,
                action,
                purpose,
                day,
                grant.rule.id,
                _named(collections),
                _named(owners),
                _named(types),
                levels,
            )


def _tables_gained(state: _State, caller: Caller, day: date) -> Iterator[Gain]:
    """Yield the tables that are newly given, or by a rule that shows them otherwise, for each rule that gives them."""
    every = [*state.old, *state.new]
    collections = (*_all(item.rule.of.collections for item in every), _OTHER)
    owners = [name for name in (*_all(item.rule.of.owners for item in every), _OTHER) if name != caller.organisation]
    purpose = caller.purposes[0] if caller.purposes else ""
    for name in dict.fromkeys(name for grant in state.new for name in grant.rule.tables or ()):
        gained: dict[str, list[tuple[str, str, str]]] = {}
        for collection, owner, stamp in product(collections, owners, state.stamps):
            paps: dict[str, list[Pap]] = {}
            for pap in Pap:
                new = _giving(state.new, name, collection, owner, stamp.after, pap)
                old = None if stamp.kept_before else _giving(state.old, name, collection, owner, stamp.before, pap)
                if new and not (old and old.rule.k <= new.rule.k and _look(old, name) == _look(new, name)):
                    paps.setdefault(new.rule.id, []).append(pap)
            for rule, levels in paps.items():
                only = "" if Pap.CLEAR in levels else ", ".join(level.label for level in levels)
                told = " with ".join(filter(None, (stamp.level, stamp.name, only)))
                gained.setdefault(rule, []).append((collection, owner, told))
        for rule, cells in gained.items():
            places, whose, marked = (tuple(dict.fromkeys(part)) for part in zip(*cells, strict=True))
            types = (f"the table {name}",)
            yield Gain(caller.organisation, Action.READ, purpose, day, rule, _named(places), _named(whose), types, marked)


def _giving(grants: Iterable[Grant], name: str, collection: str, owner: str, tlp: Tlp, pap: Pap) -> Grant | None:
    """Return the grant that gives a table, which is the first."""
    for grant in grants:
        is_open = tlp <= grant.tlp and grant.pap is not None and pap <= grant.pap
        if is_open and name in (grant.rule.tables or {}) and _is_in(grant, collection, owner, TABLE):
            return grant
    return None


def _look(grant: Grant, name: str) -> bytes:
    return msgspec.json.encode((grant.rule.tables or {}).get(name), order="sorted")


def _is_no_wider(stamp: _Stamp) -> bool:
    return stamp.before <= stamp.after and not stamp.kept_before


def _missing(state: _State, grant: Grant, own: str | None) -> Iterator[tuple[str, str, str, str]]:
    """Yield cells of what a grant gives that the old grants do not: collection, owner, type, levels."""
    every = [*state.old, *state.new]
    of = grant.rule.of
    collections = of.collections or (*_all(item.rule.of.collections for item in every), _OTHER)
    owners = of.owners or (*_all(item.rule.of.owners for item in every), _OTHER)
    types = of.types or (*dict.fromkeys((*_all(item.rule.of.types for item in every), SIGHTING)), _OTHER)
    stamps = [stamp for stamp in state.stamps if stamp.after <= grant.tlp]
    for collection, owner, kind in product(collections, owners, types):
        if owner == own or kind == TABLE:
            continue
        held = [item for item in state.old if _is_in(item, collection, owner, kind) and _is_as_fine(item, grant, kind)]
        told: set[tuple[str, str]] = set()
        for stamp in stamps:
            had = [item.pap for item in held if stamp.before <= item.tlp and not stamp.kept_before and item.pap is not None]
            pap = max(had, default=None)
            if grant.pap is not None and (pap is None or pap < grant.pap):
                paps = _paps(pap, grant.pap)
                if not stamp.name or (stamp.level, paps) not in told:
                    yield collection, owner, kind, " with ".join(filter(None, (stamp.level, stamp.name, paps)))
                told.add((stamp.level, paps))


def _all(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in parts for name in part))


def _named(names: tuple[str, ...]) -> tuple[str, ...]:
    return () if _OTHER in names else names


def _paps(had: Pap | None, has: Pap) -> str:
    """Return the levels of PAP that are new, empty when those without one are."""
    return "" if had is None else f"{', '.join(level.label for level in Pap if had < level <= has)}"


def _is_in(grant: Grant, collection: str, owner: str, kind: str) -> bool:
    of = grant.rule.of
    return (
        (not of.collections or collection in of.collections)
        and (not of.owners or owner in of.owners)
        and (not of.types or kind in of.types)
    )


def _is_as_fine(old: Grant, new: Grant, kind: str) -> bool:
    """Return whether an old grant gives what is of a type at least as openly as a new one."""
    named = old.rule.k == 1 or old.rule.pseudonyms or not new.rule.pseudonyms
    return kind != SIGHTING or (old.rule.k <= new.rule.k and named)


def contains(wide: Grant, narrow: Grant) -> bool:
    """Return whether one grant alone gives all of another, tables left out."""
    if wide.pap is None or narrow.pap is None or wide.pap < narrow.pap or wide.tlp < narrow.tlp:
        return False
    parts = zip(wide.rule.of.parts(), narrow.rule.of.parts(), strict=True)
    as_much = all(not more or (few and set(few) <= set(more)) for more, few in parts)
    return as_much and _is_as_fine(wide, narrow, SIGHTING)


def _others(old: Rulebook, new: Rulebook) -> Iterator[str]:
    """Yield what widens access in ways that no decision shows."""
    if new.operator != old.operator:
        yield f"{new.operator} operates the node instead of {old.operator}"
    for name, group in new.groups.items():
        if name in old.groups and old.groups[name].hidden and not group.hidden:
            yield f"who is in {name} is no longer hidden"
    for name, organisation in new.organisations.items():
        before = old.organisations[name].identity if name in old.organisations else organisation.identity
        if organisation.identity != before:
            yield f"the identity of {name} becomes {organisation.identity or 'none'} instead of {before or 'none'}"


__all__ = ["Gain", "Widening", "compare", "contains", "expiries"]
