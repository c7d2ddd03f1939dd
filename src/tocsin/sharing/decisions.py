"""The one decision point: whether a caller may read or write what carries a label, and the sentence that says why.

A label is what a decision can depend on: collection, owner, type and marking. Many objects share one, so that a store
decides once for each label and caller, keeps the answers as rows, and joins them with what it returns.

A rule comes to a caller in one or more ways, and each way carries information up to a ceiling of TLP. What a rule gives a
caller is therefore a `Grant`: what it selects, up to a level of TLP and one of PAP. Decisions, and the comparison of two
rulebooks, both follow from it.

Source: FIRST TLP 2.0; FIRST, TLP use cases, on recipients and their providers of cybersecurity services.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import Final, NamedTuple

from tocsin.sharing.markings import Marking, Pap, Tlp
from tocsin.sharing.rulebook import COMMUNITY, EVERYONE, Action, Kind, Rule, Rulebook

SIGHTING: Final = "sighting"
"""The type of objects that a rule with a `k` gives as counts alone."""
TABLE: Final = "table"
"""What stands for a table where types of STIX objects do."""


@dataclass(frozen=True, slots=True, order=True)
class Caller:
    """Who asks: an organisation, and the purposes for which it does."""

    organisation: str
    purposes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """What a decision depends on. `owner` is the organisation that put it here, `type` a STIX type or `table`."""

    collection: str
    owner: str
    type: str
    marking: Marking


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided: `rule` is the id of the rule that gives, or that came nearest; `because` is a sentence."""

    allowed: bool
    rule: str
    because: str


class Way(NamedTuple):
    """How a rule comes to an organisation, and the narrowest level of TLP that may go this way."""

    text: str
    ceiling: Tlp


class Stage(IntEnum):
    """How near a rule came to giving; the last gives."""

    OTHER = 0
    NOBODY = 1
    EXPIRED = 2
    LEVEL = 3
    PURPOSE = 4
    MARKING = 5
    COUNTS = 6
    GIVES = 7


class Considered(NamedTuple):
    """What one rule says: how near it came, and the end of a sentence that begins with the rule."""

    rule: str
    stage: Stage
    why: str


class Grant(NamedTuple):
    """What a rule gives a caller on a day: what it selects, up to these levels. `pap` is None when no purpose fits."""

    rule: Rule
    tlp: Tlp
    pap: Pap | None


def decide(book: Rulebook, caller: Caller, label: Label, today: date, action: Action = Action.READ) -> Decision:
    """Return whether the caller may do this with what carries the label, on a day in UTC. Pure.

    An owner may read its own. Otherwise a rule has to select the label, reach the caller, serve one of its purposes, hold on
    the day, and no marking may stand against it.
    """
    if caller.organisation not in book.organisations:
        return Decision(False, "", f"{caller.organisation} is no organisation of the rulebook")
    if action is Action.READ and caller.organisation == label.owner:
        return Decision(True, "", f"{caller.organisation} put it here itself")
    nearest = Considered("", Stage.OTHER, "")
    for rule in book.rules:
        if rule.may is not action or not selects(rule, label):
            continue
        found = consider(book, rule, caller, label, today)
        if found.stage is Stage.GIVES:
            return Decision(True, rule.id, f"rule {rule.id} {found.why}")
        nearest = max(nearest, found, key=lambda item: item.stage)
    if nearest.stage <= Stage.NOBODY:
        what = f"{label.type} in {label.collection} of {label.owner}"
        verb = "gives" if action is Action.READ else "takes"
        return Decision(False, "", f"no rule {verb} {what} {'to' if action is Action.READ else 'from'} {caller.organisation}")
    return Decision(False, nearest.rule, f"rule {nearest.rule} {nearest.why}")


def counted(book: Rulebook, caller: Caller, label: Label, today: date) -> Rule | None:
    """Return the rule by which a sighting that the caller does not get is counted for it, the one with the smallest `k`."""
    if label.type != SIGHTING or caller.organisation not in book.organisations or caller.organisation == label.owner:
        return None
    found = (rule for rule in book.rules if rule.may is Action.READ)
    counting = [rule for rule in found if consider(book, rule, caller, label, today).stage is Stage.COUNTS]
    return min(counting, key=lambda rule: rule.k, default=None)


