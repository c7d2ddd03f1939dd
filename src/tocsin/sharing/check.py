"""What is wrong with a rulebook that can be read: contradictions, and what is likely not meant.

A finding has the trail to its place in the file, as problems of reading have. Contradictions are rules or relations that say
what cannot be; warnings are parts that have no effect, or an effect that is easily overlooked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import date
from typing import Final, NamedTuple

from tocsin.errors import RulebookError
from tocsin.rules.yaml_maps import Trail
from tocsin.sharing.decisions import SIGHTING, TABLE, Caller, grants, is_over, members, related, ways
from tocsin.sharing.markings import Tlp
from tocsin.sharing.rulebook import COMMUNITY, EVERYONE, Action, Kind, Rule, Rulebook
from tocsin.sharing.table_policies import Condition
from tocsin.sharing.widening import contains, expiries

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?Z?)?")


class Checked(NamedTuple):
    """What a check found: contradictions, and warnings; each with a code, a trail and a hint."""

    problems: list[RulebookError]
    warnings: list[RulebookError]


def check(book: Rulebook, today: date) -> Checked:
    """Return what is wrong with a rulebook on a day in UTC. Pure."""
    problems = [*_cycles(book)]
    warnings = [*_organisations(book, today), *_groups(book, today), *_unused(book)]
    for at, rule in enumerate(book.rules):
        trail: Trail = ("rules", at)
        if is_over(rule.expires, today):
            message = f"the rule {rule.id!r} expired on {rule.expires}"
            warnings.append(_finding("B014", message, (*trail, "expires"), "take it out, or give it a later day"))
            continue
        problems += [*_broken_markings(book, rule, trail), *_processors(rule, trail)]
        never = list(_never(book, rule, trail, today))
        problems += [*never, *_without_rows(rule, trail)]
        warnings += [*_reaches_nobody(book, rule, trail, today), *_outsiders(book, rule, trail, today)]
        warnings += _without_effect(rule, trail)
        if not never:
            warnings += _owners_without_objects(book, rule, trail, today)
    return Checked(problems, [*warnings, *_shadowed(book, today)])


def _finding(code: str, message: str, trail: Trail, hint: str) -> RulebookError:
    return RulebookError(code, message, trail=trail, hint=hint)


def _never(book: Rulebook, rule: Rule, trail: Trail, today: date) -> Iterator[RulebookError]:
    """Yield that a rule can never apply."""
    reached = [name for name in book.organisations if any(ways(book, rule, name, today))]
    if not reached:
        message = f"the rule {rule.id!r} can never apply: none of {', '.join(rule.to)} is anybody today"
        yield _finding("B010", message, (*trail, "to"), "give its group or the community a member")
    elif rule.may is Action.READ and len(reached) == 1 and rule.of.owners == tuple(reached):
        message = f"the rule {rule.id!r} can never apply: {reached[0]} may read what it put here itself without a rule"
        yield _finding("B010", message, (*trail, "owners"), "name whose information is meant, or take the rule out")


def _without_rows(rule: Rule, trail: Trail) -> Iterator[RulebookError]:
    """Yield tables of which a rule can never give a row: what is chosen ends before it begins."""
    for name, policy in (rule.tables or {}).items():
        for condition in policy.rows:
            if _is_never(condition):
                message = f"the rule {rule.id!r} can never give a row of {name}: {condition.column} ends before it begins"
                place: Trail = (*trail, "tables", name, "rows", condition.column)
                yield _finding("B010", message, place, "'from' is the least that is given, 'below' the first that is not")


def _is_never(condition: Condition) -> bool:
    """Return whether no value can fit. Texts are compared when they are dates or moments of one form, since columns differ."""
    least, below = condition.at_least, condition.below
    if isinstance(least, (int, float)) and isinstance(below, (int, float)):
        return least >= below
    if isinstance(least, str) and isinstance(below, str) and len(least) == len(below):
        return bool(_MOMENT.fullmatch(least) and _MOMENT.fullmatch(below)) and least >= below
    return False


def _owners_without_objects(book: Rulebook, rule: Rule, trail: Trail, today: date) -> Iterator[RulebookError]:
    """Yield that a rule is about what organisations put here, none of whom may put anything there."""
    if rule.may is Action.WRITE or not rule.of.owners or rule.tables is not None:
        return
    for owner in rule.of.owners:
        for grant in grants(book, Caller(owner, tuple(book.purposes)), today, Action.WRITE):
            parts = zip(grant.rule.of.parts(), rule.of.parts(), strict=True)
            if all(not one or not other or set(one) & set(other) for one, other in parts):
                return
    message = f"the rule {rule.id!r} is about what {', '.join(rule.of.owners)} put here, and no rule lets them"
    yield _finding("B022", message, (*trail, "owners"), "give the owner a rule with 'may: write', or name another")


def _broken_markings(book: Rulebook, rule: Rule, trail: Trail) -> Iterator[RulebookError]:
    """Yield recipients to whom a rule promises what the marking keeps from them."""
    if rule.up_to is None or rule.may is Action.WRITE:
        return
    for at, name in enumerate(rule.to):
        most = Tlp.GREEN if name in (COMMUNITY, EVERYONE) else Tlp.AMBER_STRICT if name in book.groups else Tlp.RED
        if rule.up_to > most:
            message = f"the rule {rule.id!r} says {rule.up_to.label}, and to {name} at most {most.label} may go"
            hint = "TLP:RED goes to recipients by their names" if most is Tlp.AMBER_STRICT else "name recipients or groups"
            yield _finding("B011", message, (*trail, "to", at), f"{hint}, in a rule of its own, or lower 'up_to'")


def _processors(rule: Rule, trail: Trail) -> Iterator[RulebookError]:
    if rule.processors and not rule.permission:
        message = f"the rule {rule.id!r} is for processors, and has no permission of the originator: it does not reach them"
        hint = "'permission' names a standing agreement, a consent, or instructions that came with the information"
        yield _finding("B013", message, (*trail, "processors"), hint)


def _reaches_nobody(book: Rulebook, rule: Rule, trail: Trail, today: date) -> Iterator[RulebookError]:
    """Yield that nobody is a client, or a processor, of those whom a rule names."""
    chosen = {name for name in rule.to if name in book.organisations}
    chosen = chosen.union(*(members(book, name, today) for name in rule.to if name in book.groups))
    for kind, wanted in ((Kind.CLIENT, rule.clients), (Kind.PROCESSOR, rule.processors)):
        if wanted and not any(of in chosen for name in book.organisations for of in related(book, name, kind, today)):
            only = "" if chosen else f": '{kind}s' reaches those of recipients that are named, alone or in a group"
            message = f"the rule {rule.id!r} is for {kind}s, and no organisation is {kind} of its recipients{only}"
            yield _finding(
                "B015", message, (*trail, f"{kind}s"), f"write '{kind}_of' at an organisation, or take '{kind}s' out"
            )


def _outsiders(book: Rulebook, rule: Rule, trail: Trail, today: date) -> Iterator[RulebookError]:
    """Yield recipients outside the community who may get what TLP keeps inside it."""
    if rule.may is Action.WRITE or rule.permission or rule.up_to is Tlp.CLEAR:
        return
    for at, name in enumerate(rule.to):
        for organisation in sorted(members(book, name, today)) if name in book.groups else [name]:
            if organisation not in book.organisations or COMMUNITY in related(book, organisation, Kind.MEMBER, today):
                continue
            message = f"the rule {rule.id!r} gives more than TLP:CLEAR to {organisation}, which is no member of the community"
            hint = "'permission' names what the originators agreed to; or make it a member, or write 'up_to: TLP:CLEAR'"
            yield _finding("B020", message, (*trail, "to", at), hint)


def _without_effect(rule: Rule, trail: Trail) -> Iterator[RulebookError]:
    """Yield keys that change nothing."""
    if rule.may is Action.WRITE:
        for key, given in (("purposes", rule.purposes), ("k", rule.k > 1), ("tables", rule.tables is not None)):
            if given:
                message = f"{key!r} has no effect in the rule {rule.id!r}, which lets recipients write"
                yield _finding("B021", message, (*trail, key), "take it out")
    elif TABLE in rule.of.types and rule.tables is None:
        message = f"the rule {rule.id!r} is about tables and gives none"
        yield _finding("B021", message, (*trail, "types"), "'tables' names tables, and says how they are given")
    elif rule.of.types and rule.tables is not None and TABLE not in rule.of.types:
        message = f"'tables' has no effect in the rule {rule.id!r}, whose types leave tables out"
        yield _finding("B021", message, (*trail, "tables"), f"add {TABLE} to 'types', or take it out")
    elif rule.k > 1 and rule.of.types and SIGHTING not in rule.of.types and rule.tables is None:
        message = f"'k' has no effect in the rule {rule.id!r}, which is neither about sightings nor about tables"
        yield _finding("B021", message, (*trail, "k"), "take it out")
    if rule.pseudonyms and rule.k == 1:
        message = f"'pseudonyms' has no effect in the rule {rule.id!r}, which gives sightings themselves"
        yield _finding("B021", message, (*trail, "pseudonyms"), "give it a 'k': sightings are then counted")


def _organisations(book: Rulebook, today: date) -> Iterator[RulebookError]:
    """Yield organisations without an identity, and relations that no longer hold."""
    for name, organisation in book.organisations.items():
        trail: Trail = ("organisations", name)
        if not organisation.identity:
            message = f"the organisation {name!r} has no identity: what it created is not known as its own"
            yield _finding("B018", message, (*trail[:-1], f"key:{name}"), "'identity' is the id of its STIX identity object")
        for at, relation in enumerate(organisation.relations):
            if is_over(relation.expires, today):
                message = f"{name} is no longer {relation.kind} of {relation.of} since {relation.expires}"
                yield _finding("B014", message, (*trail, "relations", at, "expires"), "take it out, or give it a later day")


def _groups(book: Rulebook, today: date) -> Iterator[RulebookError]:
    """Yield groups in which nobody is, and memberships that no longer hold."""
    for name, group in book.groups.items():
        for at, item in enumerate(group.members):
            if is_over(item.expires, today):
                message = f"{item.organisation} is no longer in {name!r} since {item.expires}"
                hint = "take it out, or give it a later day"
                yield _finding("B014", message, ("groups", name, "members", at, "expires"), hint)
        if not members(book, name, today):
            yield _finding("B016", f"nobody is in the group {name!r} today", ("groups", f"key:{name}"), "give it a member")


def _cycles(book: Rulebook) -> Iterator[RulebookError]:
    """Yield relations that lead back to the organisation where they began, once for each circle."""
    told: set[frozenset[str]] = set()
    for kind in (Kind.CLIENT, Kind.PROCESSOR):
        for name in book.organisations:
            circle = _circle(book, name, kind)
            if circle and frozenset(circle) not in told:
                told.add(frozenset(circle))
                message = f"{' is a ' + kind + ' of '}".join([*circle, circle[0]])
                yield _finding(
                    "B017", message, ("organisations", name, "relations"), "one of these relations is the wrong way round"
                )


def _circle(book: Rulebook, start: str, kind: Kind) -> list[str]:
    """Return the organisations on a way of relations from one back to itself, empty when there is none."""
    ways_on: list[list[str]] = [[start]]
    seen = {start}
    while ways_on:
        way = ways_on.pop()
        for relation in book.organisations[way[-1]].relations:
            if relation.kind is not kind:
                continue
            if relation.of == start:
                return way
            if relation.of not in seen:
                seen.add(relation.of)
                ways_on.append([*way, relation.of])
    return []


def _unused(book: Rulebook) -> Iterator[RulebookError]:
    """Yield purposes and groups that nothing names."""
    used_purposes = {name for rule in book.rules for name in rule.purposes}
    used_groups = {name for rule in book.rules for name in rule.to} | {
        name for marking in book.markings.values() for name in marking.only
    }
    everything: tuple[tuple[str, str, Collection[str], Collection[str]], ...] = (
        ("purpose", "purposes", book.purposes, used_purposes),
        ("group", "groups", book.groups, used_groups),
    )
    for what, part, names, used in everything:
        for name in names:
            if name not in used:
                yield _finding("B019", f"no rule names the {what} {name!r}", (part, f"key:{name}"), "take it out, or use it")


def _shadowed(book: Rulebook, today: date) -> Iterator[RulebookError]:
    """Yield rules that give nothing beside another: of two that are alike, the later one."""
    places = {rule.id: at for at, rule in enumerate(book.rules)}
    purposes = ("", *book.purposes)
    days = sorted({today, *(day for day in expiries(book) if day > today)})
    candidates: dict[str, set[str]] = {}
    for action in Action:
        for organisation in book.organisations:
            for purpose in purposes:
                for day in days:
                    _keep_wider(candidates, book, Caller(organisation, (purpose,) if purpose else ()), day, action)
    for name, wider in candidates.items():
        alike = {other for other in wider if name in candidates.get(other, ())}
        real = sorted((other for other in wider if other not in alike or places[other] < places[name]), key=places.__getitem__)
        if real:
            message = f"the rule {name!r} gives nothing that the rule {real[0]!r} does not give"
            yield _finding("B012", message, ("rules", places[name], "id"), "take it out, or narrow the other one")


def _keep_wider(candidates: dict[str, set[str]], book: Rulebook, caller: Caller, day: date, action: Action) -> None:
    """Keep for each rule that gives the caller something those that give the caller as much, and are open to as many."""
    given = list(grants(book, caller, day, action))
    for at, grant in enumerate(given):
        others = [
            other
            for number, other in enumerate(given)
            if other.rule.id != grant.rule.id and _gives_tables(other.rule, grant.rule, number < at)
        ]
        wider = {other.rule.id for other in others if _is_as_open(other.rule, grant.rule, book) and contains(other, grant)}
        candidates[grant.rule.id] = candidates.get(grant.rule.id, wider) & wider


def _gives_tables(wide: Rule, narrow: Rule, is_before: bool) -> bool:
    """Return whether no table is given by a rule because of another: that comes first, or gives each in the same way."""
    tables, named = wide.tables or {}, narrow.tables or {}
    if is_before:
        return set(named) <= set(tables)
    return all(name in tables and tables[name] == look for name, look in named.items()) and (not named or wide.k <= narrow.k)


def _is_as_open(wide: Rule, narrow: Rule, book: Rulebook) -> bool:
    """Return whether whoever comes into a group, the community or a relation later is reached by both rules."""
    several = [name for name in narrow.to if name not in book.organisations]
    named = all(name in wide.to or (name == COMMUNITY and EVERYONE in wide.to) for name in several)
    return named and wide.clients >= narrow.clients and wide.processors >= narrow.processors


__all__ = ["Checked", "check"]