def reaches(book: Rulebook, caller: Caller, collection: str, today: date, action: Action) -> bool:
    """Return whether any rule gives the caller a part of a collection, whatever is in there."""
    given = (grant.rule.of.collections for grant in grants(book, caller, today, action))
    return any(not names or collection in names for names in given)


def consider(book: Rulebook, rule: Rule, caller: Caller, label: Label, today: date) -> Considered:
    """Return what a rule says to a caller about a label that it is asked for the right action of."""
    if not selects(rule, label):
        return Considered(rule.id, Stage.OTHER, f"is about {_scope(rule, label)}")
    found = list(ways(book, rule, caller.organisation, today))
    if not found:
        return Considered(rule.id, Stage.NOBODY, f"is for {', '.join(rule.to)}, and {caller.organisation} is none of them")
    if is_over(rule.expires, today):
        return Considered(rule.id, Stage.EXPIRED, f"expired on {rule.expires}")
    if rule.up_to is not None and label.marking.tlp > rule.up_to:
        return Considered(rule.id, Stage.LEVEL, f"is for up to {rule.up_to.label}, and this is {label.marking.tlp.label}")
    grant = _granted(book, rule, caller, found)
    if grant.pap is None or label.marking.pap > grant.pap:
        return Considered(rule.id, Stage.PURPOSE, _why_no_purpose(rule, caller, label, grant))
    way = max(found, key=lambda item: item.ceiling)
    against = _against(book, caller.organisation, label.marking, way, today) if rule.may is Action.READ else ""
    if against:
        return Considered(rule.id, Stage.MARKING, against)
    who = f"{caller.organisation} {way.text}"
    if rule.may is Action.READ and rule.k > 1 and label.type == SIGHTING:
        return Considered(rule.id, Stage.COUNTS, f"only counts it for {who}, when those of at least {rule.k} others are there")
    gives = f"gives it to {who}, and {label.marking} permits it" if rule.may is Action.READ else f"takes it from {who}"
    return Considered(rule.id, Stage.GIVES, gives)


def selects(rule: Rule, label: Label) -> bool:
    """Return whether a rule is about what carries the label."""
    of = rule.of
    return (
        (not of.collections or label.collection in of.collections)
        and (not of.owners or label.owner in of.owners)
        and (not of.types or label.type in of.types)
        and (label.type != TABLE or rule.tables is not None)
    )


def grants(book: Rulebook, caller: Caller, today: date, action: Action = Action.READ) -> Iterator[Grant]:
    """Yield what the rules give a caller on a day: all that they select up to their levels, but for what `keeps_from` says.

    What a caller put here itself is not among it.
    """
    if caller.organisation not in book.organisations:
        return
    for rule in book.rules:
        if rule.may is not action or is_over(rule.expires, today):
            continue
        found = list(ways(book, rule, caller.organisation, today))
        grant = _granted(book, rule, caller, found)
        if found and grant.pap is not None:
            yield grant


def _granted(book: Rulebook, rule: Rule, caller: Caller, found: list[Way]) -> Grant:
    """Return what a rule that comes to the caller in these ways gives it. Of what is written to a node only `up_to` counts."""
    if rule.may is Action.WRITE:
        return Grant(rule, Tlp.RED if rule.up_to is None else rule.up_to, Pap.RED)
    ceiling = max((way.ceiling for way in found), default=Tlp.CLEAR)
    asked = [name for name in caller.purposes if not rule.purposes or name in rule.purposes]
    paps = [book.purposes[name].pap for name in asked if name in book.purposes]
    pap = max(paps, default=None if rule.purposes else Pap.CLEAR)
    return Grant(rule, ceiling if rule.up_to is None else min(ceiling, rule.up_to), pap)


def ways(book: Rulebook, rule: Rule, organisation: str, today: date) -> Iterator[Way]:
    """Yield each way in which a rule comes to an organisation.

    A processor of a recipient is no recipient: it is reached only with the originator's permission, never as a client or as
    the recipient itself.
    """
    if organisation in rule.to:
        yield Way("by its name", Tlp.RED if rule.up_to is Tlp.RED else Tlp.AMBER_STRICT)
    for name in rule.to:
        if name in book.groups and organisation in members(book, name, today):
            yield Way(f"as one of {name}", Tlp.AMBER_STRICT)
    kinds = [(Kind.CLIENT, Tlp.AMBER)] if rule.clients else []
    kinds += [(Kind.PROCESSOR, Tlp.AMBER_STRICT)] if rule.processors and rule.permission else []
    for kind, ceiling in kinds:
        for other in related(book, organisation, kind, today):
            if other in rule.to or any(other in members(book, name, today) for name in rule.to if name in book.groups):
                yield Way(f"as {kind} of {other}", ceiling)
    is_member = COMMUNITY in related(book, organisation, Kind.MEMBER, today)
    if is_member and (COMMUNITY in rule.to or EVERYONE in rule.to):
        yield Way("as a member of the community", Tlp.GREEN)
    elif EVERYONE in rule.to:
        yield Way("as everyone", Tlp.CLEAR)


def members(book: Rulebook, group: str, today: date) -> frozenset[str]:
    """Return the organisations that are in a group on a day."""
    return frozenset(item.organisation for item in book.groups[group].members if not is_over(item.expires, today))


def related(book: Rulebook, organisation: str, kind: Kind, today: date) -> Iterator[str]:
    """Yield what an organisation is a member, client or processor of on a day, in the order of the rulebook."""
    for relation in book.organisations[organisation].relations:
        if relation.kind is kind and not is_over(relation.expires, today):
            yield relation.of


def keeps_from(book: Rulebook, marking: str, organisation: str, today: date) -> bool:
    """Return whether a marking that keeps objects to groups keeps them from an organisation."""
    only = book.markings[marking].only if marking in book.markings else ()
    return not any(group in book.groups and organisation in members(book, group, today) for group in only)


def is_over(expires: date | None, today: date) -> bool:
    """Return whether what expires on a day no longer holds: from that day on."""
    return expires is not None and expires <= today


def _scope(rule: Rule, label: Label) -> str:
    """Return the first part of a rule's selection that a label does not fit."""
    of = rule.of
    if of.collections and label.collection not in of.collections:
        return f"{', '.join(of.collections)}, not {label.collection}"
    if of.owners and label.owner not in of.owners:
        return f"what {', '.join(of.owners)} put here, not {label.owner}"
    return f"{', '.join(of.types)}, not {label.type}"


def _why_no_purpose(rule: Rule, caller: Caller, label: Label, grant: Grant) -> str:
    asks = ", ".join(caller.purposes) or "no purpose"
    if grant.pap is None:
        return f"is for {', '.join(rule.purposes)}, and {caller.organisation} asks for {asks}"
    return f"gives it for {asks}, which {label.marking.pap.label} does not permit"


def _against(book: Rulebook, organisation: str, marking: Marking, way: Way, today: date) -> str:
    """Return which marking stands against a rule that comes to an organisation this way, empty when none does."""
    if marking.tlp is Tlp.RED and way.ceiling < Tlp.RED:
        return f"reaches {organisation} {way.text}, but TLP:RED needs 'up_to: TLP:RED' and the recipient by its name"
    if marking.tlp > way.ceiling:
        return (
            f"reaches {organisation} {way.text}, by which at most {way.ceiling.label} may go, and this is {marking.tlp.label}"
        )
    for name in marking.named:
        if keeps_from(book, name, organisation, today):
            declared = book.markings.get(name)
            called, only = (declared.name or name, declared.only) if declared else (name, ())
            return f"reaches {organisation} {way.text}, but {called!r} keeps it to {', '.join(only) or 'nobody'}"
    return ""


__all__ = [
    "SIGHTING",
    "TABLE",
    "Caller",
    "Considered",
    "Decision",
    "Grant",
    "Label",
    "Stage",
    "Way",
    "consider",
    "counted",
    "decide",
    "grants",
    "is_over",
    "keeps_from",
    "members",
    "reaches",
    "related",
    "selects",
    "ways",
]
